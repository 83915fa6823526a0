"""What differs between a value and the sketch of another: which columns, which part of an array, which field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fleche.call.sketch import Sketch, sketch
from fleche.digest.algorithm import chosen
from fleche.display import size
from fleche.memo.explain.differences import Difference, Differences, Kind
from fleche.memo.explain.texts import change, value_text

__all__ = ["against_sketch", "between_sketches"]

_LIMIT = 20


def against_sketch(old: Sketch, new: Any, *, name: str, limit: int = _LIMIT) -> Differences:
    """Return where a value differs from one of which a sketch was kept, as closely as that tells.

    Args:
        old: The sketch; it may be of a later version, or not what it should be.
        new: The value.
        name: How the value is called, at the start of each path.
        limit: How many differences are told.
    """
    try:
        made = sketch(new)
    except Exception:
        made = {}
    return between_sketches(old, made, name=name, limit=limit)


def between_sketches(old: Sketch, new: Sketch, *, name: str, limit: int = _LIMIT) -> Differences:
    """Return where two values differ of which sketches were kept."""
    try:
        found = list(_steps(name, old, new))
    except Exception:  # what others wrote, or a later version
        found = []
    if not found:
        text = "differs; of the stored one only a sketch was kept, which does not tell where"
        found = [Difference(path=name, kind=Kind.CONTENT, text=text)]
    return Differences(tuple(found[:limit]), max(0, len(found) - limit))


def _steps(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if old.get("type") != new.get("type"):
        text = f"{_shown(old)} -> {_shown(new)}"
        yield Difference(path=path, kind=Kind.TYPE, text=text)
    elif "value" in old and "value" in new:
        if not _same(old["value"], new["value"]):
            yield Difference(path=path, kind=Kind.VALUE, text=change(old["value"], new["value"]))
    elif "columns" in old:
        yield from _tables(path, old, new)
    elif "shape" in old:
        yield from _arrays(path, old, new)
    elif "items" in old or "items" in new or "length" in old:
        yield from _sequences(path, old, new)
    elif "fields" in old:
        yield from _named(path, old["fields"], new["fields"], ".{}")
        if "base" in old and "base" in new:
            yield from _steps(path, old["base"], new["base"])
    elif old.get("digest") != new.get("digest"):
        yield Difference(path=path, kind=Kind.CONTENT, text="differs")


def _shown(part: Mapping[str, Any]) -> str:
    return f"{value_text(part['value'])} ({part['type']})" if "value" in part else f"<{part.get('type', 'value')}>"


def _same(old: Any, new: Any) -> bool:
    from fleche.digest import digest

    return digest(old) == digest(new)


def _arrays(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if old["dtype"] != new["dtype"]:
        yield Difference(path=path, kind=Kind.DTYPE, text=f"dtype {old['dtype']} -> {new['dtype']}")
    if old["shape"] != new["shape"]:
        text = f"shape {tuple(old['shape'])} -> {tuple(new['shape'])}"
        yield Difference(path=path, kind=Kind.SHAPE, text=text + _leading(old, new))
    elif old["dtype"] == new["dtype"]:
        total = 1
        for extent in old["shape"]:
            total *= extent
        yield from _blocks(path, old, new, "element", total)


def _leading(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return how much two arrays of different lengths have in common at the start, in words."""
    if old["dtype"] != new["dtype"] or old.get("step") != new.get("step") or old["shape"][1:] != new["shape"][1:]:
        return ""
    before, after = _parts(old), _parts(new)
    count = 0
    while count < min(len(before), len(after)) and before[count] == after[count]:
        count += 1
    return f", the first {count * old['step']:,} elements are equal" if count else ""


def _blocks(path: str, old: Mapping[str, Any], new: Mapping[str, Any], unit: str, total: int) -> Iterator[Difference]:
    """Yield which blocks of two values of one extent differ, as a range of elements."""
    before, after, step = _parts(old), _parts(new), old.get("step", 0)
    if not before or len(before) != len(after) or step != new.get("step"):
        return
    differing = [at for at in range(len(before)) if before[at] != after[at]]
    if not differing:
        return
    first, last = differing[0] * step, min(total, (differing[-1] + 1) * step) - 1
    whole = len(before) == 1
    where = "" if whole else f", between {unit} {first:,} and {last:,}"
    text = "differs" if whole else f"{len(differing):,} of {len(before):,} parts differ{where}"
    about = f" (only a sketch of the {size(old['size'])} was kept)" if "size" in old else ""
    yield Difference(path=path, kind=Kind.ELEMENTS, text=text + about)


def _parts(of: Mapping[str, Any]) -> list[bytes]:
    joined, width = of.get("blocks", b""), chosen().length // 2
    return [joined[at : at + width] for at in range(0, len(joined), width)]


def _sequences(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if "named" in old and "named" in new:
        yield from _named(path, old["named"], new["named"], "[{!r}]")
        return
    if old["length"] != new["length"]:
        unit = {"str": "characters", "bytes": "bytes", "bytearray": "bytes"}.get(str(old.get("type")), "items")
        text = f"{old['length']:,} -> {new['length']:,} {unit}"
        yield Difference(path=path, kind=Kind.LENGTH, text=text)
    if "items" in old and "items" in new:
        for at, (one, other) in enumerate(zip(old["items"], new["items"], strict=False)):
            yield from _steps(f"{path}[{at}]", one, other)
    elif old["length"] == new["length"]:
        unit = "byte" if "size" in old else "item"
        yield from _blocks(path, old, new, unit, old.get("size", old["length"]))
        if old.get("keys") != new.get("keys"):
            yield Difference(path=path, kind=Kind.CONTENT, text="other keys")


def _named(path: str, old: Mapping[str, Any], new: Mapping[str, Any], step: str) -> Iterator[Difference]:
    for name, part in old.items():
        where = path + step.format(name)
        if name in new:
            yield from _steps(where, part, new[name])
        else:
            yield Difference(path=where, kind=Kind.REMOVED, text=f"removed {_shown(part)}")
    for name, part in new.items():
        if name not in old:
            yield Difference(path=path + step.format(name), kind=Kind.ADDED, text=f"added {_shown(part)}")


def _tables(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    if old["rows"] != new["rows"]:
        yield Difference(path=path, kind=Kind.LENGTH, text=f"{old['rows']:,} -> {new['rows']:,} rows")
    before = {name: (kind, digest) for name, kind, digest in old["columns"]}
    after = {name: (kind, digest) for name, kind, digest in new["columns"]}
    alone = "blocks" in old and len(before) == len(after) == 1  # a series: which part of it differs is known
    for name, (kind, digest) in before.items():
        where = path if alone else f"{path}[{name!r}]"
        if name not in after:
            yield Difference(path=where, kind=Kind.REMOVED, text=f"column removed ({kind})")
        elif after[name][0] != kind:
            yield Difference(path=where, kind=Kind.DTYPE, text=f"dtype {kind} -> {after[name][0]}")
        elif after[name][1] != digest:
            parts = list(_blocks(where, old, new, "row", old["rows"])) if alone and old["rows"] == new["rows"] else []
            same = old["rows"] == new["rows"]
            yield from parts
            if not parts and same:
                yield Difference(path=where, kind=Kind.ELEMENTS, text=f"differs ({kind}; only a digest was kept)")
    for name, (kind, _) in after.items():
        if name not in before:
            yield Difference(path=f"{path}[{name!r}]", kind=Kind.ADDED, text=f"column added ({kind})")
    shared = [[name for name in each if name in before and name in after] for each in (before, after)]
    if shared[0] != shared[1]:
        text = f"the order of the columns: {', '.join(shared[0][:6])} -> {', '.join(shared[1][:6])}"
        yield Difference(path=path, kind=Kind.ORDER, text=text)
    if old.get("index") != new.get("index") and old["rows"] == new["rows"]:
        yield Difference(path=f"{path}.index", kind=Kind.CONTENT, text="differs")
