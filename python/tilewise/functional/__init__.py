"""The operations of layers, with PyTorch's names and signatures.

One file a family; each op's forward and backward stand side by side, one native call each. The
usual abbreviation is `import tilewise.nn.functional as F`.
"""

from tilewise._ops.elementwise import relu, sigmoid, tanh
from tilewise._ops.inplace import relu_
from tilewise._ops.shape import flatten, unflatten
from tilewise._ops.softmax import log_softmax, softmax
from tilewise.creation import one_hot
from tilewise.functional.activation import hardswish, leaky_relu, relu6, silu
from tilewise.functional.conv import conv1d, conv2d, conv3d
from tilewise.functional.conv_transpose import (
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from tilewise.functional.dropout import dropout, dropout1d, dropout2d, dropout3d
from tilewise.functional.interpolate import (
    interpolate,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)
from tilewise.functional.linear import linear
from tilewise.functional.loss import cross_entropy, mse_loss, nll_loss
from tilewise.functional.normalization import batch_norm
from tilewise.functional.padding import pad
from tilewise.functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from tilewise.functional.shuffle import channel_shuffle, pixel_shuffle, pixel_unshuffle
from tilewise.functional.special_pooling import (
    fractional_max_pool2d,
    fractional_max_pool3d,
    global_avg_pool,
    global_max_pool,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "flatten",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "global_avg_pool",
    "global_max_pool",
    "hardswish",
    "interpolate",
    "leaky_relu",
    "linear",
    "log_softmax",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "relu",
    "relu6",
    "relu_",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
    "unflatten",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]
