"""What a network's weights expect of an image: its size, the order and the range of its colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from .._arguments import as_bool, as_choice, as_float, as_int, as_tuple
from .._imagenet import IMAGENET_MEAN, IMAGENET_STD
from .registry import info


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes a network's input: resize, centre crop, scale, subtract, divide.

    A pixel p of 0 to 255 becomes (p · scale - mean) / std in its channel.

    Args:
        size: (height, width) of the input.
        resize: what the image's shorter side is brought to before `size` is cut from the middle;
            None to bring the whole image to `size`, its proportions lost.
        mean, std: for each channel in the order the network has them, or one number for all.
        scale: applied first; 1/255 for statistics of images in [0, 1].
        bgr: whether the channels are blue, green, red.
        channels: 3, or 1 for grey images.

    Raises:
        ValueError: a size, a scale or a standard deviation is not positive, the crop is larger
            than the resized image, or the numbers of channels differ.

    Example:
        >>> rule = models.preprocessing("resnet50")
        >>> rule.resize, rule.size, rule.mean
        (256, (224, 224), (0.485, 0.456, 0.406))
    """

    size: tuple[int, int]
    resize: int | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1 / 255
    bgr: bool = False
    channels: int = 3

    def __post_init__(self) -> None:
        op, put = "Preprocessing", object.__setattr__
        put(self, "size", as_tuple(op, "size", self.size, 2, 1))
        if self.resize is not None and as_int(op, "resize", self.resize, 1) < max(self.size):
            raise ValueError(f"{op}: expected resize >= size {self.size}, got {self.resize}")
        as_int(op, "channels", self.channels, 1)
        as_bool(op, "bgr", self.bgr)
        for name in ("mean", "std"):
            values = tuple(as_float(op, name, v) for v in getattr(self, name))
            put(self, name, values * self.channels if len(values) == 1 else values)
            if len(getattr(self, name)) != self.channels:
                raise ValueError(
                    f"{op}: expected {name} of 1 or {self.channels} numbers, got "
                    f"{getattr(self, name)}"
                )
        if not (min(self.std) > 0 and as_float(op, "scale", self.scale) > 0):
            raise ValueError(f"{op}: expected positive std and scale, got {self.std}, {self.scale}")
        if self.bgr and self.channels != 3:
            raise ValueError(f"{op}: expected 3 channels with bgr, got {self.channels}")

    def of_size(self, size: int | tuple[int, int]) -> Preprocessing:
        """The same for another input size; `resize` grows or shrinks with it.

        Example:
            >>> models.preprocessing("resnet50").of_size(112).resize
            128
        """
        height, width = as_tuple("Preprocessing", "size", size, 2, 1)
        resize = self.resize
        if resize is not None:
            resize = max(height, width, round(resize * max(height, width) / max(self.size)))
        return replace(self, size=(height, width), resize=resize)

    def to_dict(self) -> dict[str, Any]:
        """The rule as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """The rule of `to_dict`.

        Raises:
            TypeError, ValueError: values are missing, unknown, or out of their range.
        """
        return cls(**{**values, "size": tuple(values["size"])})


IMAGENET = Preprocessing((224, 224), 256, IMAGENET_MEAN, IMAGENET_STD)
CAFFE = Preprocessing((227, 227), 256, (103.939, 116.779, 123.68), (1.0,), 1.0, bgr=True)
PRESETS = {
    "imagenet": IMAGENET,
    "caffe": CAFFE,
    "unit": replace(IMAGENET, mean=(0.0,), std=(1.0,)),
    "symmetric": replace(IMAGENET, mean=(0.5,), std=(0.5,)),
}


def preprocessing(name: str, preset: str = "imagenet") -> Preprocessing:
    """How images become input of a network, for weights of a common kind.

    Args:
        name: a model of `available()`, for its input size.
        preset: "imagenet" (torchvision's mean and deviation; the ResNets for CIFAR-10 were trained
            with it as well), "caffe" (blue, green, red of 0 to 255, less their mean), "unit"
            (0 to 1) or "symmetric" (-1 to 1).

    Returns:
        For inputs above 64 pixels the shorter side is resized to 8/7 of them before the crop.

    Raises:
        ValueError: there is no such model or preset.

    Example:
        >>> models.preprocessing("resnet20_cifar").size
        (32, 32)
        >>> models.preprocessing("squeezenet1_1", "caffe").bgr
        True
    """
    rule = PRESETS[as_choice("preprocessing", "preset", preset, tuple(PRESETS))]
    channels, height, width = info(name).input_shape
    if max(height, width) <= 64:
        rule = replace(rule, size=(height, width), resize=None)
    elif preset != "caffe" or (height, width) != (224, 224):  # Caffe's crop of 227 suits 224 too
        rule = rule.of_size((height, width))
    if channels != 3:
        rule = replace(rule, channels=channels, mean=(0.0,), std=(1.0,), bgr=False)
    return rule
