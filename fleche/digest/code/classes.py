"""Classes: what of a class counts, without what Python generates from the rest."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

from fleche.digest.code.frames import constant, text, word
from fleche.digest.code.identity import home
from fleche.digest.code.records import field_values, is_made, member_values

__all__ = ["attributes", "class_label"]

_AUTOMATIC = frozenset(
    {
        "__dict__",
        "__weakref__",
        "__module__",
        "__doc__",
        "__qualname__",
        "__firstlineno__",
        "__static_attributes__",
        "__slotnames__",
        "__annotations__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__orig_bases__",
        "__parameters__",
        "__abstractmethods__",
        "_abc_impl",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__attrs_attrs__",
        "__attrs_own_setattr__",
        "_is_protocol",
        "__protocol_attrs__",
        "__non_callable_proto_members__",
        "_is_runtime_protocol",
        "__classdictcell__",
        "__type_params__",
    }
)
_NAMEDTUPLE = frozenset(
    {
        "_make",
        "_replace",
        "_asdict",
        "__new__",
        "__getnewargs__",
        "__repr__",
        "__slots__",
        "_fields",
        "_field_defaults",
    }
)
_MAKERS = frozenset({"dataclasses", "reprlib", "enum", "collections", "typing", "attr._make", "attr"})
_FLAGS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_FIELD_FLAGS = ("init", "repr", "hash", "compare", "kw_only")


def attributes(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield what counts of a class: its own attributes, the fields of a record, the members of an enumeration."""
    members = getattr(cls, "__members__", {}) if isinstance(cls, enum.EnumMeta) else {}
    is_tuple = issubclass(cls, tuple) and "_field_defaults" in cls.__dict__
    for name, value in list(cls.__dict__.items()):
        if name in _AUTOMATIC or name in members or isinstance(value, (GetSetDescriptorType, MemberDescriptorType)):
            continue
        if is_tuple and (name in _NAMEDTUPLE or name in cls.__dict__["_fields"]):
            continue
        if members and name.startswith("_") and not isinstance(value, (FunctionType, classmethod, staticmethod)):
            continue
        if name == "__hash__" and value is None:  # what a class with __eq__ gets
            continue
        if not (is_made(cls, name, value) or _generated(value)):
            yield name, value
    yield from member_values(members)
    yield from field_values(cls)


def class_label(cls: type) -> bytes:
    """Return the encoding of a class itself: name, annotations, and what made it a record."""
    parts = [text(cls.__name__)]
    annotations = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - never evaluated, never inherited
    parts.append(word(len(annotations)))
    for name, annotation in annotations.items():
        parts.append(text(name) + text(_annotation(annotation)))
    params = cls.__dict__.get("__dataclass_params__")
    parts.append(text(b"" if params is None else b"".join(constant(bool(getattr(params, flag))) for flag in _FLAGS)))
    for name, entry in cls.__dict__.get("__dataclass_fields__", {}).items():
        parts.append(text(name) + b"".join(constant(_flag(getattr(entry, flag))) for flag in _FIELD_FLAGS))
    for entry in cls.__dict__.get("__attrs_attrs__", ()):
        flags = ("init", "repr", "eq", "order", "hash", "kw_only")
        parts.append(text(entry.name) + b"".join(constant(_flag(getattr(entry, flag, None))) for flag in flags))
    return b"".join(parts)


def _flag(value: Any) -> bool | None:
    return value if value is None or isinstance(value, bool) else None


def _annotation(annotation: Any) -> bytes:
    """Return what an annotation says: names and arguments, not the classes behind them."""
    if isinstance(annotation, str):
        return b"s" + text(annotation)
    if annotation is None or annotation is ... or type(annotation) in (bool, int, bytes):
        return b"k" + constant(annotation)
    origin, arguments = getattr(annotation, "__origin__", None), getattr(annotation, "__args__", None)
    if isinstance(arguments, tuple) and not isinstance(annotation, type):
        head = _annotation(origin) if origin is not None else text(type(annotation).__qualname__)
        return b"g" + text(head) + word(len(arguments)) + b"".join(text(_annotation(part)) for part in arguments)
    if isinstance(annotation, (list, tuple)):
        return b"l" + word(len(annotation)) + b"".join(text(_annotation(part)) for part in annotation)
    kind = annotation if isinstance(annotation, type) else type(annotation)
    name = getattr(annotation, "__qualname__", None) or getattr(annotation, "__name__", None)
    forward = getattr(annotation, "__forward_arg__", None)
    return (
        b"n"
        + text(str(getattr(annotation, "__module__", kind.__module__)))
        + text(str(forward or name or kind.__qualname__))
    )


def _generated(value: Any) -> bool:
    """Whether a method was made by a class decorator or base of the standard library or attrs."""
    inner = getattr(value, "__func__", value)
    inner = getattr(inner, "__wrapped__", inner)
    if not isinstance(inner, FunctionType):
        return False
    file = inner.__code__.co_filename
    made = file == "<string>" and inner.__code__.co_name.startswith("__")
    return made or file.startswith("<attrs generated") or home(inner) in _MAKERS
