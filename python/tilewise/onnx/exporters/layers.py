"""Layers as calls of their functions, whose settings are the layers' attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tilewise.nn import Module

_PER_DIMENSION = {
    "AdaptiveAvgPool": "adaptive_avg_pool", "AdaptiveMaxPool": "adaptive_max_pool",
    "AvgPool": "avg_pool", "Conv": "conv", "ConvTranspose": "conv_transpose",
    "DropBlock": "drop_block", "Dropout": "dropout",
    "LPPool": "lp_pool", "MaxPool": "max_pool", "MaxUnpool": "max_unpool",
}  # fmt: skip
_PADDING = {
    "CircularPad": "circular", "ConstantPad": "constant", "ReflectionPad": "reflect",
    "ReplicationPad": "replicate", "ZeroPad": "constant",
}  # fmt: skip

# The function that a layer is.
FUNCTIONS: dict[str, str] = {
    "AlphaDropout": "alpha_dropout", "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits", "CELU": "celu",
    "CausalConv1d": "conv1d", "ChannelShuffle": "channel_shuffle",
    "CosineEmbeddingLoss": "cosine_embedding_loss", "CosineSimilarity": "cosine_similarity",
    "CrossEntropyLoss": "cross_entropy", "DiceLoss": "dice_loss", "Dropout": "dropout",
    "ELU": "elu", "FeatureAlphaDropout": "feature_alpha_dropout", "Flatten": "flatten",
    "FocalLoss": "softmax_focal_loss", "Fold": "fold",
    "FractionalMaxPool2d": "fractional_max_pool2d",
    "FractionalMaxPool3d": "fractional_max_pool3d", "GELU": "gelu", "GLU": "glu",
    "GaussianNLLLoss": "gaussian_nll_loss", "GroupNorm": "group_norm",
    "Hardshrink": "hardshrink", "Hardsigmoid": "hardsigmoid", "Hardswish": "hardswish",
    "Hardtanh": "hardtanh", "HingeEmbeddingLoss": "hinge_embedding_loss",
    "HuberLoss": "huber_loss", "Identity": "identity", "KLDivLoss": "kl_div",
    "L1Loss": "l1_loss", "LayerNorm": "layer_norm", "LeakyReLU": "leaky_relu",
    "Linear": "linear", "LocalResponseNorm": "local_response_norm", "LogSigmoid": "logsigmoid",
    "LogSoftmax": "log_softmax", "MSELoss": "mse_loss",
    "MarginRankingLoss": "margin_ranking_loss", "Maxout": "maxout", "Mish": "mish",
    "MultiLabelMarginLoss": "multilabel_margin_loss",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin_loss",
    "MultiMarginLoss": "multi_margin_loss", "NLLLoss": "nll_loss", "PReLU": "prelu",
    "PairwiseDistance": "pairwise_distance", "PixelShuffle": "pixel_shuffle",
    "PixelUnshuffle": "pixel_unshuffle", "PoissonNLLLoss": "poisson_nll_loss",
    "RMSNorm": "rms_norm", "RReLU": "rrelu", "ReLU": "relu", "ReLU6": "relu6", "SELU": "selu",
    "SiLU": "silu", "Sigmoid": "sigmoid", "SmoothL1Loss": "smooth_l1_loss",
    "SoftMarginLoss": "soft_margin_loss", "Softmax": "softmax", "Softmax2d": "softmax",
    "Softmin": "softmin", "Softplus": "softplus", "Softshrink": "softshrink",
    "Softsign": "softsign", "StochasticDepth": "stochastic_depth", "Tanh": "tanh",
    "Tanhshrink": "tanhshrink", "Threshold": "threshold",
    "TripletMarginLoss": "triplet_margin_loss",
    "TripletMarginWithDistanceLoss": "triplet_margin_with_distance_loss",
    "Unflatten": "unflatten", "Unfold": "unfold", "Upsample": "interpolate",
    "UpsamplingBilinear2d": "interpolate", "UpsamplingNearest2d": "interpolate",
}  # fmt: skip
for _dims in (1, 2, 3):
    FUNCTIONS |= {f"{layer}{_dims}d": f"{name}{_dims}d" for layer, name in _PER_DIMENSION.items()}
    FUNCTIONS |= {f"{layer}{_dims}d": "pad" for layer in _PADDING}
    FUNCTIONS[f"BatchNorm{_dims}d"] = "batch_norm"
    FUNCTIONS[f"InstanceNorm{_dims}d"] = "instance_norm"
    FUNCTIONS[f"GlobalAvgPool{_dims}d"] = "global_avg_pool"
    FUNCTIONS[f"GlobalMaxPool{_dims}d"] = "global_max_pool"
# Arguments of forward that have another name than those of the function.
RENAMED = {"PoissonNLLLoss": {"log_input": "input"}}


def settings(kind: str, layer: Module) -> dict[str, Any]:
    """The arguments that a layer passes on: its public attributes, parameters and buffers.

    Args:
        kind: the layer's class.
        layer: itself.
    """
    public = {name: value for name, value in vars(layer).items() if not name.startswith("_")}
    return {**public, **layer._parameters, **layer._buffers, **_renamed(kind, layer)}


def _renamed(kind: str, layer: Any) -> dict[str, Any]:
    """Where attributes and arguments have different names."""
    family = kind[:-2]
    if family in _PADDING:
        value = getattr(layer, "value", None)
        return {"pad": layer.padding, "mode": _PADDING[family], "value": value}
    if family in {"BatchNorm", "InstanceNorm"}:
        batch = layer.uses_batch()
        return {"training": batch, "use_input_stats": batch, "rank": int(kind[-2]) + 2}
    if family in {"GlobalAvgPool", "GlobalMaxPool"}:
        return {"dims": int(kind[-2])}
    if kind == "Softmax2d":
        return {"dim": -3}
    if kind == "PairwiseDistance":
        return {"p": layer.norm}
    return {}
