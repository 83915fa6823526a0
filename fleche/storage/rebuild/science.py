"""Sparse matrices, labelled arrays, graphs and images: their parts, put together by public constructors that check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleche.digest.science import edits

__all__ = ["REDUCERS", "data_array", "dataset", "graph", "image", "sparse", "variable"]

_SPARSE = [
    f"{kind}_{face}" for kind in ("csr", "csc", "bsr", "coo", "dia", "dok", "lil") for face in ("matrix", "array")
]
_GRAPHS = ("Graph", "DiGraph", "MultiGraph", "MultiDiGraph")


def sparse(name: str, shape: tuple[int, ...], data: Any, places: tuple[Any, ...]) -> Any:
    """Return a sparse matrix or array of scipy's, with its entries as they were stored.

    Args:
        name: Of its type.
        shape: Its shape.
        data: Its entries: an array.
        places: Arrays that say where they are.

    Raises:
        ValueError: The parts do not hold together.
        TypeError: The parts have other types.
    """
    import numpy as np
    import scipy.sparse

    if name not in _SPARSE:
        raise ValueError(f"{name!r} is no kind of sparse matrix")
    if not all(type(part) is np.ndarray for part in (data, *places)) or data.dtype.kind not in "biufc":
        raise TypeError("a sparse matrix is made of arrays of numbers")
    if any(part.dtype.kind not in "iu" for part in places):
        raise TypeError("places are whole numbers")
    kind, cls = name.partition("_")[0], getattr(scipy.sparse, name)
    places = tuple(part.copy() for part in places)  # which nobody else can change any more
    if kind in ("csr", "csc", "bsr"):
        made = cls((data, *places), shape=shape)
        made.indices, made.indptr = places
        made.check_format(full_check=True)
    elif kind == "dia":
        made = cls((data, places[0]), shape=shape)
    else:
        face = "array" if name.endswith("array") else "matrix"
        made = getattr(scipy.sparse, f"coo_{face}")((data, places), shape=shape)
        if kind == "coo" and hasattr(made, "coords"):
            made.coords = places
        made = made if kind == "coo" else made.asformat(kind)
    return made


def _sparse(value: Any) -> Any:
    import numpy as np

    kind = type(value).__name__.partition("_")[0]
    data: Any
    places: tuple[Any, ...]
    held = value.tocoo() if kind in ("dok", "lil") else value
    if kind in ("csr", "csc", "bsr"):
        stored = int(value.indptr[-1])
        data, places = value.data[:stored], (value.indices[:stored], value.indptr)
    elif kind == "dia":
        data, places = value.data, (value.offsets,)
    else:
        data, places = held.data, tuple(held.coords if hasattr(held, "coords") else (held.row, held.col))
    places = tuple(np.asarray(part) for part in places)
    return sparse, (type(value).__name__, tuple(map(int, value.shape)), np.asarray(data), places)


def variable(kind: str, dims: tuple[Any, ...], data: Any, attrs: dict[Any, Any], encoding: dict[Any, Any]) -> Any:
    """Return a variable of xarray's.

    Args:
        kind: ``Variable`` or ``IndexVariable``.
        dims: The names of its dimensions.
        data: Its values: an array of numpy's or pandas'.
        attrs: Its attributes.
        encoding: How it was or will be written to a file.

    Raises:
        ValueError: The parts do not hold together.
        TypeError: The parts have other types.
    """
    import xarray as xr

    if kind not in ("Variable", "IndexVariable"):
        raise ValueError(f"{kind!r} is no kind of variable")
    _check_data(data)
    return getattr(xr, kind)(dims, data, attrs, encoding)


def _check_data(data: Any) -> None:
    import numpy as np
    import pandas as pd

    if not isinstance(data, np.ndarray | np.generic | pd.api.extensions.ExtensionArray):
        raise TypeError(f"a variable holds an array, not a {type(data).__name__}")


def _coordinates(coords: dict[Any, Any], indexes: list[tuple[Any, ...]]) -> Any:
    import pandas as pd
    import xarray as xr
    from xarray.indexes import PandasIndex, PandasMultiIndex

    if not all(isinstance(coord, xr.Variable) for coord in coords.values()):
        raise TypeError("coordinates are variables")
    known: dict[Any, Any] = {}
    for names, kind, dim, index in indexes:
        if not isinstance(index, pd.Index) or kind not in ("PandasIndex", "PandasMultiIndex"):
            raise TypeError("an index is one of pandas'")
        if kind == "PandasIndex":
            made = PandasIndex(index, dim, coord_dtype=coords[names[0]].dtype)
        else:
            dtypes = {name: coords[name].dtype for name in names if name != dim}
            made = PandasMultiIndex(index, dim, level_coords_dtype=dtypes)
        known |= dict.fromkeys(names, made)
    return xr.Coordinates(coords, indexes=known)


def data_array(name: Any, held: Any, coords: dict[Any, Any], indexes: list[tuple[Any, ...]]) -> Any:
    """Return a labelled array of xarray's.

    Args:
        name: Its name.
        held: Its values, as a variable.
        coords: The coordinates, variables by name.
        indexes: For each index: the names of its coordinates, its kind, its dimension, and pandas' index.

    Raises:
        ValueError: The parts do not hold together.
        TypeError: The parts have other types.
    """
    import xarray as xr

    if not isinstance(held, xr.Variable):
        raise TypeError("a labelled array holds a variable")
    made = xr.DataArray(held, coords=_coordinates(coords, indexes), name=name)
    made.encoding = dict(held.encoding)
    return made


def dataset(arrays: dict[Any, Any], coords: dict[Any, Any], indexes: list[Any], attrs: Any, encoding: Any) -> Any:
    """Return a data set of xarray's.

    Args:
        arrays: The data variables by name.
        coords: The coordinates, variables by name.
        indexes: As for `data_array`.
        attrs: Its attributes.
        encoding: How it was or will be written to a file.

    Raises:
        ValueError: The parts do not hold together.
        TypeError: The parts have other types.
    """
    import xarray as xr

    if not all(isinstance(part, xr.Variable) for part in arrays.values()):
        raise TypeError("a data set holds variables")
    made = xr.Dataset(arrays, coords=_coordinates(coords, indexes), attrs=dict(attrs))
    made.encoding = dict(encoding)
    return made


def _plain(encoding: Any) -> dict[Any, Any]:
    """Return what is plain of how a value is written to files."""
    return {key: item for key, item in encoding.items() if type(item) in (str, int, float, bool, type(None))}


class _CannotError(Exception):
    """A value holds what is stored in its own way only."""


def _variable_parts(value: Any) -> Any:
    import numpy as np
    import pandas as pd

    data = value.data
    if type(data) is not np.ndarray and not isinstance(data, np.generic | pd.api.extensions.ExtensionArray):
        raise _CannotError
    return variable, (type(value).__name__, tuple(value.dims), data, dict(value.attrs), _plain(value.encoding))


class _Part:
    """A variable of a data set, which is pickled by its parts."""

    def __init__(self, value: Any) -> None:
        self._parts = _variable_parts(value)

    def __reduce__(self) -> Any:
        return self._parts


def _index_parts(value: Any) -> list[tuple[Any, ...]]:
    parts = []
    for index, coords in value.xindexes.group_by_index():
        if type(index).__name__ not in ("PandasIndex", "PandasMultiIndex"):
            raise _CannotError
        parts.append((list(coords), type(index).__name__, index.dim, index.index))
    return parts


def _reduce_variable(value: Any) -> Any:
    try:
        return _variable_parts(value)
    except _CannotError:
        return value.__reduce_ex__(5)


def _reduce_array(value: Any) -> Any:
    try:
        coords = {name: _Part(coord.variable) for name, coord in value.coords.items()}
        return data_array, (value.name, _Part(value.variable), coords, _index_parts(value))
    except _CannotError:
        return value.__reduce_ex__(5)


def _reduce_dataset(value: Any) -> Any:
    try:
        arrays = {name: _Part(part.variable) for name, part in value.data_vars.items()}
        coords = {name: _Part(coord.variable) for name, coord in value.coords.items()}
        return dataset, (arrays, coords, _index_parts(value), dict(value.attrs), _plain(value.encoding))
    except _CannotError:
        return value.__reduce_ex__(5)


def graph(kind: str, attributes: dict[Any, Any], nodes: dict[Any, Any], out: dict[Any, Any], into: Any) -> Any:
    """Return a graph of networkx's, with the order of its nodes and neighbours.

    Args:
        kind: Of which class.
        attributes: Of the graph.
        nodes: The attributes of each node.
        out: For each node its neighbours, and the attributes of the edges.
        into: The same against the direction of the edges, or None.

    Raises:
        ValueError: The parts do not hold together.
        TypeError: The parts have other types.
    """
    import networkx as nx

    if kind not in _GRAPHS:
        raise ValueError(f"{kind!r} is no kind of graph")
    made = getattr(nx, kind)()
    if made.is_directed() != (into is not None):
        raise ValueError("edges lead back in a graph that has directions, and in no other")
    back = out if into is None else into
    for around in (nodes, out, back, *nodes.values(), *out.values(), *back.values()):
        if type(around) is not dict:
            raise TypeError("a graph is made of dicts")
    if nodes.keys() != out.keys() or nodes.keys() != back.keys():
        raise ValueError("each node has neighbours, be it none")
    for one, around in out.items():
        if any(type(edge) is not dict or back[other].get(one) is not edge for other, edge in around.items()):
            raise ValueError("an edge has two ends")
    if sum(map(len, out.values())) != sum(map(len, back.values())):
        raise ValueError("an edge has two ends")
    made.graph.update(attributes)
    made._node.update(nodes)  # noqa: SLF001 - public methods would lose the order of neighbours
    made._adj.update(out)  # noqa: SLF001
    if into is not None:
        made._pred.update(into)  # noqa: SLF001
    return made


def _graph(value: Any) -> Any:
    if "_graph" in vars(value) or "_NODE_OK" in vars(value):  # a view of another, which has filters
        value = value.copy()
    out = {node: dict(around) for node, around in value._adj.items()}  # noqa: SLF001
    into = {node: dict(around) for node, around in value._pred.items()} if value.is_directed() else None  # noqa: SLF001
    return graph, (type(value).__name__, dict(value.graph), dict(value._node), out, into)  # noqa: SLF001


def image(mode: str, size: tuple[int, int], palette: Any, data: bytes, info: dict[Any, Any], tags: Any = ()) -> Any:
    """Return an image of PIL's.

    Args:
        mode: Its mode.
        size: Width and height.
        palette: Mode and bytes of its palette, or None.
        data: Its pixels.
        info: What else is known of it.
        tags: If its tags were edited: the tags, and those in directories below.

    Raises:
        ValueError: The parts do not hold together.
        TypeError: The parts have other types.
    """
    from PIL import Image

    if not isinstance(mode, str) or mode not in (*Image.MODES, "La"):
        raise ValueError(f"{mode!r} is no mode of an image")
    if not isinstance(data, bytes) or type(size) is not tuple or not all(type(one) is int for one in size):
        raise TypeError("an image is made of bytes")
    made = Image.frombytes(mode, size, data) if all(size) else Image.new(mode, size)
    if palette is not None:
        kind, colours = palette
        if kind not in ("RGB", "RGBA") or not isinstance(colours, bytes):
            raise ValueError(f"{kind!r} is no mode of a palette")
        made.putpalette(colours, kind)
    made.info = dict(info)
    if tags:
        _edit(made.getexif(), *tags)
    return made


def _edit(held: Any, tags: dict[int, Any], directories: dict[int, dict[int, Any]]) -> None:
    if any(type(part) is not dict for part in (tags, directories, *directories.values())):
        raise TypeError("tags of an image are in dicts")
    for tag in [tag for tag in held if tag not in tags]:
        del held[tag]
    for tag, part in tags.items():
        held[tag] = part
    for tag in directories:
        below = held.get_ifd(tag)
        below.clear()
        below.update(directories[tag])


def _image(value: Any) -> Any:
    value.load()
    palette = None
    if value.palette is not None and value.mode in ("P", "PA"):
        mode = value.palette.mode
        palette = (mode, bytes(value.im.getpalette(mode, mode)))
    return image, (value.mode, tuple(value.size), palette, value.tobytes(), dict(value.info), *_tags(value))


def _tags(value: Any) -> tuple[Any, ...]:
    found = edits(value)
    return (found,) if found else ()


REDUCERS: dict[str, Callable[[Any], Any]] = {
    **{f"scipy.sparse._{name.partition('_')[0]}.{name}": _sparse for name in _SPARSE},
    "xarray.core.dataset.Dataset": _reduce_dataset,
    "xarray.core.dataarray.DataArray": _reduce_array,
    "xarray.core.variable.Variable": _reduce_variable,
    "xarray.core.variable.IndexVariable": _reduce_variable,
    **{f"networkx.classes.{name.lower()}.{name}": _graph for name in _GRAPHS},
    "PIL.Image.Image": _image,
}
