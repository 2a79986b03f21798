"""Datasets, transforms and the loader that turns them into batches.

Example:
    >>> from tilewise import data
    >>> train = data.FashionMNIST(transform=data.transforms.ToTensor())  # doctest: +SKIP
    >>> loader = data.DataLoader(train, batch_size=128, shuffle=True)  # doctest: +SKIP
"""

from .._imagenet import IMAGENET_MEAN, IMAGENET_STD
from . import transforms
from .cifar import CIFAR10, CIFAR100
from .collate import default_collate
from .dataset import Dataset, Subset, SupportsGather, TensorDataset, random_split
from .decode import read_image
from .folder import ImageFolder
from .idx import read_idx, write_idx
from .labelled import ImageArrays, LabelledImages
from .loader import DataLoader, SampleError
from .pillow import pil_to_tensor, to_pil_image
from .tar import ImageTar
from .vision import MNIST, FashionMNIST

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MNIST",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "ImageArrays",
    "ImageFolder",
    "ImageTar",
    "LabelledImages",
    "SampleError",
    "Subset",
    "SupportsGather",
    "TensorDataset",
    "default_collate",
    "pil_to_tensor",
    "random_split",
    "read_idx",
    "read_image",
    "to_pil_image",
    "transforms",
    "write_idx",
]
