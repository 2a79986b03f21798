"""Which algorithm computes a convolution, and why not the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tilewise import _core
from tilewise._arguments import LARGEST, as_bool, as_choice, as_int, as_tuple, describe, wrong_type
from tilewise._dtypes import FLOATING, float32
from tilewise._formatting import format_bytes
from tilewise.functional.conv import ALGORITHMS, PADDING_MODES, Geometry, padding_of
from tilewise.functional.conv_transpose import plan

if TYPE_CHECKING:
    from tilewise._core import DType

    IntOrTuple = int | Sequence[int]

DIRECTIONS = ("forward", "backward_data", "backward_weight")
# What computes a direction of a transposed convolution: the convolution runs the other way.
_TRANSPOSED = {
    "forward": "backward_data",
    "backward_data": "forward",
    "backward_weight": "backward_weight",
}


class ConvCandidate(NamedTuple):
    """An algorithm that was weighed.

    Attributes:
        algorithm: its name.
        refusal: why it cannot compute the problem; empty where it can.
        expected: the time that the choice goes by, in milliseconds of one core: for comparing.
        workspace: bytes of temporary memory with the current number of threads, packed weights
            included.
        chosen: whether it is the one.
        packed: bytes of the packed weights in `workspace`. Inference keeps them beside the weights.
    """

    algorithm: str
    refusal: str
    expected: float
    workspace: int
    chosen: bool
    packed: int


class ConvChoice(NamedTuple):
    """What computes one direction of a convolution.

    Attributes:
        direction: "forward", "backward_data" or "backward_weight".
        algorithm: the chosen one's name.
        workspace: its bytes of temporary memory.
        candidates: all of them, in the order of preference.
        packed: bytes of packed weights in it, which inference keeps.
    """

    direction: str
    algorithm: str
    workspace: int
    candidates: tuple[ConvCandidate, ...]
    packed: int = 0

    def __str__(self) -> str:
        lines = [f"{self.direction}: {self.algorithm}, workspace {format_bytes(self.workspace)}"]
        least = next(c.expected for c in self.candidates if c.chosen)
        width = max(len(c.algorithm) for c in self.candidates)
        for c in self.candidates:
            if c.chosen:
                continue
            why = c.refusal or (
                f"{c.expected / least:.3g} times the expected time, "
                f"workspace {format_bytes(c.workspace)}"
            )
            lines.append(f"  not {c.algorithm:{width}}  {why}")
        return "\n".join(lines)


class ConvExplanation:
    """The result of `explain_conv`; printing it gives a table.

    Attributes:
        input_shape: as given.
        weight_shape: as given.
        output_shape: what the convolution returns.
        dtype: float32 or float64.
        isa: the instruction set that the choice is for.
        threads: the number of threads that the workspaces are for.
        multiply_adds: of the direct form, in each direction.
        directions: a `ConvChoice` for each direction asked for.
        forward, backward_data, backward_weight: the same by name; AttributeError for a direction
            that was not asked for.
    """

    def __init__(
        self,
        op: str,
        input_shape: tuple[int, ...],
        weight_shape: tuple[int, ...],
        dtype: DType,
        explained: tuple[tuple[int, ...], float, tuple[ConvChoice, ...]],
    ) -> None:
        self.op = op
        self.input_shape = input_shape
        self.weight_shape = weight_shape
        self.dtype = dtype
        self.isa = _core.isa()
        self.threads = _core.get_num_threads()
        self.output_shape, multiply_adds, self.directions = explained
        self.multiply_adds = int(multiply_adds)

    def _direction(self, name: str) -> ConvChoice:
        for choice in self.directions:
            if choice.direction == name:
                return choice
        raise AttributeError(f"explain_conv: the direction {name!r} was not asked for")

    @property
    def forward(self) -> ConvChoice:
        """What computes the output."""
        return self._direction("forward")

    @property
    def backward_data(self) -> ConvChoice:
        """What computes the gradient of the input."""
        return self._direction("backward_data")

    @property
    def backward_weight(self) -> ConvChoice:
        """What computes the gradient of the weight."""
        return self._direction("backward_weight")

    def __repr__(self) -> str:
        head = (
            f"{self.op}: input {self.input_shape}, weight {self.weight_shape}, output "
            f"{self.output_shape}, {self.dtype.name}, {self.isa}, {self.threads} "
            f"thread{'s' * (self.threads != 1)}, {_count(self.multiply_adds)} multiply-adds"
        )
        return "\n".join([head, *map(str, self.directions)])


def _count(number: int) -> str:
    for power, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if number >= power:
            return f"{number / power:.3g} {prefix}"
    return str(number)


def _shape(name: str, value: Sequence[int], ranks: tuple[int, ...]) -> tuple[int, ...]:
    op = "explain_conv"
    if not isinstance(value, tuple | list) or len(value) not in ranks:
        raise ValueError(
            f"{op}: expected {name} of {ranks[0]} to {ranks[-1]} sizes, got {describe(value)}"
        )
    return tuple([as_int(op, name, n, 0, 2**62) for n in value])


def explain_conv(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    *,
    stride: IntOrTuple = 1,
    padding: IntOrTuple | str = 0,
    dilation: IntOrTuple = 1,
    groups: int = 1,
    dtype: DType = float32,
    direction: str | None = None,
    algorithm: str = "auto",
    transposed: bool = False,
    output_padding: IntOrTuple = 0,
    padding_mode: str = "zeros",
) -> ConvExplanation:
    """Which algorithm computes a convolution of these shapes, and why not the others.

    Nothing is computed. The choice depends on the shapes, the type and the instruction set alone;
    the environment variable TILEWISE_VERBOSE=1 prints the same for every convolution that runs.

    Args:
        input_shape: (N, C, spatial…), one to three spatial sizes.
        weight_shape: (K, C / groups, kernel…); (C, K / groups, kernel…) of a transposed one.
        stride: see `conv2d`, as the others.
        padding: pixels around the image, or a name.
        dilation: distance between the kernel's taps.
        groups: number of parts.
        dtype: float32 or float64.
        direction: "forward", "backward_data" or "backward_weight"; None for all of them.
        algorithm: "auto", or a name to see what it would take.
        transposed: explain `conv_transpose2d` instead.
        output_padding: of a transposed convolution.
        padding_mode: what the padding holds; "zeros" for a transposed one.

    Returns:
        What to print, with attributes for programs: see `ConvExplanation`.

    Raises:
        TypeError: for arguments of the wrong type.
        ValueError: for shapes that disagree, or a named algorithm that does not apply.

    Example:
        >>> why = tw.explain_conv((16, 64, 56, 56), (64, 64, 3, 3), padding=1)
        >>> why.forward.algorithm
        'winograd4'
        >>> why.output_shape
        (16, 64, 56, 56)
    """
    shape = _shape("input_shape", input_shape, (3, 4, 5))
    weight = _shape("weight_shape", weight_shape, (len(shape),))
    dims = len(shape) - 2
    op = f"conv{'_transpose' * as_bool('explain_conv', 'transposed', transposed)}{dims}d"
    if dtype not in FLOATING:
        raise TypeError(f"{op}: expected dtype float32 or float64, got {describe(dtype)}")
    as_choice(op, "algorithm", algorithm, ALGORITHMS)
    as_choice(op, "padding_mode", padding_mode, PADDING_MODES[:1] if transposed else PADDING_MODES)
    if direction is not None:
        as_choice(op, "direction", direction, DIRECTIONS)
    image = shape
    output: tuple[int, ...] | None = None
    if transposed:
        if isinstance(padding, str):
            raise wrong_type(op, "padding", f"an int or a tuple of {dims} ints", padding)
        p = plan(op, shape, weight, stride, padding, output_padding, groups, dilation)
        geometry, image, output = p.geometry, p.shape, p.output_shape
    else:
        steps = as_tuple(op, "stride", stride, dims, 1)
        spread = as_tuple(op, "dilation", dilation, dims, 1)
        begin, end = padding_of(op, padding, weight[2:], steps, spread, shape[2:])
        geometry = Geometry(steps, begin, end, spread, as_int(op, "groups", groups, 1, LARGEST))
    choices = []
    multiply_adds = 0.0
    for name in DIRECTIONS if direction is None else (direction,):
        used = _TRANSPOSED[name] if transposed else name
        made, multiply_adds, rows = _core.explain_conv(
            image, weight, dtype, used, *geometry, algorithm, padding_mode
        )
        output = made if output is None else output
        candidates = tuple([ConvCandidate(row[0], row[1], row[2] / 1e6, *row[3:]) for row in rows])
        best = next(c for c in candidates if c.chosen)
        choices.append(ConvChoice(name, best.algorithm, best.workspace, candidates, best.packed))
    assert output is not None
    return ConvExplanation(op, shape, weight, dtype, (output, multiply_adds, tuple(choices)))
