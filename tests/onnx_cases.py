"""Layers and functions for the tests of ONNX: what to build, and shapes to feed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tilewise as tw
from tilewise import nn
from tilewise.nn import functional as F

SEQUENCE, IMAGE, VOLUME = (2, 4, 12), (2, 4, 9, 7), (2, 4, 6, 5, 4)
VECTORS = (2, 6)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: tw.Tensor) -> Any:
        return self.function(*inputs)


class Case(NamedTuple):
    """A network, and the shapes of its inputs; `positive` ones for roots and logarithms."""

    name: str
    build: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    least_opset: int = 13
    positive: bool = False
    labels: int = 0  # the last input holds labels below this

    def inputs(self, batch: int) -> list[np.ndarray[Any, Any]]:
        """Random inputs for a batch size."""
        draw = np.random.default_rng(len(self.name))
        arrays = []
        for shape in self.shapes:
            x = draw.standard_normal((batch, *shape[1:])).astype(np.float32)
            arrays.append(np.abs(x) * 0.4 + 0.05 if self.positive else x)
        if self.labels:
            arrays[-1] = draw.integers(0, self.labels, arrays[-1].shape).astype(np.int64)
        return arrays


def layer(kind: str, shape: tuple[int, ...], *arguments: Any, **named: Any) -> Case:
    """A layer of tilewise.nn by name."""
    opset = named.pop("least_opset", 13)
    text = ", ".join([*map(repr, arguments), *(f"{k}={v!r}" for k, v in named.items())])
    return Case(f"{kind}({text})", lambda: getattr(nn, kind)(*arguments, **named), (shape,), opset)


def function(name: str, form: Callable[..., Any], *shapes: tuple[int, ...], **named: Any) -> Case:
    """A function of tensors."""
    return Case(name, lambda: Function(form), shapes or (IMAGE,), **named)


CONVOLUTIONS = [
    layer("Conv1d", SEQUENCE, 4, 6, 3, stride=2, padding=1),
    layer("Conv1d", SEQUENCE, 4, 6, 3, padding="causal", dilation=2),
    layer("CausalConv1d", SEQUENCE, 4, 4, 2, dilation=4),
    layer("Conv2d", IMAGE, 4, 6, 3),
    layer("Conv2d", IMAGE, 4, 6, (3, 2), stride=(2, 1), padding=(1, 2), bias=False),
    layer("Conv2d", IMAGE, 4, 8, 3, groups=4, dilation=2, padding="same"),
    layer("Conv2d", IMAGE, 4, 6, 4, padding="same"),
    layer("Conv2d", IMAGE, 4, 6, 4, stride=2, padding="same_lower"),
    layer("Conv2d", IMAGE, 4, 6, 3, padding=1, padding_mode="reflect"),
    layer("Conv2d", IMAGE, 4, 6, 3, padding=2, padding_mode="replicate"),
    layer("Conv2d", IMAGE, 4, 6, 5, padding=(2, 1), padding_mode="circular"),
    layer("Conv3d", VOLUME, 4, 2, 2, stride=2),
    layer("ConvTranspose1d", SEQUENCE, 4, 2, 4, stride=2, padding=1),
    layer("ConvTranspose2d", IMAGE, 4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
    layer("ConvTranspose2d", IMAGE, 4, 6, 3, dilation=2, bias=False),
    layer("ConvTranspose3d", VOLUME, 4, 2, 2, stride=2),
    layer("Unfold", IMAGE, (3, 2), padding=1, stride=2),
    layer("Fold", (2, 12, 24), (6, 5), (3, 2), padding=(1, 0)),
    layer("Linear", VECTORS, 6, 5),
    layer("Linear", (2, 3, 6), 6, 5, bias=False),
    layer("Linear", (2, 3, 4, 6), 6, 5),
]

POOLING = [
    layer("MaxPool1d", SEQUENCE, 3, 2),
    layer("MaxPool2d", IMAGE, 3, 2, 1),
    layer("MaxPool2d", IMAGE, 2, 2, ceil_mode=True),
    layer("MaxPool2d", IMAGE, 3, 2, 1, ceil_mode=True),
    layer("MaxPool2d", IMAGE, 2, 1, dilation=2),
    layer("MaxPool2d", IMAGE, (3, 2), 2, return_indices=True),
    layer("MaxPool3d", VOLUME, 2),
    function("zeros around max_pool", lambda x: F.max_pool2d(F.pad(-(x * x) - 1, (1,) * 4), 3, 2)),
    layer("AvgPool1d", SEQUENCE, 3, 2, 1),
    layer("AvgPool2d", IMAGE, 2),
    layer("AvgPool2d", IMAGE, 3, 2, 1),
    layer("AvgPool2d", IMAGE, 3, 2, 1, count_include_pad=False),
    layer("AvgPool2d", IMAGE, 2, 2, ceil_mode=True),
    layer("AvgPool2d", IMAGE, 4, 3, 2, ceil_mode=True),
    layer("AvgPool2d", IMAGE, 4, 3, 2, ceil_mode=True, count_include_pad=False),
    layer("AvgPool2d", IMAGE, 3, 2, 1, divisor_override=5),
    layer("AvgPool3d", VOLUME, 2, padding=1),
    layer("AdaptiveAvgPool1d", SEQUENCE, 5),
    layer("AdaptiveAvgPool2d", IMAGE, 1),
    layer("AdaptiveAvgPool2d", IMAGE, (3, 7)),
    layer("AdaptiveAvgPool2d", IMAGE, (4, 3)),
    layer("AdaptiveAvgPool2d", IMAGE, (None, 2)),
    layer("AdaptiveAvgPool3d", VOLUME, (2, 5, 3)),
    layer("AdaptiveMaxPool1d", SEQUENCE, 1),
    layer("AdaptiveMaxPool2d", IMAGE, (5, 2)),
    layer("AdaptiveMaxPool2d", IMAGE, (3, 1), return_indices=True),
    layer("AdaptiveMaxPool3d", VOLUME, 2),
    layer("GlobalAvgPool1d", SEQUENCE),
    layer("GlobalAvgPool2d", IMAGE),
    layer("GlobalAvgPool3d", VOLUME),
    layer("GlobalMaxPool1d", SEQUENCE),
    layer("GlobalMaxPool2d", IMAGE),
    layer("GlobalMaxPool3d", VOLUME),
    layer("LPPool1d", SEQUENCE, 2, 3),
    layer("LPPool2d", IMAGE, 2, 3, 2, ceil_mode=True),
    layer("LPPool2d", IMAGE, float("inf"), 2),
    layer("LPPool3d", VOLUME, 1, 2),
    function(
        "MaxUnpool2d",
        lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2, output_size=(9, 7)),
    ),
    function("MaxUnpool1d", lambda x: nn.MaxUnpool1d(2)(*nn.MaxPool1d(2, return_indices=True)(x)),
             SEQUENCE),
    function("MaxUnpool3d", lambda x: nn.MaxUnpool3d(2)(*nn.MaxPool3d(2, return_indices=True)(x)),
             (2, 3, 4, 4, 2)),
]  # fmt: skip

NORMS = [
    layer("BatchNorm1d", SEQUENCE, 4),
    layer("BatchNorm1d", VECTORS, 6),
    layer("BatchNorm2d", IMAGE, 4, affine=False),
    layer("BatchNorm2d", IMAGE, 4, eps=0.1, bias=False),
    layer("BatchNorm2d", IMAGE, 4, track_running_stats=False),
    layer("BatchNorm3d", VOLUME, 4),
    layer("InstanceNorm1d", SEQUENCE, 4),
    layer("InstanceNorm2d", IMAGE, 4, affine=True),
    layer("InstanceNorm2d", IMAGE, 4, track_running_stats=True),
    layer("InstanceNorm3d", VOLUME, 4),
    layer("GroupNorm", IMAGE, 2, 4),
    layer("GroupNorm", SEQUENCE, 4, 4, affine=False),
    layer("GroupNorm", VECTORS, 3, 6),
    layer("LayerNorm", IMAGE, (9, 7)),
    layer("LayerNorm", VECTORS, 6, elementwise_affine=False),
    layer("LayerNorm", VECTORS, 6, bias=False),
    layer("RMSNorm", VECTORS, 6),
    layer("RMSNorm", IMAGE, (4, 9, 7), eps=1e-3),
    layer("LocalResponseNorm", IMAGE, 3),
    layer("LocalResponseNorm", IMAGE, 2, alpha=0.1, beta=0.5, k=2.0),
    layer("LocalResponseNorm", SEQUENCE, 5, alpha=0.1),
]

PLAIN_ACTIVATIONS = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Dropout",
]
ACTIVATIONS = [
    *[layer(kind, (2, 6, 3, 4), *((1,) if kind == "GLU" else ())) for kind in PLAIN_ACTIVATIONS],
    layer("CELU", VECTORS, 2.0),
    layer("ELU", VECTORS, 0.5),
    layer("GELU", VECTORS, "tanh"),
    layer("Hardtanh", VECTORS, -0.5, 2.0),
    layer("LeakyReLU", VECTORS, 0.3),
    layer("PReLU", IMAGE, 4),
    layer("PReLU", VECTORS, 6),
    layer("ReLU", VECTORS, inplace=True),
    layer("Softplus", VECTORS, 2.0, 1.5),
    layer("Threshold", VECTORS, 0.2, -3.0),
    layer("Maxout", (2, 6, 3), 3),
    layer("Softmax", VECTORS, 1),
    layer("Softmax", SEQUENCE, 0),
    layer("LogSoftmax", IMAGE, 1),
    layer("Softmin", VECTORS, -1),
    layer("Softmax2d", IMAGE),
    layer("AlphaDropout", VECTORS, 0.5),
    layer("Dropout2d", IMAGE, 0.5),
    layer("DropBlock2d", IMAGE, 0.1, 3),
    layer("StochasticDepth", IMAGE, 0.5, "row"),
]

RESHAPING = [
    layer("Flatten", IMAGE),
    layer("Flatten", IMAGE, 0, 1),
    layer("Unflatten", VECTORS, 1, (2, 3)),
    layer("ChannelShuffle", IMAGE, 2),
    layer("PixelShuffle", IMAGE, 2),
    layer("PixelUnshuffle", (2, 3, 6, 4), 2),
    layer("ZeroPad2d", IMAGE, (1, 0, 2, 3)),
    layer("ConstantPad1d", SEQUENCE, (1, 2), 0.5),
    layer("ConstantPad3d", VOLUME, (1, -1, 0, 2, -1, 0), -1.5),
    layer("ReflectionPad2d", IMAGE, 2),
    layer("ReplicationPad3d", VOLUME, 1),
    layer("CircularPad1d", SEQUENCE, (2, 1)),
    layer("CircularPad2d", IMAGE, (1, 2, 0, 3)),
    layer("Upsample", SEQUENCE, scale_factor=2, mode="linear"),
    layer("Upsample", IMAGE, scale_factor=2),
    layer("Upsample", IMAGE, scale_factor=2, mode="bilinear"),
    layer("Upsample", IMAGE, size=(5, 11), mode="bilinear", align_corners=True),
    layer("Upsample", IMAGE, scale_factor=1.5, mode="bicubic"),
    layer("Upsample", IMAGE, size=(13, 4), mode="nearest-exact"),
    layer("Upsample", VOLUME, size=(4, 7, 3), mode="trilinear"),
    layer("UpsamplingNearest2d", IMAGE, scale_factor=3),
    layer("UpsamplingBilinear2d", IMAGE, size=12),
    function("area", lambda x: F.interpolate(x, size=(3, 2), mode="area")),
    function("antialias", lambda x: F.interpolate(x, (4, 9), mode="bilinear", antialias=True)),
    function("lanczos", lambda x: F.interpolate(x, (4, 9), mode="lanczos", antialias=True)),
    function("view", lambda x: x.view(x.shape[0], 2, 2, -1)),
    function("view batch last", lambda x: x.reshape(4, -1)),
    function("shuffle", lambda x: x.view(x.size(0), 2, 2, 9, 7).transpose(1, 2).reshape(x.shape)),
    function("flatten(0, 1)", lambda x: x.flatten(0, 1).reshape(x.shape[0], -1, 7)),
    function("permute", lambda x: x.permute(0, 2, 3, 1)),
    function("movedim", lambda x: x.movedim(1, -1)),
    function("t", lambda x: x.t(), VECTORS),
    function("squeeze", lambda x: x.mean((2, 3), keepdim=True).squeeze(3).squeeze(2)),
    function("unsqueeze", lambda x: x.unsqueeze(1).expand(-1, 3, -1, -1, -1)),
    function("expand", lambda x: tw.ones(1, 6).expand(x.shape[0], 6) * x, VECTORS),
    function("repeat", lambda x: x.repeat(1, 2, 1, 3)),
    function("repeat in front", lambda x: x.repeat(2, 1, 1), VECTORS),
    function("flip", lambda x: x.flip(1, 3)),
    function("roll", lambda x: x.roll((1, -2), (2, 3))),
    function("tensor unfold", lambda x: x.unfold(2, 3, 2), SEQUENCE),
    function("tril", lambda x: tw.tril(x, -1) + tw.triu(x), least_opset=14),
]  # fmt: skip

JOINING = [
    function("cat", lambda x, y: tw.cat([x, y, x], 1), IMAGE, (2, 3, 9, 7)),
    function("cat zeros", lambda x: tw.cat([x, tw.zeros(x.shape[0], 2, 9, 7)], 1)),
    function("stack", lambda x: tw.stack([x, x * 2], -1)),
    function("hstack", lambda x: tw.hstack([x, x])),
    function("chunk", lambda x: tw.cat(x.chunk(3, 1)[::-1], 1)),
    function("split", lambda x: x.split([1, 3], 1)),
    function("unbind", lambda x: x.unbind(1)[2] + x.unbind(1)[0]),
    function("narrow", lambda x: x.narrow(1, 1, 2)),
    function("select", lambda x: x.select(2, -1)),
    function("slices", lambda x: x[:, 1:3, ::2, -4:-1]),
    function("numbers", lambda x: x[:, 0, ..., -1]),
    function("new axes", lambda x: x[:, None, 1, :, None]),
    function("list", lambda x: x[:, [2, 0, 3]]),
    function("tensor index", lambda x: x[:, tw.tensor([[1, 0], [2, 2]])]),
    function("index_select", lambda x: x.index_select(1, tw.tensor([3, 1]))),
    function("gather", lambda x: x.gather(1, x.argmax(1, keepdim=True))),
    function("crop", lambda x: x[:, :, 1 : x.shape[2] - 1, 1:-1]),
]


ARITHMETIC = [
    function("add", lambda x, y: x + 2 * y - 1, IMAGE, IMAGE),
    function(
        "add alpha", lambda x, y: tw.add(x, y, alpha=0.5) - tw.sub(y, x, alpha=3), IMAGE, IMAGE
    ),
    function("add_", lambda x, y: F.relu(x).add_(y).mul_(3), IMAGE, IMAGE),
    function("rsub", lambda x: (1 - x) / 3 + 1 / (x * x + 1)),
    function("broadcast", lambda x: x * x.mean((2, 3), keepdim=True)),
    function("pow", lambda x: x**2 + (x * x + 1) ** 0.5 + 2**x),
    function("floor_divide", lambda x: x // 0.3 + x % 0.7),
    function("fmod", lambda x: tw.fmod(x, 0.7)),
    function("integers", lambda x: (x * 10).long() // 3 + (x * 10).long() % 4),
    function("maximum", lambda x, y: tw.maximum(x, y) + tw.minimum(x, y * 2), IMAGE, IMAGE),
    function("clamp", lambda x: x.clamp(-0.5, 0.7) + x.clamp(min=0) + x.clamp_max(0.1)),
    function("compare", lambda x: (x > 0).float() + (x <= 0.5) * 2 + (x != x.floor()) * x),
    function("logic", lambda x: ((x > 0) & (x < 1) | ~(x > -1)).to(tw.float32)),
    function("where", lambda x, y: tw.where(x > y, x, 0.5), IMAGE, IMAGE),
    function("masked_fill", lambda x: x.masked_fill(x < 0, -2.0)),
    function("addcmul", lambda x, y: tw.addcmul(x, y, y, value=0.5), IMAGE, IMAGE),
    function("lerp", lambda x, y: tw.lerp(x, y, 0.25), IMAGE, IMAGE),
    function("zeros_like", lambda x: tw.zeros_like(x) + tw.ones_like(x) * x),
    function("batch in a sum", lambda x: x.sum(0, keepdim=True) / x.shape[0] + x),
    *[
        function(name, lambda x, f=name: getattr(tw, f)(x))
        for name in [
            "abs",
            "neg",
            "sign",
            "exp",
            "floor",
            "ceil",
            "round",
            "trunc",
            "sin",
            "cos",
            "tan",
            "atan",
            "sinh",
            "cosh",
            "tanh",
            "asinh",
            "erf",
            "erfc",
            "sigmoid",
            "square",
            "expm1",
            "frac",
            "exp2",
            "relu",
        ]
    ],
    *[
        function(name, lambda x, f=name: getattr(tw, f)(x), positive=True)
        for name in ["log", "sqrt", "rsqrt", "reciprocal", "log1p", "log2", "log10"]
    ],
    *[
        function(name, lambda x, f=name: getattr(tw, f)(x * 0.2))
        for name in ("asin", "acos", "atanh")
    ],
    *[
        function(name, lambda x, f=name: getattr(F, f)(x))
        for name in [
            "relu6",
            "silu",
            "mish",
            "hardswish",
            "hardsigmoid",
            "selu",
            "softsign",
            "logsigmoid",
            "gelu",
            "softplus",
            "leaky_relu",
            "elu",
            "hardtanh",
            "tanhshrink",
        ]
    ],
]

REDUCTIONS = [
    function("sum", lambda x: x.sum(1) + x.sum((1, 2), keepdim=True).sum(1)),
    function("mean", lambda x: x.mean((2, 3)) + x.mean()),
    function("amax", lambda x: x.amax((2, 3)) - x.amin(dim=(2, 3))),
    function("max", lambda x: x.max(1)),
    function("min", lambda x: x.min(2, keepdim=True).values + x.max()),
    function("prod", lambda x: x.prod(1)),
    function("argmax", lambda x: x.argmax(1)),
    function("var", lambda x: x.var((2, 3)) + x.std(dim=(2, 3), unbiased=False)),
    function("norm", lambda x: x.norm(2, 1) + x.norm(1, 1) + x.norm(3.0, 1)),
    function("logsumexp", lambda x: x.logsumexp(1)),
    function("any", lambda x: ((x > 1).any(1), (x > -1).all(1))),
    function("cumsum", lambda x: x.cumsum(1)),
    function("topk", lambda x: x.topk(3, 1), VECTORS),
    function("sort", lambda x: x.sort(1, descending=True), VECTORS),
    function("softmax", lambda x: F.softmax(x, 1) + F.log_softmax(x, 1)),
    function("normalize", F.normalize),
    function("cosine_similarity", F.cosine_similarity, VECTORS, VECTORS),
    function("pairwise", nn.PairwiseDistance(), VECTORS, VECTORS),
    function("matmul", lambda x: x @ x.transpose(-1, -2)),
    function("bmm", lambda x: tw.bmm(x, x.transpose(1, 2)), SEQUENCE),
    function("addmm", lambda x: tw.addmm(x[:, :1], x, tw.ones(6, 3), alpha=2), VECTORS),
    function("einsum", lambda x: tw.einsum("nchw,ndhw->ncd", x, x)),
    function("one_hot", lambda x: F.one_hot(x.argmax(1), 6) * x, VECTORS),
]


def loss(kind: str, *shapes: tuple[int, ...], **named: Any) -> Case:
    """A loss, of inputs and targets."""
    case = {key: named.pop(key) for key in ("positive", "labels") if key in named}
    text = ", ".join(f"{k}={v!r}" for k, v in named.items())
    return Case(f"{kind}({text})", lambda: getattr(nn, kind)(**named), shapes, **case)


LOSSES = [
    loss("MSELoss", IMAGE, IMAGE),
    loss("L1Loss", IMAGE, IMAGE, reduction="sum"),
    loss("SmoothL1Loss", IMAGE, IMAGE, beta=0.5),
    loss("HuberLoss", IMAGE, IMAGE, delta=0.7, reduction="none"),
    loss("CrossEntropyLoss", VECTORS, (2,), labels=6),
    loss("CrossEntropyLoss", IMAGE, (2, 9, 7), labels=4, reduction="none"),
    loss("CrossEntropyLoss", VECTORS, VECTORS, positive=True, reduction="sum"),
    loss("NLLLoss", VECTORS, (2,), labels=6, ignore_index=3),
    loss("BCELoss", VECTORS, VECTORS, positive=True, reduction="sum"),
    loss("BCEWithLogitsLoss", VECTORS, VECTORS),
    loss("KLDivLoss", VECTORS, VECTORS, positive=True, reduction="batchmean"),
    loss("PoissonNLLLoss", VECTORS, VECTORS),
    loss("GaussianNLLLoss", VECTORS, VECTORS, VECTORS, positive=True),
    loss("SoftMarginLoss", VECTORS, VECTORS),
    loss("HingeEmbeddingLoss", VECTORS, VECTORS),
    loss("MarginRankingLoss", VECTORS, VECTORS, VECTORS, margin=0.5),
    loss("TripletMarginLoss", VECTORS, VECTORS, VECTORS, swap=True),
    function("sigmoid_focal_loss", F.sigmoid_focal_loss, VECTORS, VECTORS),
]

CASES = [
    *CONVOLUTIONS, *POOLING, *NORMS, *ACTIVATIONS, *RESHAPING, *JOINING, *ARITHMETIC, *REDUCTIONS,
    *LOSSES,
]  # fmt: skip
