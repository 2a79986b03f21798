"""Reverse-mode differentiation: the tape (`tape.py`), its switch, and the check of gradients."""

from tilewise.autograd.grad_mode import (
    enable_grad,
    grad_mode,
    is_grad_enabled,
    no_grad,
    recording,
    set_grad_enabled,
)
from tilewise.autograd.gradcheck import GradcheckError, gradcheck
from tilewise.autograd.tape import Node, backward, grad, record, wrap

__all__ = [
    "GradcheckError",
    "Node",
    "backward",
    "enable_grad",
    "grad",
    "grad_mode",
    "gradcheck",
    "is_grad_enabled",
    "no_grad",
    "record",
    "recording",
    "set_grad_enabled",
    "wrap",
]
