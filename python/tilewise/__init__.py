"""tilewise: train and run convolutional networks on an ordinary CPU, fast.

The names are PyTorch's:

    import tilewise as tw
    from tilewise import nn, optim, data
"""

from __future__ import annotations

import importlib
from math import e, inf, nan, pi
from typing import TYPE_CHECKING, Any

from tilewise import _openmp, _operations, autograd, random  # noqa: F401 - _openmp loads the core
from tilewise._core import DType, __version__, get_num_threads, set_num_threads
from tilewise._core import DType as dtype  # noqa: N813 - PyTorch's name
from tilewise._core import config as show_config
from tilewise._device import device
from tilewise._dtypes import (
    bool_,
    double,
    float32,
    float64,
    int8,
    int32,
    int64,
    long,
    uint8,
)
from tilewise._dtypes import bool_ as bool
from tilewise._dtypes import float_ as float
from tilewise._dtypes import int_ as int
from tilewise._memory_format import MemoryFormat as memory_format  # noqa: N813 - PyTorch's name
from tilewise._operations import *  # noqa: F403
from tilewise._ops.elementwise import (
    abs,
    absolute,
    acos,
    acosh,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctanh,
    asin,
    asinh,
    atan,
    atanh,
    ceil,
    cos,
    cosh,
    erf,
    erfc,
    erfinv,
    exp,
    exp2,
    expm1,
    fix,
    floor,
    frac,
    isfinite,
    isinf,
    isnan,
    log,
    log1p,
    log2,
    log10,
    logical_not,
    neg,
    negative,
    reciprocal,
    relu,
    round,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    tan,
    tanh,
    trunc,
)
from tilewise._ops.softmax import log_softmax, softmax
from tilewise.autograd import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from tilewise.creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    linspace,
    logspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from tilewise.random import (
    Generator,
    bernoulli,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise import (
        analysis,
        cuda,
        data,
        filters,
        functional,
        graph,
        io,
        linalg,
        models,
        nn,
        onnx,
        optim,
        train,
        viz,
    )
    from tilewise.analysis import memory_estimate, receptive_field, summary
    from tilewise.functional.explain import explain_conv
    from tilewise.functional.filtering import convolve, correlate
    from tilewise.io import load, save

__all__ = [
    "DType",
    "Generator",
    "Tensor",
    "__version__",
    "abs",
    "absolute",
    "acos",
    "acosh",
    "analysis",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "as_tensor",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "autograd",
    "bernoulli",
    "bool",
    "bool_",
    "ceil",
    "channels_last",
    "channels_last_3d",
    "clone",
    "contiguous_format",
    "convolve",
    "correlate",
    "cos",
    "cosh",
    "cuda",
    "data",
    "detach",
    "device",
    "double",
    "dtype",
    "e",
    "empty",
    "empty_like",
    "enable_grad",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "explain_conv",
    "expm1",
    "eye",
    "filters",
    "fix",
    "float",
    "float32",
    "float64",
    "floor",
    "frac",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "functional",
    "get_num_threads",
    "get_rng_state",
    "graph",
    "inf",
    "inference_mode",
    "initial_seed",
    "int",
    "int8",
    "int32",
    "int64",
    "io",
    "is_floating_point",
    "is_grad_enabled",
    "is_tensor",
    "isfinite",
    "isinf",
    "isnan",
    "linalg",
    "linspace",
    "load",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logical_not",
    "logspace",
    "long",
    "manual_seed",
    "memory_estimate",
    "memory_format",
    "models",
    "multinomial",
    "nan",
    "neg",
    "negative",
    "nn",
    "no_grad",
    "normal",
    "numel",
    "ones",
    "ones_like",
    "onnx",
    "optim",
    "pi",
    "preserve_format",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "receptive_field",
    "reciprocal",
    "relu",
    "round",
    "rsqrt",
    "save",
    "seed",
    "set_grad_enabled",
    "set_num_threads",
    "set_rng_state",
    "show_config",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softmax",
    "sqrt",
    "square",
    "summary",
    "tan",
    "tanh",
    "tensor",
    "train",
    "trunc",
    "uint8",
    "viz",
    "zeros",
    "zeros_like",
]
__all__ += _operations.__all__

inference_mode = no_grad
clone = Tensor.clone
detach = Tensor.detach
numel = Tensor.numel
is_floating_point = Tensor.is_floating_point
contiguous_format = memory_format.contiguous_format
preserve_format = memory_format.preserve_format
channels_last = memory_format.channels_last
channels_last_3d = memory_format.channels_last_3d
# Loaded where they are first used, so that importing the library costs little more than NumPy.
_LAZY_MODULES = frozenset(
    (
        "analysis",
        "cuda",
        "data",
        "filters",
        "functional",
        "graph",
        "io",
        "linalg",
        "models",
        "nn",
        "onnx",
        "optim",
        "train",
        "viz",
    )
)
_LAZY_FUNCTIONS = {
    "save": "io",
    "load": "io",
    "explain_conv": "functional.explain",
    "memory_estimate": "analysis",
    "receptive_field": "analysis",
    "summary": "analysis",
    "correlate": "functional.filtering",
    "convolve": "functional.filtering",
}


def is_tensor(obj: object) -> Any:
    """Whether an object is a Tensor.

    Example:
        >>> tw.is_tensor(tw.ones(2)), tw.is_tensor([1.0])
        (True, False)
    """
    return isinstance(obj, Tensor)


def __getattr__(name: str) -> Any:
    if name in _LAZY_MODULES:
        return importlib.import_module(f"tilewise.{name}")
    if name in _LAZY_FUNCTIONS:
        module = importlib.import_module(f"tilewise.{_LAZY_FUNCTIONS[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'tilewise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY_MODULES, *_LAZY_FUNCTIONS})
