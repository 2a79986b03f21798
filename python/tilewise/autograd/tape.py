"""Reverse-mode differentiation on a tape.

Every differentiable op does three things: it computes its result with one native call, it writes
down how to send a gradient back (a closure), and it returns. The closures with the edges between
them are the tape; `backward` walks it once in the reverse order of its making.

    h = relu(x @ w)         order 0: matmul   edges (leaf x, leaf w)
    loss = h.sum()          order 1: relu     edges (matmul,)
    loss.backward()         order 2: sum      edges (relu,)

A node is made after the nodes that it points at, so the order of making is a topological order of
the graph, and the reverse walk sees each node after everything that uses it. Gradients that meet in
one place are added in that order too: the same program gives the same bits.

An edge is the `Node` that made a tensor, or the tensor itself where it is a leaf (a parameter), or
None where no gradient is wanted.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from tilewise import _core

if TYPE_CHECKING:
    from tilewise._core import Array
    from tilewise.tensor import Tensor

Edge: TypeAlias = "Node | Tensor"
Backward = Callable[["Array"], Sequence["Array | None"]]

# ---------------------------------------------------------------- writing the tape


class Node(_core.NodeBase):
    """One recorded operation: how to turn the gradient of its result into those of its inputs.

    The fields are the core's (csrc/bindings/bind_tape.cpp), which makes a result and its node in
    one call; `order` counts them.

    Example:
        >>> x = tw.ones(2, requires_grad=True)
        >>> x.exp().grad_fn
        <exp>
    """

    __slots__ = ()

    name: str
    edges: tuple[Edge | None, ...]
    backward: Backward | None
    saved: tuple[Array, ...]
    order: int
    aliases: bool
    hooks: dict[int, Callable[[Tensor], Tensor | None]] | None

    def apply(self, gradient: Array, retain_graph: bool) -> Sequence[Array | None]:
        """The gradients of the inputs; forgets what it kept for this unless told otherwise."""
        backward = self.backward
        if backward is None:
            raise RuntimeError(
                f"backward: the graph was freed by an earlier backward (at {self.name}); pass "
                "retain_graph=True to the first one to go through it a second time"
            )
        changed = _core.overwritten(self)
        if changed is not None:
            array, version, expected = changed
            raise RuntimeError(
                f"backward: a tensor of shape {array.shape} that the gradient of {self.name} "
                f"needs was modified in place (version {version}, expected {expected})"
            )
        gradients = backward(gradient)
        if not retain_graph:
            self.backward = None
            self.saved = self.edges = ()
        return gradients

    def __repr__(self) -> str:
        return f"<{self.name}>"


def wrap(array: Array) -> Tensor:
    """A tensor without history.

    Example:
        >>> tw.autograd.wrap(tw.ones(2)._array)
        tensor([1., 1.])
    """
    return _core.new_tensor(array)  # type: ignore[no-any-return]


def record(
    name: str,
    array: Array,
    inputs: Sequence[Tensor],
    backward: Backward,
    saved: tuple[Array, ...] = (),
    aliases: bool = False,
) -> Tensor:
    """A tensor with history. Call it where `grad_mode.enabled` and an input requires a gradient.

    Args:
        name: of the operation, for error messages and `grad_fn`.
        array: the result.
        inputs: the tensors that the result depends on.
        backward: takes the gradient of the result, returns one gradient or None for each input.
        saved: arrays that the closure reads later; a change in place before that is an error.
        aliases: the returned gradients may share memory with the incoming one or each other, so
            they must be copied before anybody adds to them.

    Example:
        An op of one's own, the cube with the derivative 3x²:

        >>> def cube(x):
        ...     y = (x.detach() ** 3)._array
        ...     slope = 3 * x.detach() ** 2
        ...     gradient = lambda dy: ((tw.autograd.wrap(dy) * slope)._array,)
        ...     return tw.autograd.record("cube", y, (x,), gradient)
        >>> x = tw.tensor([2.0], requires_grad=True)
        >>> cube(x).backward()
        >>> x.grad
        tensor([12.])
    """
    return _core.new_result(  # type: ignore[no-any-return]
        name, array, inputs, backward, saved, aliases
    )


_core.bind_node_class(Node)


# ---------------------------------------------------------------- reading it backwards


class _Gradients:
    """The gradients that wait to be sent on, by edge, and the nodes among them in order."""

    __slots__ = ("arrays", "heap", "lent", "owned")

    def __init__(self) -> None:
        self.arrays: dict[Edge, Array] = {}
        self.owned: set[Edge] = set()  # edges whose array nobody else can see
        self.heap: list[tuple[int, Node]] = []
        self.lent: set[int] = set()  # addresses of parts of others' arrays that were given out

    def add(self, edge: Edge, array: Array, fresh: bool) -> None:
        """Add a gradient to what waits at an edge; `fresh` ones may be written to later."""
        before = self.arrays.get(edge)
        if before is None:
            self.arrays[edge] = array
            if fresh:
                self.owned.add(edge)
            if type(edge) is Node:
                heapq.heappush(self.heap, (-edge.order, edge))
        elif edge in self.owned:
            _core.add_(before, array)
        else:
            self.arrays[edge] = _core.add(before, array)
            self.owned.add(edge)

    def take(self, edge: Edge, lenders: Sequence[Array] = ()) -> Array:
        """The finished gradient of an edge, in memory of its own or as a part of a lender's."""
        array = self.arrays.pop(edge)
        if edge in self.owned:
            return array
        for lender in lenders:
            # A whole one may go to several inputs, and a part that two inputs share is copied too.
            part = array.nbytes < lender.nbytes and 0 not in array.strides
            if part and array.shares_storage(lender) and array.data_ptr not in self.lent:
                self.lent.add(array.data_ptr)
                return array
        return array.copy()


def _run_hooks(
    hooks: dict[int, Callable[[Tensor], Tensor | None]] | None, gradient: Array
) -> Array:
    for hook in tuple(hooks.values()) if hooks else ():
        replacement = hook(wrap(gradient))
        if replacement is not None:
            gradient = replacement._array
    return gradient


def _propagate(
    roots: Sequence[tuple[Edge, Array]], retain_graph: bool, watched: Collection[Edge] = ()
) -> tuple[_Gradients, dict[Edge, Array]]:
    """Walk the tape from the roots; the leaves' gradients and those of the watched nodes."""
    gradients = _Gradients()
    seen: dict[Edge, Array] = {}
    for edge, array in roots:
        gradients.add(edge, array, fresh=False)
    heap, arrays, owned = gradients.heap, gradients.arrays, gradients.owned
    while heap:
        node = heapq.heappop(heap)[1]
        gradient = arrays.pop(node)
        owned.discard(node)
        if node.hooks:
            gradient = _run_hooks(node.hooks, gradient)
        if node in watched:
            seen[node] = gradient.copy()
        edges, fresh = node.edges, not node.aliases
        for target, sent in zip(edges, node.apply(gradient, retain_graph), strict=True):
            if target is not None and sent is not None:
                gradients.add(target, sent, fresh)
    return gradients, seen


def _edge_of(op: str, tensor: Tensor) -> Edge:
    if not hasattr(tensor, "_node"):
        raise TypeError(f"{op}: expected a Tensor, got {type(tensor).__name__}")
    if not tensor._requires_grad:
        raise RuntimeError(f"{op}: expected a tensor that requires a gradient, got one without")
    return tensor._node or tensor


def _root(op: str, tensor: Tensor, gradient: Tensor | None) -> tuple[Edge, Array]:
    edge, array = _edge_of(op, tensor), tensor._array
    if gradient is None:
        if array.size != 1:
            raise RuntimeError(
                f"{op}: expected a scalar or a gradient argument, got shape {array.shape}"
            )
        return edge, _core.Array.full(array.shape, 1.0, array.dtype)
    given = getattr(gradient, "_array", None)
    if given is None:
        raise TypeError(f"{op}: expected gradient as a Tensor, got {type(gradient).__name__}")
    if given.shape != array.shape:
        raise ValueError(
            f"{op}: expected a gradient of shape {array.shape}, the output's, got {given.shape}"
        )
    return edge, given if given.dtype == array.dtype else given.astype(array.dtype)


def as_list(values: Any) -> list[Any]:
    """One value or several, as a list."""
    return list(values) if isinstance(values, tuple | list) else [values]


def _roots(op: str, tensors: Any, gradients: Any) -> list[tuple[Edge, Array]]:
    outputs = as_list(tensors)
    given = [None] * len(outputs) if gradients is None else as_list(gradients)
    if len(given) != len(outputs):
        raise ValueError(f"{op}: expected {len(outputs)} gradients, got {len(given)}")
    return [_root(op, t, g) for t, g in zip(outputs, given, strict=True)]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool = False,
) -> None:
    """Add the gradients of `tensors` to the `grad` of every leaf that they depend on.

    Args:
        tensors: one tensor or several.
        grad_tensors: the gradient of each, of its shape; may be left out for scalars.
        retain_graph: keep the tape for another walk.

    Raises:
        RuntimeError: for a non-scalar without a gradient, a tensor without history, a graph that
            was freed, or a saved tensor that was modified in place.

    Example:
        >>> x = tw.tensor([1.0, 2.0], requires_grad=True)
        >>> tw.autograd.backward([(x * x).sum(), x.sum()])
        >>> x.grad
        tensor([3., 5.])
    """
    leaves, _ = _propagate(_roots("backward", tensors, grad_tensors), retain_graph)
    for leaf in list(leaves.arrays):
        array = leaves.take(leaf)
        assert not isinstance(leaf, Node)
        array = _run_hooks(leaf._hooks, array)
        if leaf._grad is None:
            leaf._grad = wrap(array)
        else:
            _core.add_(leaf._grad._array, array)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs`, without touching any `grad`.

    Args:
        outputs: one tensor or several.
        inputs: the tensors to differentiate by, leaves or results.
        grad_outputs: the gradient of each output; may be left out for scalars.
        retain_graph: keep the tape for another walk.
        allow_unused: give None for an input that the outputs do not depend on.

    Returns:
        One gradient an input. Where a part of a gradient in `grad_outputs` is all that an input
        gets, as behind `cat`, it is a view of that part: clone it before writing to either.

    Raises:
        RuntimeError: as `backward`, and for an unused input unless `allow_unused`.

    Example:
        >>> x = tw.tensor([1.0, 2.0], requires_grad=True)
        >>> tw.autograd.grad((x * x).sum(), x)
        (tensor([2., 4.]),)
    """
    wanted = [_edge_of("grad", t) for t in as_list(inputs)]
    roots = _roots("grad", outputs, grad_outputs)
    leaves, found = _propagate(roots, retain_graph, frozenset(wanted))
    for leaf in wanted:
        if not isinstance(leaf, Node) and leaf in leaves.arrays:
            array = leaves.take(leaf, [array for _, array in roots])
            found[leaf] = _run_hooks(leaf._hooks, array)
    if not allow_unused and any(edge not in found for edge in wanted):
        unused = [i for i, edge in enumerate(wanted) if edge not in found]
        raise RuntimeError(
            f"grad: the outputs do not depend on inputs {unused}; allow_unused=True gives None"
        )
    return tuple(wrap(found[edge]) if edge in found else None for edge in wanted)
