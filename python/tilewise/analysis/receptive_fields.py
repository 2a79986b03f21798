"""Receptive fields: what part of the image the units of each layer see.

The table follows three numbers through the graph (Araujo, Norris, Sim: "Computing receptive fields
of convolutional neural networks", 2019): the jump from a unit to the next in pixels, the centre of
the first unit, and the size of what a unit sees. Where branches meet, a unit sees what all of them
show it. The box of a single unit is followed backwards through the graph, position by position, and
is exact: no smaller box holds all pixels that reach the unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewise._arguments import as_bool, as_int, describe
from tilewise.analysis.reach import Field, Whole, united
from tilewise.analysis.reaches import is_known, reaches_of
from tilewise.analysis.traced import Traced, node_names, trace_batch

if TYPE_CHECKING:
    from tilewise.analysis.traced import InputShape
    from tilewise.graph import Node, Value
    from tilewise.nn import Module

    Box = tuple[tuple[int, int], ...]
    Link = tuple[Value, "tuple[Any, ...] | None"]


@dataclass(frozen=True)
class FieldRow:
    """A layer's receptive field; sizes have one entry a spatial dimension.

    Attributes:
        name: the layer's dotted name, or a function's after that of its module; "input".
        op: what it is.
        map_size: of its output; empty where that is no map.
        size: the width of what a unit sees, borders included; of all units together where the
            output is no map.
        jump: pixels from a unit to the next, 0 where all see the same; empty where there is no map.
        start: the centre of the first unit; pixel i reaches from i to i + 1.

    Example:
        >>> row = tw.receptive_field(nn.Conv2d(3, 8, 5, stride=2), (3, 9, 9)).rows[-1]
        >>> row.map_size, row.size, row.jump, row.start
        ((3, 3), (5, 5), (2, 2), (2.5, 2.5))
    """

    name: str
    op: str
    map_size: tuple[int, ...]
    size: tuple[float, ...]
    jump: tuple[float, ...]
    start: tuple[float, ...]


class ReceptiveField:
    """The result of `receptive_field`; printing it gives a table.

    Attributes:
        rows: one for the image and one for each node that depends on it, in order.
        image_size: the image's spatial sizes.
        assumed: names of the nodes that there is no rule for; they are taken to see all of their
            inputs.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3))
        >>> field = tw.receptive_field(net, (3, 32, 32))
        >>> field.rows[-1].size, field.rows[-1].jump
        ((8, 8), (2, 2))
        >>> field.unit_box("1", (0, 3))
        ((0, 3), (5, 9))
    """

    def __init__(self, traced: Traced) -> None:
        graph = traced.graph
        image = graph.inputs[0]
        self._dims = len(image.shape) - 2
        if self._dims < 1:
            raise ValueError(
                "receptive_field: expected input of shape (C, spatial…), got "
                f"{tuple(image.shape[1:])}"
            )
        self.image_size = tuple(image.shape[2:])
        one = Fraction(1)
        self._fields: dict[Value, tuple[Field, ...] | None] = {
            image: (Field(one, one / 2, one),) * self._dims
        }
        self._boxes: dict[Value, tuple[tuple[Fraction, Fraction], ...]] = {}
        self._nodes: list[Node] = []
        self._links: dict[Node, list[Link]] = {}
        self._values: list[Value] = [image]
        self._numbers: dict[Node, int] = {}
        self.assumed: tuple[str, ...] = ()
        self.rows: list[FieldRow] = [self._row("input", "input", image)]
        for node, name in zip(graph.nodes, node_names(graph.nodes), strict=True):
            self._add(node, name)

    # ------------------------------------------------------------ forwards

    def _add(self, node: Node, name: str) -> None:
        inputs = [value for value in dict.fromkeys(node.inputs) if value in self._fields]
        if not inputs:
            return
        if not is_known(node):
            self.assumed += (name,)
        links: list[Link] = []
        for value in inputs:
            is_map = self._fields[value] is not None
            links.append((value, reaches_of(node, value, self._dims) if is_map else None))
        self._nodes.append(node)
        self._links[node] = links
        fields = self._united(links, node.outputs[0].shape)
        for output in node.outputs:
            self._fields[output] = fields
            if fields is None:
                self._boxes[output] = self._hull([value for value, _ in links])
        self._values.append(node.outputs[0])
        self._numbers[node] = len(self.rows)
        self.rows.append(self._row(name, node.op, node.outputs[0]))

    def _united(self, links: list[Link], sizes: tuple[int, ...]) -> tuple[Field, ...] | None:
        """The fields of a node's output, or None where it is no map."""
        per_dim: list[list[Field]] = [[] for _ in range(self._dims)]
        for value, reaches in links:
            before = self._fields[value]
            if before is None and len(links) > 1:  # a factor that all pixels see: the others count
                continue
            if reaches is None or before is None:
                return None
            for i, reach in enumerate(reaches):
                per_dim[i].append(self._through(value, i, reach, before[i]))
        if not per_dim[0] or len(sizes) < self._dims:
            return None
        for value, _ in links:
            if self._fields[value] is None:
                for i, (low, high) in enumerate(self._boxes[value]):
                    per_dim[i].append(Field(Fraction(0), (low + high) / 2, high - low))
        spatial = sizes[-self._dims :]
        return tuple([united(fields, n) for fields, n in zip(per_dim, spatial, strict=True)])

    def _through(self, value: Value, i: int, reach: Any, before: Field) -> Field:
        if not isinstance(reach, Whole):
            return reach.field(before)  # type: ignore[no-any-return]
        low, high = before.span(0, value.shape[i - self._dims] - 1)
        return Field(Fraction(0), (low + high) / 2, high - low)

    def _hull(self, values: list[Value]) -> tuple[tuple[Fraction, Fraction], ...]:
        """What all units of these values see together, within the image."""
        hull = []
        for i, extent in enumerate(self.image_size):
            spans = []
            for value in values:
                fields = self._fields[value]
                if fields is None:
                    spans.append(self._boxes[value][i])
                else:
                    spans.append(fields[i].span(0, value.shape[i - self._dims] - 1))
            low, high = min(s[0] for s in spans), max(s[1] for s in spans)
            hull.append((max(low, Fraction(0)), min(high, Fraction(extent))))
        return tuple(hull)

    def _row(self, name: str, op: str, value: Value) -> FieldRow:
        fields = self._fields[value]
        if fields is None:
            box = self._boxes[value]
            return FieldRow(
                name, op, (), tuple([_number(b - a) for a, b in box]), (),
                tuple([_number((a + b) / 2) for a, b in box]),
            )  # fmt: skip
        return FieldRow(
            name,
            op,
            tuple(value.shape[-self._dims :]),
            tuple([_number(field.size) for field in fields]),
            tuple([_number(field.jump) for field in fields]),
            tuple([_number(field.start) for field in fields]),
        )

    def row_of(self, node: Node) -> FieldRow | None:
        """The row of a node of the graph; None for one that does not depend on the image."""
        at = self._numbers.get(node)
        return None if at is None else self.rows[at]

    # ------------------------------------------------------------ backwards

    def layer(self, layer: str | int) -> int:
        """The row of a layer: its number, 0 for the image, or its name.

        Raises:
            ValueError: there is no such layer.
        """
        op = "receptive_field"
        if isinstance(layer, str):
            found = [i for i, row in enumerate(self.rows) if row.name == layer]
            if not found:
                raise ValueError(f"{op}: expected the name of a layer in the table, got {layer!r}")
            return found[-1]
        number = as_int(op, "layer", layer, -len(self.rows))
        if number >= len(self.rows):
            raise ValueError(f"{op}: expected a layer below {len(self.rows)}, got {layer}")
        return number % len(self.rows)

    def unit_box(self, layer: str | int, unit: Sequence[int] = (), *, clip: bool = True) -> Box:
        """The part of the image that a unit sees.

        Args:
            layer: its name or its number in the table.
            unit: the position in the layer's map, one int a spatial dimension; empty for a layer
                whose output is no map, or for all units together.
            clip: only pixels that there are. Otherwise padding counts as pixels beyond the image.

        Returns:
            (begin, end) for each spatial dimension, end not included: a slice of the image. Both
            are 0 where a unit sees nothing but padding.

        Raises:
            ValueError: for a layer that there is not, or a unit outside its map.

        Example:
            >>> net = nn.Sequential(nn.Conv2d(3, 64, 7, stride=2, padding=3), nn.ReLU())
            >>> field = tw.receptive_field(net, (3, 256, 256))
            >>> field.unit_box(2, (1, 1)), field.unit_box(2, (1, 1), clip=False)
            (((0, 6), (0, 6)), ((-1, 6), (-1, 6)))
        """
        row = self.layer(layer)
        value = self._values[row]
        within = as_bool("unit_box", "clip", clip)
        wanted = self._wanted(value, self.rows[row].name, unit)
        if within:
            wanted = tuple([np.arange(first, last + 1) for first, last in wanted])
        return self._box(value, wanted, within)

    def _wanted(self, value: Value, name: str, unit: Sequence[int]) -> tuple[Any, ...]:
        size = tuple(value.shape[-self._dims :]) if self._fields[value] is not None else ()
        if not isinstance(unit, tuple | list):
            raise ValueError(f"unit_box: expected unit as a tuple of ints, got {describe(unit)}")
        if not unit:
            return tuple([(0, n - 1) for n in size])
        position = tuple([as_int("unit_box", "unit", i) for i in unit])
        if len(position) != len(size) or any(
            not 0 <= i < n for i, n in zip(position, size, strict=True)
        ):
            raise ValueError(
                f"unit_box: expected a unit within the map {size} of {name}, got {position}"
            )
        return tuple([(i, i) for i in position])

    def _box(self, target: Value, wanted: tuple[Any, ...], clip: bool) -> Box:
        """Walks back from a value to the image with positions, or, unclipped, with intervals."""
        image = self._values[0]
        needs: dict[Value, tuple[Any, ...]] = {target: wanted}
        for node in reversed(self._nodes):
            asked = [needs.pop(output) for output in node.outputs if output in needs]
            for places in asked:
                for value, reaches in self._links[node]:
                    read = self._read(value, reaches, places, clip)
                    if read is not None:
                        needs[value] = _union(needs.get(value), read)
        if image not in needs:
            return ((0, 0),) * self._dims
        return tuple([(int(places[0]), int(places[-1]) + 1) for places in needs[image]])

    def _read(
        self, value: Value, reaches: tuple[Any, ...] | None, asked: tuple[Any, ...], clip: bool
    ) -> tuple[Any, ...] | None:
        """The positions of an input that these of the output read; None for none but padding."""
        if self._fields[value] is None:
            return ()
        sizes = value.shape[-self._dims :]
        if reaches is None or not asked:
            return tuple([np.arange(n) if clip else (0, n - 1) for n in sizes])
        every = zip(reaches, asked, sizes, strict=True)
        if not clip:
            return tuple([reach.interval(*places, n) for reach, places, n in every])
        read = tuple([reach.positions(places, n) for reach, places, n in every])
        return read if all(len(places) for places in read) else None

    # ------------------------------------------------------------ printing

    def __str__(self) -> str:
        from tilewise.analysis.text import grid

        head = ("layer", "map", "receptive field", "jump", "start")
        body = [
            (row.name, _sizes(row.map_size), _sizes(row.size), _sizes(row.jump), _sizes(row.start))
            for row in self.rows
        ]
        lines = grid(head, body, "<>>>>")
        if self.assumed:
            lines.append(f"taken to see all of their inputs: {', '.join(self.assumed)}")
        return "\n".join(lines)

    __repr__ = __str__


def _union(before: tuple[Any, ...] | None, read: tuple[Any, ...]) -> tuple[Any, ...]:
    """Intervals that hold both, or the positions of both."""
    if not before:
        return read
    pairs = zip(before, read, strict=True)
    return tuple(
        [
            (min(a[0], b[0]), max(a[1], b[1])) if isinstance(a, tuple) else np.union1d(a, b)
            for a, b in pairs
        ]
    )


def _number(value: Fraction) -> float:
    return int(value) if value.denominator == 1 else float(value)


def _sizes(values: tuple[float, ...]) -> str:
    """One number where all dimensions have the same."""
    if len(set(values)) == 1 and len(values) > 1:
        return f"{values[0]:g}"
    return "×".join(f"{value:g}" for value in values) or "-"


def receptive_field(model: Module, input_shape: InputShape) -> ReceptiveField:
    """What part of the image the units of each layer see.

    The model runs once, on one sample. Batch norm counts as in evaluation, where it is a scale and
    a shift; norms that compute statistics of the image itself (instance, group, layer) see all of
    it.

    Args:
        model: any network whose first input is (C, spatial…), in 1, 2 or 3 dimensions: branches,
            strides, dilation, transposed convolutions and resizing included.
        input_shape: (C, H, W) without a batch, or a tensor with one; a list for several inputs, of
            which the first is the image.

    Returns:
        What to print; see `ReceptiveField`.

    Raises:
        TypeError, ValueError: for a model or a shape that cannot be.

    Example:
        >>> print(tw.receptive_field(nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU()), (3, 32, 32)))
        layer  map  receptive field  jump  start
        -----  ---  ---------------  ----  -----
        input   32                1     1    0.5
        0       28                5     1    2.5
        1       28                5     1    2.5
    """
    return ReceptiveField(trace_batch("receptive_field", model, input_shape, training=False))
