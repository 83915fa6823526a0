"""`Plan`: how one value with children is encoded, before the children are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

__all__ = ["Plan", "attributes", "items", "mapping", "silent", "unordered"]

Label = Callable[["Plan", int, int], str]
Order = Literal["given", "set", "dict"]


class Plan:
    """How one value is encoded: ``head``, then each group of children as a sequence, then the bytes of ``tail``.

    Args:
        head: The tag and what follows it before the children.
        groups: The children. Each group is a list or tuple that nobody else changes.
        order: ``set`` sorts the only group; ``dict`` sorts the first group (keys) and the second (values) along.
        tail: Buffers that follow, hashed one by one and never joined.
        inline: Whether the encoding is a frame (then ``head`` is its tag) and not a node.
        label: How a child is named in the path of a refusal, from this plan, group and index.
        weight: Bytes that the encoding stands for and does not hold.
    """

    __slots__ = ("groups", "head", "inline", "label", "order", "tail", "weight")

    def __init__(
        self,
        head: bytes,
        groups: Sequence[Sequence[Any]] = (),
        *,
        order: Order = "given",
        tail: Iterable[Any] | None = None,
        inline: bool = False,
        label: Label | None = None,
        weight: int = 0,
    ) -> None:
        self.head = head
        self.groups = groups
        self.order = order
        self.tail = tail
        self.inline = inline
        self.label = items if label is None else label
        self.weight = weight


def items(_plan: Plan, _group: int, index: int) -> str:
    """Name a child by its index."""
    return f"[{index}]"


def unordered(_plan: Plan, _group: int, _index: int) -> str:
    """Name an element of a set."""
    return ".{element}"


def mapping(plan: Plan, group: int, index: int) -> str:
    """Name the value of a mapping by its key."""
    key = plan.groups[0][index]
    shown = repr(key) if type(key) in (str, int, bool, bytes, float, type(None)) else f"<{type(key).__qualname__}>"
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"[{shown}]" if group else f".keys()<{shown}>"


def attributes(plan: Plan, group: int, index: int) -> str:
    """Name the value of an attribute; the last two groups are names and values."""
    return f".{plan.groups[-2][index]}" if group == len(plan.groups) - 1 else ""


def silent(_plan: Plan, _group: int, _index: int) -> str:
    """Name nothing: the child is what the value itself is."""
    return ""
