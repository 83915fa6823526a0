"""torch: elements as bytes, and what they are. Never by ``torch.load``, which a tensor's own pickle calls."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

__all__ = ["REDUCERS", "build"]

_DEVICE = re.compile(r"cpu|(cuda|xpu|mps)(:\d{1,3})?")
_DTYPE = re.compile(r"u?int\d+|bool|b?float\d+(_e\w+)?|complex\d+")
_COMPRESSED = {
    "sparse_csr": ("crow_indices", "col_indices"),
    "sparse_bsr": ("crow_indices", "col_indices"),
    "sparse_csc": ("ccol_indices", "row_indices"),
    "sparse_bsc": ("ccol_indices", "row_indices"),
}


def build(kind: str, layout: str, shape: tuple[int, ...], parts: tuple[Any, ...], state: dict[str, Any]) -> Any:
    """Return a tensor.

    Args:
        kind: ``Tensor`` or ``Parameter``.
        layout: ``strided``, ``sparse_coo``, or the name of a compressed layout.
        shape: Its shape.
        parts: The name of its dtype and its elements as bytes; or, if it is sparse, tensors.
        state: ``device``, ``requires_grad``, ``grad``, ``attributes``, ``coalesced``.

    Raises:
        ValueError: The parts do not hold together.
        TypeError: The parts have other types.
        RuntimeError: The device is not here.
    """
    import torch

    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"{shape!r} is not the shape of a tensor")
    if layout == "strided":
        made = _strided(shape, *parts)
    elif not all(type(part) is torch.Tensor for part in parts):
        raise TypeError("a sparse tensor is made of tensors")
    elif layout == "sparse_coo":
        parts = tuple(part.clone() for part in parts)  # whose bytes nobody else can change
        made = torch.sparse_coo_tensor(*parts, shape, check_invariants=True)
        if state["coalesced"] is True:
            whole = made.coalesce()
            made = whole if torch.equal(whole.indices(), parts[0]) else made
    elif layout in _COMPRESSED:
        parts = tuple(part.clone() for part in parts)  # whose bytes nobody else can change
        made = torch.sparse_compressed_tensor(*parts, shape, layout=getattr(torch, layout), check_invariants=True)
    else:
        raise ValueError(f"{layout!r} is no layout")
    if not _DEVICE.fullmatch(state["device"]):
        raise ValueError(f"{state['device']!r} is no device")
    made = made.to(state["device"])
    if kind == "Parameter":
        made = torch.nn.Parameter(made, requires_grad=bool(state["requires_grad"]))
    elif kind == "Tensor":
        made.requires_grad_(bool(state["requires_grad"]))
    else:
        raise ValueError(f"{kind!r} is no kind of tensor")
    if state["grad"] is not None:
        made.grad = state["grad"]
    made.__dict__.update(state["attributes"])
    return made


def _strided(shape: tuple[int, ...], dtype: Any, data: Any) -> Any:
    import numpy as np
    import torch

    kind = getattr(torch, dtype, None) if isinstance(dtype, str) and _DTYPE.fullmatch(dtype) else None
    if type(data) is not np.ndarray or data.dtype != np.uint8 or not isinstance(kind, torch.dtype):
        raise TypeError("a tensor is built from bytes and a dtype")
    if not data.size:
        if math.prod(shape):
            raise ValueError("its elements are missing")
        return torch.empty(shape, dtype=kind)
    flat = np.ascontiguousarray(data.reshape(-1))
    if kind is torch.bool:  # a byte that is neither 0 nor 1 would be neither true nor false
        flat = (flat != 0).view("u1")
    return torch.from_numpy(flat if flat.flags.writeable else flat.copy()).view(kind).reshape(shape)


def _reduce(value: Any) -> Any:
    import torch

    layout = str(value.layout).removeprefix("torch.")
    plain = value.grad_fn is None and not value._backward_hooks  # noqa: SLF001 - there is no other way to see them
    if not plain or value.is_quantized or value.is_nested or value.is_meta or not _DEVICE.fullmatch(str(value.device)):
        return value.__reduce_ex__(5)
    whole = value.detach()
    parts: tuple[Any, ...]
    if layout == "strided":
        flat = whole.resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
        data = flat.view(torch.uint8) if flat.numel() else torch.empty(0, dtype=torch.uint8)
        parts = (str(value.dtype).removeprefix("torch."), data.numpy())
    elif layout == "sparse_coo":
        parts = (whole._indices().cpu(), whole._values().cpu())  # noqa: SLF001 - also of one that is not coalesced
    elif layout in _COMPRESSED:
        parts = tuple(getattr(whole, name)().cpu() for name in (*_COMPRESSED[layout], "values"))
    else:
        return value.__reduce_ex__(5)
    state = {
        "device": str(value.device),
        "requires_grad": value.requires_grad,
        "grad": value.grad,
        "attributes": dict(value.__dict__),
        "coalesced": layout == "sparse_coo" and whole.is_coalesced(),
    }
    return build, (type(value).__name__, layout, tuple(map(int, value.shape)), parts, state)


REDUCERS: dict[str, Callable[[Any], Any]] = {
    "torch.Tensor": _reduce,
    "torch.nn.parameter.Parameter": _reduce,
}
