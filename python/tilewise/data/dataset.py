"""Datasets: anything with `__len__` and `__getitem__`, and the array-backed ones kept fast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from ..creation import from_numpy
from ..tensor import Tensor
from .draws import Draws, draw_seed, permutation

if TYPE_CHECKING:
    from .._core import Generator

T_co = TypeVar("T_co", covariant=True)
Indices = npt.NDArray[np.int64]


class Dataset(Generic[T_co]):
    """A map-style dataset: subclass it and define `__len__` and `__getitem__`.

    Example:
        >>> class Squares(Dataset[int]):
        ...     def __len__(self) -> int:
        ...         return 10
        ...     def __getitem__(self, index: int) -> int:
        ...         return index * index
        >>> Squares()[3]
        9
    """

    def __getitem__(self, index: int) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__")


@runtime_checkable
class SupportsGather(Protocol):
    """A dataset that reads a whole batch at once, instead of sample by sample.

    `DataLoader` uses `gather` where a dataset has it (and no `collate_fn` was given): one
    vectorised copy a batch. It returns one array or Tensor for each element of a sample, with the
    batch as the leading dimension.

    Example:
        >>> images = data.FashionMNIST(train=False, transform=data.transforms.ToTensor())
        >>> isinstance(images, data.SupportsGather)
        True
    """

    def gather(self, indices: Indices, draws: Draws) -> tuple[Any, ...]:
        """The samples at `indices` (int64, (B,)); `draws` is for random transforms."""


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples are the rows of one or more tensors (or NumPy arrays) of equal length.

    Args:
        tensors: Tensors or arrays of shape (N, …) with the same N.

    Raises:
        ValueError: no tensors were given, or their lengths differ.

    Example:
        >>> pairs = TensorDataset(np.zeros((4, 2), np.float32), np.arange(4))
        >>> len(pairs), pairs[1][0].shape
        (4, (2,))
    """

    def __init__(self, *tensors: Tensor | npt.NDArray[Any]) -> None:
        if not tensors:
            raise ValueError("TensorDataset: expected at least one tensor, got none")
        shapes = [tuple(t.shape) for t in tensors]
        if any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
            raise ValueError(
                f"TensorDataset: expected tensors of the same length, got shapes {shapes}"
            )
        self.tensors = tuple(t if isinstance(t, Tensor) else from_numpy(t) for t in tensors)
        self._length = int(shapes[0][0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self._length

    def gather(self, indices: Indices, draws: Draws) -> tuple[Tensor, ...]:
        """The samples at `indices` (int64, (B,)) as tensors of shape (B, …)."""
        return tuple(tensor[indices] for tensor in self.tensors)


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`, in that order.

    Raises:
        IndexError: an index lies outside the dataset.

    Example:
        >>> digits = TensorDataset(np.arange(10))
        >>> len(Subset(digits, [2, 4, 6]))
        3
    """

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int] | Indices) -> None:
        chosen = np.asarray(indices, dtype=np.int64).reshape(-1)
        size = len(dataset)
        if chosen.size and (int(chosen.min()) < -size or int(chosen.max()) >= size):
            raise IndexError(
                f"Subset: expected indices within a dataset of {size} samples, "
                f"got {int(chosen.min())}…{int(chosen.max())}"
            )
        self.dataset = dataset
        self.indices: Indices = np.where(chosen < 0, chosen + size, chosen)
        if isinstance(dataset, SupportsGather):
            self.gather = self._gather

    def __getitem__(self, index: int) -> T_co:
        return self.dataset[int(self.indices[index])]

    def __len__(self) -> int:
        return int(self.indices.size)

    def _gather(self, indices: Indices, draws: Draws) -> tuple[Any, ...]:
        chosen = self.indices[indices]
        source: Any = self.dataset
        moved = Draws(draws.seed, draws.epoch, chosen, draws.stream)
        gathered: tuple[Any, ...] = source.gather(chosen, moved)
        return gathered


def random_split(
    dataset: Dataset[T_co],
    lengths: Sequence[int] | Sequence[float],
    generator: Generator | None = None,
    *,
    seed: int | None = None,
) -> list[Subset[T_co]]:
    """Split a dataset at random into parts that do not overlap.

    Args:
        dataset: the dataset to split.
        lengths: the parts' sizes, or fractions that sum to 1 (what rounding leaves over goes to
            the first parts, one each, as in PyTorch).
        generator: where the split's seed is drawn from; the global generator by default.
        seed: fixes the split by itself; then no generator is touched.

    Raises:
        ValueError: the lengths do not sum to the dataset's, or are negative.

    Example:
        >>> train, valid = random_split(TensorDataset(np.arange(10)), [8, 2], seed=0)
        >>> len(train), len(valid)
        (8, 2)
    """
    size = len(dataset)
    sizes = _split_sizes(size, lengths)
    order = permutation(size, draw_seed(generator) if seed is None else seed)
    ends = np.cumsum(sizes)
    return [
        Subset(dataset, order[end - n : end]) for n, end in zip(sizes, ends.tolist(), strict=True)
    ]


def _split_sizes(size: int, lengths: Sequence[int] | Sequence[float]) -> list[int]:
    if any(isinstance(length, float) for length in lengths) and math.isclose(sum(lengths), 1.0):
        sizes = [math.floor(size * length) for length in lengths]
        for part in range(size - sum(sizes)):
            sizes[part % len(sizes)] += 1
    else:
        sizes = [int(length) for length in lengths]
    if sum(sizes) != size or any(n < 0 for n in sizes):
        raise ValueError(
            f"random_split: expected lengths that sum to {size} (or fractions that sum to 1), "
            f"got {list(lengths)}"
        )
    return sizes
