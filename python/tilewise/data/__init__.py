"""Datasets, transforms and the loader that turns them into batches.

Example:
    >>> from tilewise import data
    >>> train = data.FashionMNIST(transform=data.transforms.ToTensor())  # doctest: +SKIP
    >>> loader = data.DataLoader(train, batch_size=128, shuffle=True)  # doctest: +SKIP
"""

from . import transforms
from .collate import default_collate
from .dataset import Dataset, Subset, SupportsGather, TensorDataset, random_split
from .idx import read_idx, write_idx
from .loader import DataLoader, SampleError
from .vision import MNIST, FashionMNIST

__all__ = [
    "MNIST",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "SampleError",
    "Subset",
    "SupportsGather",
    "TensorDataset",
    "default_collate",
    "random_split",
    "read_idx",
    "transforms",
    "write_idx",
]
