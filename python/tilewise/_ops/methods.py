"""The functions of this package as methods and operators of Tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tilewise import random
from tilewise._dtypes import bool_, float32, float64, int8, int32, int64, uint8
from tilewise._ops import (
    arithmetic,
    elementwise,
    indexing,
    inplace,
    linalg,
    reduction,
    shape,
)
from tilewise._ops import softmax as normalised

if TYPE_CHECKING:
    from tilewise.tensor import Tensor


class Methods:
    """The part of Tensor that is functions under their own names: `x.exp()` is `tw.exp(x)`."""

    __slots__ = ()

    # operators
    __add__ = arithmetic.operator_add
    __radd__ = arithmetic.operator_radd
    __sub__ = arithmetic.operator_sub
    __rsub__ = arithmetic.operator_rsub
    __mul__ = arithmetic.operator_mul
    __rmul__ = arithmetic.operator_rmul
    __truediv__ = arithmetic.operator_truediv
    __rtruediv__ = arithmetic.operator_rtruediv
    __floordiv__ = arithmetic.operator_floordiv
    __rfloordiv__ = arithmetic.operator_rfloordiv
    __mod__ = arithmetic.operator_mod
    __rmod__ = arithmetic.operator_rmod
    __pow__ = arithmetic.operator_pow
    __rpow__ = arithmetic.operator_rpow
    __matmul__ = linalg.matmul
    __neg__ = elementwise.neg
    __abs__ = elementwise.abs
    __invert__ = elementwise.logical_not
    __and__ = __rand__ = arithmetic.operator_and
    __or__ = __ror__ = arithmetic.operator_or
    __xor__ = __rxor__ = arithmetic.operator_xor
    __lt__ = arithmetic.operator_lt
    __le__ = arithmetic.operator_le
    __gt__ = arithmetic.operator_gt
    __ge__ = arithmetic.operator_ge
    __getitem__ = indexing.getitem
    __setitem__ = indexing.setitem
    __iadd__ = inplace.add_
    __isub__ = inplace.sub_
    __imul__ = inplace.mul_
    __itruediv__ = inplace.div_
    __ifloordiv__ = inplace.floor_divide_
    __ipow__ = inplace.pow_

    # element by element
    neg = negative = elementwise.neg
    abs = absolute = elementwise.abs
    sign = elementwise.sign
    square = elementwise.square
    floor = elementwise.floor
    ceil = elementwise.ceil
    round = elementwise.round
    trunc = fix = elementwise.trunc
    frac = elementwise.frac
    relu = elementwise.relu
    exp = elementwise.exp
    exp2 = elementwise.exp2
    expm1 = elementwise.expm1
    log = elementwise.log
    log2 = elementwise.log2
    log10 = elementwise.log10
    log1p = elementwise.log1p
    sqrt = elementwise.sqrt
    rsqrt = elementwise.rsqrt
    reciprocal = elementwise.reciprocal
    sin = elementwise.sin
    cos = elementwise.cos
    tan = elementwise.tan
    asin = arcsin = elementwise.asin
    acos = arccos = elementwise.acos
    atan = arctan = elementwise.atan
    sinh = elementwise.sinh
    cosh = elementwise.cosh
    tanh = elementwise.tanh
    asinh = arcsinh = elementwise.asinh
    acosh = arccosh = elementwise.acosh
    atanh = arctanh = elementwise.atanh
    erf = elementwise.erf
    erfc = elementwise.erfc
    erfinv = elementwise.erfinv
    sigmoid = elementwise.sigmoid
    isnan = elementwise.isnan
    isinf = elementwise.isinf
    isfinite = elementwise.isfinite
    logical_not = elementwise.logical_not
    clamp = clip = elementwise.clamp
    softmax = normalised.softmax
    log_softmax = normalised.log_softmax

    # two operands
    add = arithmetic.add
    sub = arithmetic.sub
    mul = arithmetic.mul
    div = arithmetic.div
    pow = arithmetic.pow
    maximum = arithmetic.maximum
    minimum = arithmetic.minimum
    floor_divide = arithmetic.floor_divide
    remainder = arithmetic.remainder
    lerp = arithmetic.lerp
    eq = arithmetic.eq
    ne = arithmetic.ne
    lt = arithmetic.lt
    le = arithmetic.le
    gt = arithmetic.gt
    ge = arithmetic.ge
    logical_and = arithmetic.logical_and
    logical_or = arithmetic.logical_or
    logical_xor = arithmetic.logical_xor
    isclose = arithmetic.isclose
    allclose = arithmetic.allclose
    equal = arithmetic.equal

    # products
    matmul = linalg.matmul
    mm = linalg.mm
    bmm = linalg.bmm
    dot = linalg.dot

    # reductions
    sum = reduction.sum
    mean = reduction.mean
    prod = reduction.prod
    max = reduction.max
    min = reduction.min
    amax = reduction.amax
    amin = reduction.amin
    argmax = reduction.argmax
    argmin = reduction.argmin
    any = reduction.any
    all = reduction.all
    var = reduction.var
    std = reduction.std
    norm = reduction.norm
    logsumexp = reduction.logsumexp
    nonzero = reduction.nonzero
    topk = reduction.topk
    sort = reduction.sort
    argsort = reduction.argsort
    gather = reduction.gather

    # shapes
    reshape = shape.reshape
    view = shape.reshape
    flatten = shape.flatten
    unflatten = shape.unflatten
    permute = shape.permute
    transpose = shape.transpose
    t = shape.t
    movedim = shape.movedim
    squeeze = shape.squeeze
    unsqueeze = shape.unsqueeze
    expand = broadcast_to = shape.expand
    expand_as = shape.expand_as
    narrow = shape.narrow
    split = shape.split
    chunk = shape.chunk
    unbind = shape.unbind
    flip = shape.flip
    repeat = shape.repeat
    contiguous = shape.contiguous
    index_select = indexing.index_select
    masked_select = indexing.masked_select

    # in place
    neg_ = elementwise.neg_
    abs_ = elementwise.abs_
    sign_ = elementwise.sign_
    square_ = elementwise.square_
    floor_ = elementwise.floor_
    ceil_ = elementwise.ceil_
    round_ = elementwise.round_
    trunc_ = elementwise.trunc_
    frac_ = elementwise.frac_
    relu_ = elementwise.relu_
    exp_ = elementwise.exp_
    exp2_ = elementwise.exp2_
    expm1_ = elementwise.expm1_
    log_ = elementwise.log_
    log2_ = elementwise.log2_
    log10_ = elementwise.log10_
    log1p_ = elementwise.log1p_
    sqrt_ = elementwise.sqrt_
    rsqrt_ = elementwise.rsqrt_
    reciprocal_ = elementwise.reciprocal_
    sin_ = elementwise.sin_
    cos_ = elementwise.cos_
    tan_ = elementwise.tan_
    asin_ = elementwise.asin_
    acos_ = elementwise.acos_
    atan_ = elementwise.atan_
    sinh_ = elementwise.sinh_
    cosh_ = elementwise.cosh_
    tanh_ = elementwise.tanh_
    asinh_ = elementwise.asinh_
    acosh_ = elementwise.acosh_
    atanh_ = elementwise.atanh_
    erf_ = elementwise.erf_
    erfc_ = elementwise.erfc_
    erfinv_ = elementwise.erfinv_
    sigmoid_ = elementwise.sigmoid_
    add_ = inplace.add_
    sub_ = inplace.sub_
    mul_ = inplace.mul_
    div_ = inplace.div_
    pow_ = inplace.pow_
    clamp_ = inplace.clamp_
    lerp_ = inplace.lerp_
    copy_ = inplace.copy_
    fill_ = inplace.fill_
    zero_ = inplace.zero_
    uniform_ = random.uniform_
    normal_ = random.normal_
    bernoulli_ = random.bernoulli_

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The dimensions in reverse order; a view."""
        tensor = cast("Tensor", self)
        return shape.permute(tensor, tuple(reversed(range(tensor.ndim))))

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The last two dimensions exchanged; a view."""
        return shape.transpose(cast("Tensor", self), -2, -1)

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """This tensor where `condition` is true, `other` elsewhere."""
        return elementwise.where(condition, cast("Tensor", self), other)

    def view_as(self, other: Tensor) -> Tensor:
        """In the shape of `other`."""
        return shape.reshape(cast("Tensor", self), other.shape)

    reshape_as = view_as

    def float(self) -> Tensor:
        """Converted to float32."""
        return cast("Tensor", self).to(float32)

    def double(self) -> Tensor:
        """Converted to float64."""
        return cast("Tensor", self).to(float64)

    def long(self) -> Tensor:
        """Converted to int64."""
        return cast("Tensor", self).to(int64)

    def int(self) -> Tensor:
        """Converted to int32."""
        return cast("Tensor", self).to(int32)

    def char(self) -> Tensor:
        """Converted to int8."""
        return cast("Tensor", self).to(int8)

    def byte(self) -> Tensor:
        """Converted to uint8."""
        return cast("Tensor", self).to(uint8)

    def bool(self) -> Tensor:
        """Converted to bool: whether each element is non-zero."""
        return cast("Tensor", self).to(bool_)
