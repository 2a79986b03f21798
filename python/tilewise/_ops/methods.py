"""The functions of this package as methods and operators of Tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tilewise import _core, random
from tilewise._arguments import array_of, as_device, as_shape
from tilewise._dtypes import as_dtype, bool_, float32, float64, int8, int32, int64, uint8
from tilewise._ops import (
    arithmetic,
    comparison,
    elementwise,
    entries,
    indexing,
    inplace,
    linalg,
    matrix,
    norms,
    quantiles,
    reduction,
    repeating,
    scan,
    scatter,
    search,
    select,
    shape,
    splitting,
    statistics,
)
from tilewise._ops import softmax as normalised
from tilewise.autograd import wrap

if TYPE_CHECKING:
    from tilewise._core import DType
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
    __invert__ = arithmetic.bitwise_not
    __and__ = arithmetic.operator_and
    __rand__ = arithmetic.operator_rand
    __or__ = arithmetic.operator_or
    __ror__ = arithmetic.operator_ror
    __xor__ = arithmetic.operator_xor
    __rxor__ = arithmetic.operator_rxor
    __lshift__ = arithmetic.operator_lshift
    __rshift__ = arithmetic.operator_rshift
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
    __ifloordiv__ = inplace.FORMS["floor_divide_"]
    __ipow__ = inplace.FORMS["pow_"]

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
    clamp = clip = select.clamp
    clamp_min = select.clamp_min
    clamp_max = select.clamp_max
    masked_fill = select.masked_fill
    nan_to_num = select.nan_to_num
    heaviside = select.heaviside
    softmax = normalised.softmax
    log_softmax = normalised.log_softmax

    # two operands
    add = arithmetic.add
    sub = subtract = arithmetic.sub
    mul = multiply = arithmetic.mul
    div = divide = arithmetic.div
    true_divide = arithmetic.div
    pow = arithmetic.pow
    float_power = arithmetic.float_power
    maximum = arithmetic.maximum
    minimum = arithmetic.minimum
    fmax = arithmetic.fmax
    fmin = arithmetic.fmin
    floor_divide = arithmetic.floor_divide
    remainder = arithmetic.remainder
    fmod = arithmetic.fmod
    atan2 = arctan2 = arithmetic.atan2
    hypot = arithmetic.hypot
    logaddexp = arithmetic.logaddexp
    logaddexp2 = arithmetic.logaddexp2
    copysign = arithmetic.copysign
    xlogy = arithmetic.xlogy
    ldexp = arithmetic.ldexp
    bitwise_and = arithmetic.bitwise_and
    bitwise_or = arithmetic.bitwise_or
    bitwise_xor = arithmetic.bitwise_xor
    bitwise_not = arithmetic.bitwise_not
    bitwise_left_shift = arithmetic.bitwise_left_shift
    bitwise_right_shift = arithmetic.bitwise_right_shift
    lerp = select.lerp
    addcmul = select.addcmul
    addcdiv = select.addcdiv
    eq = comparison.eq
    ne = not_equal = comparison.ne
    lt = less = comparison.lt
    le = less_equal = comparison.le
    gt = greater = comparison.gt
    ge = greater_equal = comparison.ge
    logical_and = comparison.logical_and
    logical_or = comparison.logical_or
    logical_xor = comparison.logical_xor
    isclose = comparison.isclose
    allclose = comparison.allclose
    equal = comparison.equal

    # products
    matmul = linalg.matmul
    mm = linalg.mm
    bmm = linalg.bmm
    mv = linalg.mv
    dot = vdot = linalg.dot
    inner = linalg.inner
    outer = ger = linalg.outer
    addmm = linalg.addmm
    addmv = linalg.addmv
    addbmm = linalg.addbmm
    baddbmm = linalg.baddbmm
    addr = linalg.addr
    kron = linalg.kron
    matrix_power = linalg.matrix_power
    cross = linalg.cross

    # reductions
    sum = reduction.sum
    mean = reduction.mean
    prod = reduction.prod
    max = reduction.max
    min = reduction.min
    amax = reduction.amax
    amin = reduction.amin
    aminmax = reduction.aminmax
    argmax = reduction.argmax
    argmin = reduction.argmin
    any = reduction.any
    all = reduction.all
    count_nonzero = reduction.count_nonzero
    nansum = reduction.nansum
    nanmean = reduction.nanmean
    var = statistics.var
    std = statistics.std
    norm = norms.norm
    dist = norms.dist
    renorm = norms.renorm
    logsumexp = statistics.logsumexp
    median = quantiles.median
    nanmedian = quantiles.nanmedian
    quantile = quantiles.quantile
    nanquantile = quantiles.nanquantile
    cov = statistics.cov
    corrcoef = statistics.corrcoef
    cumsum = scan.cumsum
    cumprod = scan.cumprod
    cummax = scan.cummax
    cummin = scan.cummin
    logcumsumexp = scan.logcumsumexp
    diff = scan.diff

    # order and search
    nonzero = search.nonzero
    argwhere = search.argwhere
    topk = search.topk
    sort = search.sort
    argsort = search.argsort
    msort = search.msort
    kthvalue = search.kthvalue
    unique = search.unique
    unique_consecutive = search.unique_consecutive
    bincount = search.bincount
    histc = search.histc

    # shapes
    reshape = shape.reshape
    view = shape.reshape
    flatten = shape.flatten
    ravel = shape.ravel
    unflatten = shape.unflatten
    permute = shape.permute
    transpose = swapaxes = swapdims = shape.transpose
    t = shape.t
    adjoint = shape.adjoint
    movedim = moveaxis = shape.movedim
    squeeze = shape.squeeze
    unsqueeze = shape.unsqueeze
    expand = shape.expand
    broadcast_to = shape.broadcast_to
    expand_as = shape.expand_as
    unfold = shape.unfold
    sum_to_size = shape.sum_to_size
    contiguous = shape.contiguous
    narrow = splitting.narrow
    split = splitting.split
    chunk = splitting.chunk
    tensor_split = splitting.tensor_split
    hsplit = splitting.hsplit
    vsplit = splitting.vsplit
    dsplit = splitting.dsplit
    unbind = splitting.unbind
    flip = repeating.flip
    fliplr = repeating.fliplr
    flipud = repeating.flipud
    rot90 = repeating.rot90
    roll = repeating.roll
    repeat = repeating.repeat
    tile = repeating.tile
    repeat_interleave = repeating.repeat_interleave
    diag = matrix.diag
    diagonal = matrix.diagonal
    diag_embed = matrix.diag_embed
    diagflat = matrix.diagflat
    trace = matrix.trace
    tril = matrix.tril
    triu = matrix.triu

    # by index
    index_select = indexing.index_select
    masked_select = indexing.masked_select
    gather = scatter.gather
    take_along_dim = scatter.take_along_dim
    scatter_add = scatter.scatter_add
    scatter_reduce = scatter.scatter_reduce
    index_add = entries.index_add
    index_copy = entries.index_copy
    index_fill = entries.index_fill
    index_put = entries.index_put
    take = entries.take
    put = entries.put
    masked_scatter = entries.masked_scatter
    select_scatter = entries.select_scatter
    slice_scatter = entries.slice_scatter
    diagonal_scatter = entries.diagonal_scatter

    # in place: these, and all of inplace.FORMS
    add_ = inplace.add_
    sub_ = subtract_ = inplace.sub_
    mul_ = multiply_ = inplace.mul_
    div_ = divide_ = inplace.div_
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
    copy_ = inplace.copy_
    fill_ = inplace.fill_
    zero_ = inplace.zero_
    uniform_ = random.uniform_
    normal_ = random.normal_
    bernoulli_ = random.bernoulli_
    exponential_ = random.exponential_
    log_normal_ = random.log_normal_
    cauchy_ = random.cauchy_
    geometric_ = random.geometric_
    random_ = random.random_
    bernoulli = random.bernoulli
    multinomial = random.multinomial

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
        return cast("Tensor", select.where(condition, cast("Tensor", self), other))

    def new_empty(
        self, *size: Any, dtype: DType | None = None, device: str | None = None
    ) -> Tensor:
        """A tensor of this one's type with whatever the memory holds."""
        return _new("new_empty", self, size, None, dtype, device)

    def new_zeros(
        self, *size: Any, dtype: DType | None = None, device: str | None = None
    ) -> Tensor:
        """Zeros of this tensor's type."""
        return _new("new_zeros", self, size, 0, dtype, device)

    def new_ones(self, *size: Any, dtype: DType | None = None, device: str | None = None) -> Tensor:
        """Ones of this tensor's type."""
        return _new("new_ones", self, size, 1, dtype, device)

    def new_full(
        self, size: Any, fill_value: Any, dtype: DType | None = None, device: str | None = None
    ) -> Tensor:
        """One value in this tensor's type."""
        return _new("new_full", self, (size,), fill_value, dtype, device)

    def view_as(self, other: Tensor) -> Tensor:
        """In the shape of `other`."""
        return shape.reshape(cast("Tensor", self), array_of("view_as", "other", other).shape)

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


def _new(op: str, like: Any, size: Any, value: Any, dtype: Any, device: Any) -> Tensor:
    as_device(op, device)
    wanted = like._array.dtype if dtype is None else as_dtype(op, dtype)
    sizes = as_shape(op, size)
    if value is None:
        return wrap(_core.Array.empty(sizes, wanted))
    number = value.item() if hasattr(value, "_array") else value
    return wrap(_core.Array.full(sizes, number, wanted))


# Names that a module of this package has too, and the forms that are made by table.
Methods.select = shape.select  # type: ignore[attr-defined]
Methods.scatter = scatter.scatter  # type: ignore[attr-defined]
for _name, _form in inplace.FORMS.items():
    setattr(Methods, _name, _form)
