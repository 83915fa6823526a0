"""Sparse matrices, labelled arrays, graphs and images, without importing scipy, xarray, networkx or PIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleche.digest.library import numpy, plan
from fleche.digest.plan import Plan
from fleche.digest.refusals import Refusal

__all__ = ["BASES", "GRAPHS", "NAMED", "SPARSE", "edits"]

SPARSE = {
    f"scipy.sparse._{kind}.{kind}_{face}": f"{kind}_{face}"
    for kind in ("csr", "csc", "bsr", "coo", "dia", "dok", "lil")
    for face in ("matrix", "array")
}
"""Canonical name to public name."""


def _sparse(value: Any) -> Plan:
    """Take a sparse matrix apart as it is stored; what is cached about it, and room to grow, do not show."""
    name = SPARSE[f"{type(value).__module__}.{type(value).__qualname__}"]
    kind = name.partition("_")[0]
    parts: tuple[Any, ...]
    if kind in ("csr", "csc", "bsr"):
        stored = int(value.indptr[-1])
        parts = (value.data[:stored], value.indices[:stored], value.indptr)
    elif kind == "coo":
        coords = value.coords if hasattr(value, "coords") else (value.row, value.col)
        parts = (value.data, list(coords))
    elif kind == "dia":
        parts = (value.data, value.offsets)
    elif kind == "dok":
        parts = (value.dtype, {_place(at): value.dtype.type(item) for at, item in value.items()})
    else:
        rows = [list(map(int, row)) for row in value.rows.ravel()]
        parts = (rows, [numpy().asarray(row, dtype=value.dtype) for row in value.data.ravel()])
        parts = parts if rows else (*parts, value.dtype)  # which no row tells
    return plan(f"scipy.sparse.{name}", list(map(int, value.shape)), *parts)


def _place(at: Any) -> tuple[int, ...]:
    return tuple(map(int, at)) if isinstance(at, tuple) else (int(at),)


def _variable_parts(value: Any) -> tuple[Any, ...]:
    return (type(value).__name__, list(value.dims), dict(value.attrs), value.data)


def _variable(value: Any) -> Plan:
    return plan("xarray.Variable", *_variable_parts(value))


def _indexes(value: Any) -> dict[Any, Any]:
    """Return what each index is, by the name of its coordinate."""
    known = {}
    for name, index in value.xindexes.items():
        if type(index).__name__ in ("PandasIndex", "PandasMultiIndex"):
            known[name] = (type(index).__name__, index.dim, index.index)
        else:
            known[name] = index
    return known


def _coords(value: Any) -> dict[Any, Any]:
    return {name: _variable_parts(coord.variable) for name, coord in value.coords.items()}


def _data_array(value: Any) -> Plan:
    return plan("xarray.DataArray", value.name, _variable_parts(value.variable), _coords(value), _indexes(value))


def _dataset(value: Any) -> Plan:
    arrays = {name: _variable_parts(part.variable) for name, part in value.data_vars.items()}
    return plan("xarray.Dataset", dict(value.attrs), arrays, _coords(value), _indexes(value))


GRAPHS = {
    "networkx.classes.graph.Graph": "Graph",
    "networkx.classes.digraph.DiGraph": "DiGraph",
    "networkx.classes.multigraph.MultiGraph": "MultiGraph",
    "networkx.classes.multidigraph.MultiDiGraph": "MultiDiGraph",
}
"""Canonical name to public name."""


def _graph(value: Any) -> Plan:
    """Take a graph apart: nodes and neighbours in the order in which algorithms meet them."""
    several = value.is_multigraph()
    out = [_neighbours(around, several) for around in value._adj.values()]  # noqa: SLF001 - `adj` leaves a trace
    into = [list(around) for around in value._pred.values()] if value.is_directed() else None  # noqa: SLF001
    nodes, attributes = list(value._node), [dict(each) for each in value._node.values()]  # noqa: SLF001
    name = GRAPHS[f"{type(value).__module__}.{type(value).__qualname__}"]
    return plan(f"networkx.{name}", dict(value.graph), nodes, attributes, list(value._adj), out, into)  # noqa: SLF001


def _neighbours(around: Any, several: bool) -> tuple[list[Any], list[Any]]:
    if several:
        return list(around), [(list(edges), [dict(each) for each in edges.values()]) for edges in around.values()]
    return list(around), [dict(each) for each in around.values()]


def _image_parts(value: Any) -> tuple[Any, ...]:
    value.load()
    palette = None
    if value.palette is not None and value.mode in ("P", "PA"):
        mode = value.palette.mode
        palette = (mode, bytes(value.im.getpalette(mode, mode)))
    return (value.mode, list(value.size), palette, value.tobytes(), dict(value.info), *edits(value))


_DIRECTORIES = (0x8769, 0x8825, 0xA005)
_PLACES = frozenset({273, 279, 324, 325})


def edits(value: Any) -> tuple[Any, ...]:
    """Return the tags of an image whose tags were edited: they are neither among the pixels nor in `info`."""
    held = vars(value).get("_exif")
    if held is None:
        return ()
    from PIL import Image

    tags: Any = getattr(value, "tag_v2", None)
    if tags is not None:  # of a TIFF file; directories below it are in the file
        return () if dict(held) == dict(tags) else (dict(held), {})
    plain = Image.new("1", (1, 1))
    plain.info = dict(value.info)
    found = _tags(held)
    return () if found == _tags(plain.getexif()) else found


def _tags(held: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
    directories = {tag: dict(held.get_ifd(tag)) for tag in _DIRECTORIES}
    tags = {tag: part for tag, part in held.items() if tag not in directories}
    return tags, {tag: part for tag, part in directories.items() if part}


def _image(value: Any) -> Plan:
    return plan("PIL.Image.Image", *_image_parts(value))


def _image_subclass(value: Any) -> tuple[Any, dict[str, Any]]:
    """Return an image that was opened from a file as a plain one; where the file lies does not show."""
    if getattr(value, "is_animated", False) or getattr(value, "n_frames", 1) != 1:
        raise Refusal("is an image of several frames", "Pass .copy() of each frame")
    if not type(value).__module__.startswith("PIL."):
        raise Refusal("is of a subclass of Image that is not understood", "Pass .copy() of it, or register its parts")
    state = {"format": value.format}
    if hasattr(value, "tag_v2"):
        state["tag_v2"] = {tag: part for tag, part in value.tag_v2.items() if tag not in _PLACES}
    return _image_parts(value), state


NAMED: dict[str, Callable[[Any], Plan]] = {
    **dict.fromkeys(SPARSE, _sparse),
    "xarray.core.dataset.Dataset": _dataset,
    "xarray.core.dataarray.DataArray": _data_array,
    "xarray.core.variable.Variable": _variable,
    "xarray.core.variable.IndexVariable": _variable,
    **dict.fromkeys(GRAPHS, _graph),
    "PIL.Image.Image": _image,
}
"""Canonical name to the function that takes a value apart; for exactly these types."""

BASES: dict[str, Callable[[Any], tuple[Any, dict[str, Any]]]] = {"PIL.Image.Image": _image_subclass}
"""Canonical name to what an instance of a subclass is as its base, and its attributes."""
