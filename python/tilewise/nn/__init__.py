"""Layers, losses and containers, with PyTorch's names."""

from tilewise.nn import functional, init, utils
from tilewise.nn.activation import LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from tilewise.nn.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from tilewise.nn.containers import ModuleDict, ModuleList, Sequential
from tilewise.nn.conv import Conv1d, Conv2d, Conv3d
from tilewise.nn.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from tilewise.nn.dropout import Dropout, Dropout1d, Dropout2d, Dropout3d
from tilewise.nn.linear import Flatten, Identity, Linear, Unflatten
from tilewise.nn.loss import CrossEntropyLoss, MSELoss, NLLLoss
from tilewise.nn.module import Module
from tilewise.nn.parameter import Buffer, Parameter
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
from tilewise.nn.shuffle import ChannelShuffle, PixelShuffle, PixelUnshuffle
from tilewise.nn.special_pooling import (
    FractionalMaxPool2d,
    FractionalMaxPool3d,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    GlobalAvgPool3d,
    GlobalMaxPool1d,
    GlobalMaxPool2d,
    GlobalMaxPool3d,
    LPPool1d,
    LPPool2d,
    LPPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
)
from tilewise.nn.upsample import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Buffer",
    "ChannelShuffle",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Flatten",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalAvgPool3d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GlobalMaxPool3d",
    "Identity",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Unflatten",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
    "functional",
    "init",
    "utils",
]
