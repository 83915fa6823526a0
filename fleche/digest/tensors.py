"""torch by content, without importing torch.

Strides, storage offsets and memory formats do not show. Dtype, shape, layout, device, gradients and attributes do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleche.digest.library import loaded, numpy, plan
from fleche.digest.plan import Plan
from fleche.digest.refusals import Refusal

__all__ = ["BASES", "NAMED"]

_COMPRESSED = {
    "torch.sparse_csr": ("crow_indices", "col_indices"),
    "torch.sparse_bsr": ("crow_indices", "col_indices"),
    "torch.sparse_csc": ("ccol_indices", "row_indices"),
    "torch.sparse_bsc": ("ccol_indices", "row_indices"),
}


def _flat(value: Any) -> Any:
    """Return the elements in C order, as bytes."""
    np, torch = numpy(), loaded("torch")
    whole = value.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
    return whole.view(torch.uint8).numpy() if whole.numel() else np.zeros(0, "u1")


def parts(value: Any) -> tuple[Any, ...]:
    """Return a tensor as plain values and numpy arrays.

    Raises:
        Refusal: Its content cannot be told, or is more than its elements.
    """
    if value.grad_fn is not None:
        raise Refusal("remembers how it was computed, for gradients", "Pass .detach() of it")
    if value._backward_hooks:  # noqa: SLF001 - there is no other way to see them
        raise Refusal("has hooks on its gradient", "Pass .detach() of it")
    layout = str(value.layout)
    if value.is_quantized or value.is_nested or value.is_meta or layout not in ("torch.strided", *_LAYOUTS):
        raise Refusal(f"is a tensor whose elements cannot be read ({layout}, {value.device})", "Pass a plain tensor")
    if layout == "torch.sparse_coo":
        data = [value._indices(), value._values()]  # noqa: SLF001 - as stored, also if not coalesced
        held: tuple[Any, ...] = (value.is_coalesced(), value.sparse_dim(), *(_piece(part) for part in data))
    elif layout in _COMPRESSED:
        held = tuple(_piece(part) for part in (*(getattr(value, n)() for n in _COMPRESSED[layout]), value.values()))
    else:
        held = (_flat(value),)
    gradient = None if value.grad is None else (parts(value.grad))
    state = dict(value.__dict__) or None
    shape, device = list(value.shape), str(value.device)
    return (str(value.dtype), shape, layout, device, value.requires_grad, gradient, state, *held)


def _piece(value: Any) -> tuple[Any, ...]:
    return (str(value.dtype), list(value.shape), _flat(value))


_LAYOUTS = ("torch.sparse_coo", *_COMPRESSED)


def _tensor(value: Any) -> Plan:
    return plan("torch.Tensor", *parts(value))


def _parameter(value: Any) -> Plan:
    return plan("torch.nn.Parameter", *parts(value))


def _storage(value: Any) -> Plan:
    torch = loaded("torch")
    bytes_ = torch.tensor([], dtype=torch.uint8, device=value.device).set_(value)
    return plan("torch.UntypedStorage", str(value.device), _flat(bytes_))


def _subclass(value: Any) -> tuple[Any, dict[str, Any]]:
    """Return what an instance of a subclass is as a plain tensor; its attributes are among the parts."""
    torch = loaded("torch")
    if type(value).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
        raise Refusal("is of a subclass of Tensor that keeps its elements in its own way", "Register its parts")
    with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001
        return parts(value), {}


NAMED: dict[str, Callable[[Any], Plan]] = {
    "torch.Tensor": _tensor,
    "torch.nn.parameter.Parameter": _parameter,
    "torch.storage.UntypedStorage": _storage,
}
"""Canonical name to the function that takes a value apart; for exactly these types."""

BASES: dict[str, Callable[[Any], tuple[Any, dict[str, Any]]]] = {"torch.Tensor": _subclass}
"""Canonical name to what an instance of a subclass is as its base, and its attributes."""
