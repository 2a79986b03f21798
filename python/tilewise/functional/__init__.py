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
from tilewise.functional.dropout import (
    alpha_dropout,
    drop_block1d,
    drop_block2d,
    drop_block3d,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
    stochastic_depth,
)
from tilewise.functional.linear import linear
from tilewise.functional.loss import cross_entropy, mse_loss, nll_loss
from tilewise.functional.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
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
from tilewise.functional.similarity import cosine_similarity, normalize

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_similarity",
    "cross_entropy",
    "drop_block1d",
    "drop_block2d",
    "drop_block3d",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "flatten",
    "group_norm",
    "hardswish",
    "instance_norm",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "sigmoid",
    "silu",
    "softmax",
    "stochastic_depth",
    "tanh",
    "unflatten",
]
