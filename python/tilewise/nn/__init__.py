"""Layers, losses and containers, with PyTorch's names."""

from tilewise.nn import functional, init, utils
from tilewise.nn.activation import LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from tilewise.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from tilewise.nn.containers import ModuleDict, ModuleList, Sequential
from tilewise.nn.conv import Conv1d, Conv2d, Conv3d
from tilewise.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from tilewise.nn.dropout import (
    AlphaDropout,
    DropBlock1d,
    DropBlock2d,
    DropBlock3d,
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    FeatureAlphaDropout,
    StochasticDepth,
)
from tilewise.nn.linear import Flatten, Identity, Linear, Unflatten
from tilewise.nn.loss import CrossEntropyLoss, MSELoss, NLLLoss
from tilewise.nn.module import Module
from tilewise.nn.normalization import (
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    LocalResponseNorm,
    RMSNorm,
)
from tilewise.nn.parameter import Buffer, Parameter
from tilewise.nn.parameter_containers import ParameterDict, ParameterList
from tilewise.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AlphaDropout",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Buffer",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CrossEntropyLoss",
    "DropBlock1d",
    "DropBlock2d",
    "DropBlock3d",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
    "Flatten",
    "GroupNorm",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "Linear",
    "LocalResponseNorm",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "RMSNorm",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "StochasticDepth",
    "Tanh",
    "Unflatten",
    "functional",
    "init",
    "utils",
]
