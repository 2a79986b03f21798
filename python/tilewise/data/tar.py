"""Tar files of images as datasets: read in place, never unpacked to the disk."""

from __future__ import annotations

from collections.abc import Callable

from .folder import ImageFiles, is_image
from .tar_format import read_members


class ImageTar(ImageFiles):
    """Images in a tar file, plain or compressed with gzip, by the names of their folders.

    Nothing is unpacked to the disk, so a member's name is a name and no path. Images of a plain tar
    are read where they lie, when they are wanted; those of a compressed one are held in memory as
    files, not decoded. An image that cannot be decoded raises when it is read, naming the member.

    Args:
        root: the tar file.
        transform: applied to each image; any callable. Those of `tilewise.data.transforms` run on
            a whole batch at once. Without one, images are uint8 (H, W, 3).
        target_transform: applied to each label; any callable.
        label: the class of a member by its name: a name, or an integer that is the label. By
            default the name of the folder that holds it.
        select: which members belong to the dataset, by their names.
        mode: "RGB", "L" (grey) or "RGBA".
        cache_bytes: decoded images are kept in memory up to this many bytes; those read first stay.
        max_pixels: the most that an image may hold.

    Attributes:
        classes: names, sorted; class_to_idx: their numbers; labels: int64 (N,).
        names: of the members, sorted; cached_bytes: memory that kept images take.

    Raises:
        FileNotFoundError: there is no such file, or no image in it.
        ValueError: the archive is damaged or claims more than it holds; when read, a corrupt image.

    Example:
        >>> import io, tarfile
        >>> with tarfile.open("pets.tar", "w") as tar:
        ...     for name in ("cat/1.pgm", "dog/1.pgm"):
        ...         member = tarfile.TarInfo(name)
        ...         member.size = 13
        ...         tar.addfile(member, io.BytesIO(b"P5 2 1 255 " + bytes(2)))
        >>> pets = data.ImageTar("pets.tar")
        >>> len(pets), pets.classes, pets[1][0].shape, pets[1][1]
        (2, ['cat', 'dog'], (1, 2, 3), 1)
    """

    def find(self, wanted: Callable[[str], bool]) -> tuple[list[str], int]:
        """The names of the wanted images, sorted, and how many other members there are."""
        members, others = read_members(
            "ImageTar", self.root, lambda name: is_image(name) and wanted(name)
        )
        self._members = sorted(members, key=lambda member: member.name)
        return [member.name for member in self._members], others

    def class_of(self, name: str) -> str:
        """The folder that holds a member."""
        parts = name.split("/")
        if len(parts) < 2 or parts[-2] in ("", ".", ".."):
            raise ValueError(
                f"ImageTar: {self.root}: {name!r} lies in no class's folder: expected class/image, "
                "or the argument label"
            )
        return parts[-2]

    def content(self, index: int) -> bytes:
        """The bytes of image file `index`."""
        member = self._members[index]
        if member.content is not None:
            return member.content
        # Opened anew each time: no lock between threads, and nothing to inherit over a fork.
        with self.root.open("rb") as stream:
            stream.seek(member.offset)
            content = stream.read(member.size)
        if len(content) != member.size:
            raise ValueError(f"ImageTar: {self.root} has become shorter: {member.name!r} is cut")
        return content

    def describe(self, index: int) -> str:
        """The archive and the member's name."""
        return f"{self.root}: {self.names[index]}"
