"""tilewise: train and run convolutional networks on an ordinary CPU, fast.

The names are PyTorch's:

    import tilewise as tw
    from tilewise import nn, optim, data
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tilewise import _openmp, autograd, random  # noqa: F401 - _openmp first: it loads the core
from tilewise._core import DType, __version__, get_num_threads, set_num_threads
from tilewise._core import DType as dtype  # noqa: N813 - PyTorch's name
from tilewise._core import config as show_config
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
from tilewise._ops.arithmetic import (
    add,
    allclose,
    div,
    eq,
    equal,
    floor_divide,
    ge,
    gt,
    isclose,
    le,
    lerp,
    logical_and,
    logical_or,
    logical_xor,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    pow,
    remainder,
    sub,
)
from tilewise._ops.elementwise import (
    abs,
    ceil,
    clamp,
    cos,
    exp,
    floor,
    isfinite,
    isinf,
    isnan,
    log,
    log1p,
    logical_not,
    neg,
    reciprocal,
    relu,
    round,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    tanh,
    where,
)
from tilewise._ops.indexing import index_select, masked_select
from tilewise._ops.linalg import bmm, dot, matmul, mm, outer
from tilewise._ops.reduction import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    argsort,
    gather,
    logsumexp,
    max,
    mean,
    min,
    nonzero,
    norm,
    prod,
    sort,
    std,
    sum,
    topk,
    var,
)
from tilewise._ops.shape import (
    cat,
    chunk,
    flatten,
    flip,
    movedim,
    narrow,
    permute,
    reshape,
    split,
    squeeze,
    stack,
    t,
    transpose,
    unbind,
    unflatten,
    unsqueeze,
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
    normal,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from tilewise.tensor import Tensor

if TYPE_CHECKING:
    from tilewise import data, filters, functional, io, models, nn, optim, train, viz
    from tilewise.functional.explain import explain_conv
    from tilewise.functional.filtering import convolve, correlate
    from tilewise.io import load, save

__all__ = [
    "DType",
    "Generator",
    "Tensor",
    "__version__",
    "abs",
    "add",
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "as_tensor",
    "autograd",
    "bernoulli",
    "bmm",
    "bool",
    "bool_",
    "cat",
    "ceil",
    "chunk",
    "clamp",
    "concat",
    "convolve",
    "correlate",
    "cos",
    "data",
    "div",
    "dot",
    "double",
    "dtype",
    "empty",
    "empty_like",
    "enable_grad",
    "eq",
    "equal",
    "exp",
    "explain_conv",
    "eye",
    "filters",
    "flatten",
    "flip",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "functional",
    "gather",
    "ge",
    "get_num_threads",
    "get_rng_state",
    "gt",
    "index_select",
    "inference_mode",
    "initial_seed",
    "int8",
    "int32",
    "int64",
    "io",
    "is_grad_enabled",
    "is_tensor",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "lerp",
    "linspace",
    "load",
    "log",
    "log1p",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "long",
    "lt",
    "manual_seed",
    "masked_select",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mm",
    "models",
    "movedim",
    "mul",
    "narrow",
    "ne",
    "neg",
    "nn",
    "no_grad",
    "nonzero",
    "norm",
    "normal",
    "ones",
    "ones_like",
    "optim",
    "outer",
    "permute",
    "pow",
    "prod",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "reciprocal",
    "relu",
    "remainder",
    "reshape",
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
    "softmax",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "t",
    "tanh",
    "tensor",
    "topk",
    "train",
    "transpose",
    "uint8",
    "unbind",
    "unflatten",
    "unsqueeze",
    "var",
    "viz",
    "where",
    "zeros",
    "zeros_like",
]

inference_mode = no_grad
concat = cat

# Loaded where they are first used, so that importing the library costs little more than NumPy.
_LAZY_MODULES = frozenset(
    ("data", "filters", "functional", "io", "models", "nn", "optim", "train", "viz")
)
_LAZY_FUNCTIONS = {
    "save": "io",
    "load": "io",
    "explain_conv": "functional.explain",
    "correlate": "functional.filtering",
    "convolve": "functional.filtering",
}


def is_tensor(obj: object) -> Any:
    """Whether an object is a Tensor."""
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
