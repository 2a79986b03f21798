"""The operations of layers, with PyTorch's names and signatures.

One file a family; each op's forward and backward stand side by side, one native call each. The
usual abbreviation is `import tilewise.nn.functional as F`.
"""

from tilewise._ops.elementwise import (
    relu,
    sigmoid,
    tanh,
)
from tilewise._ops.inplace import (
    relu_,
)
from tilewise._ops.shape import (
    flatten,
    unflatten,
)
from tilewise._ops.softmax import (
    log_softmax,
    softmax,
)
from tilewise.creation import (
    one_hot,
)
from tilewise.functional.activation import (
    hardswish,
    leaky_relu,
    relu6,
    silu,
)
from tilewise.functional.conv import (
    conv1d,
    conv2d,
    conv3d,
)
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
from tilewise.functional.filtering import (
    convolve,
    correlate,
)
from tilewise.functional.interpolate import (
    interpolate,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)
from tilewise.functional.linear import (
    linear,
)
from tilewise.functional.losses.binary import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    multilabel_soft_margin_loss,
    sigmoid_focal_loss,
    soft_margin_loss,
)
from tilewise.functional.losses.classes import (
    cross_entropy,
    multi_margin_loss,
    multilabel_margin_loss,
    nll_loss,
    softmax_focal_loss,
)
from tilewise.functional.losses.distances import (
    cosine_embedding_loss,
    cosine_similarity,
    pairwise_distance,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from tilewise.functional.losses.overlap import (
    dice_loss,
)
from tilewise.functional.losses.pointwise import (
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from tilewise.functional.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    local_response_norm,
    rms_norm,
)
from tilewise.functional.padding import (
    pad,
)
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
from tilewise.functional.shuffle import (
    channel_shuffle,
    pixel_shuffle,
    pixel_unshuffle,
)
from tilewise.functional.similarity import (
    normalize,
)
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
from tilewise.functional.unfold import (
    fold,
    unfold,
)

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
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convolve",
    "correlate",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dice_loss",
    "drop_block1d",
    "drop_block2d",
    "drop_block3d",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "flatten",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "gaussian_nll_loss",
    "global_avg_pool",
    "global_max_pool",
    "group_norm",
    "hardswish",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "sigmoid",
    "sigmoid_focal_loss",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmax_focal_loss",
    "stochastic_depth",
    "tanh",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unflatten",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]
