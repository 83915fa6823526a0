"""Records and enumerations: their fields, defaults and members, wherever the library that makes them keeps them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["field_values", "is_made", "member_values"]

# What pydantic makes of the fields of a model: some of it has addresses in it, and some grows while a model is used.
_PYDANTIC = frozenset({"__signature__", "__class_vars__"})
_FIELDS = "__pydantic_fields__"


def is_made(cls: type, name: str, value: Any) -> bool:
    """Whether an attribute of a class is what a library made of its fields, which count by themselves."""
    if name == "__match_args__":
        return bool(value == _positions(cls))
    if _FIELDS not in cls.__dict__:
        return False
    return name in _PYDANTIC or (name.startswith("__pydantic_") and name != _FIELDS)


def _positions(cls: type) -> tuple[str, ...] | None:
    """Return the attributes that a record's patterns take by position, as Python generates them; None for others."""
    if "__dataclass_fields__" in cls.__dict__:
        class_variable = getattr(sys.modules["dataclasses"], "_FIELD_CLASSVAR", None)
        fields = cls.__dict__["__dataclass_fields__"].values()
        given = (f for f in fields if getattr(f, "_field_type", None) is not class_variable)
        return tuple(f.name for f in given if f.init and not f.kw_only)
    if "__attrs_attrs__" in cls.__dict__:
        return tuple(a.name for a in cls.__dict__["__attrs_attrs__"] if a.init and not a.kw_only)
    return tuple(cls.__dict__["_fields"]) if "_field_defaults" in cls.__dict__ else None


def member_values(members: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the members of an enumeration, and their order where it is not the usual one."""
    for name, member in list(members.items()):
        yield f"member {name}", member._value_
    if list(members) != _usual_order(members):
        yield "members", tuple(members)


def _usual_order(members: Mapping[str, Any]) -> list[str]:
    """Return the order in which members count without being told: by value where all are integers, else by name."""
    if all(type(member._value_) is int for member in members.values()):
        return sorted(members, key=lambda name: (members[name]._value_, name))
    return sorted(members)


def field_values(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the defaults of the fields of a record, and what else says how they are used."""
    if "_field_defaults" in cls.__dict__ and issubclass(cls, tuple):
        yield from _of_named_tuple(cls)
    yield from _of_dataclass(cls)
    yield from _of_attrs(cls)
    yield from _of_struct(cls)


def _of_named_tuple(cls: type) -> Iterator[tuple[str, Any]]:
    annotated = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - never evaluated, never inherited
    if tuple(cls.__dict__["_fields"]) != tuple(annotated):
        yield "fields", tuple(cls.__dict__["_fields"])  # no annotation says them
    for name, value in cls.__dict__["_field_defaults"].items():
        yield f"field {name} default", value


def _of_dataclass(cls: type) -> Iterator[tuple[str, Any]]:
    dataclasses = sys.modules.get("dataclasses")
    fields = cls.__dict__.get("__dataclass_fields__")
    if fields is not None and "__match_args__" not in cls.__dict__:
        yield "__match_args__", None
    for name, entry in (fields or {}).items():
        for part in ("default", "default_factory"):
            value = getattr(entry, part)
            if dataclasses is None or value is not dataclasses.MISSING:
                yield f"field {name} {part}", value
        if entry.metadata:
            yield f"field {name} metadata", dict(entry.metadata)


def _of_attrs(cls: type) -> Iterator[tuple[str, Any]]:
    attr = sys.modules.get("attr")
    for entry in cls.__dict__.get("__attrs_attrs__", ()):
        for part in ("default", "validator", "converter", "on_setattr"):
            value = getattr(entry, part, None)
            if value is not None and value is not getattr(attr, "NOTHING", None):
                yield f"field {entry.name} {part}", getattr(value, "factory", value)


def _of_struct(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield what counts of a struct of msgspec, which keeps it where no namespace shows it."""
    msgspec = sys.modules.get("msgspec")
    if msgspec is None or not issubclass(cls, msgspec.Struct) or cls is msgspec.Struct:
        return
    made: Any = cls
    defaults = made.__struct_defaults__
    fields = made.__struct_fields__
    yield "fields", tuple(fields)
    for name, value in zip(fields[len(fields) - len(defaults) :], defaults, strict=True):
        if value is not getattr(msgspec, "NODEFAULT", None):
            yield f"field {name} default", getattr(value, "factory", value)
    config = made.__struct_config__
    told = {name: getattr(config, name) for name in dir(config) if not name.startswith("_")}
    yield (
        "config",
        {name: value for name, value in told.items() if value is None or isinstance(value, (bool, str, int))},
    )
