"""Values of other packages, for tests of digest and storage.

`VALUES` maps a package to a function that gives pairs of a name and a value. All values differ.
"""

from __future__ import annotations

import datetime
import decimal
import importlib

import pytest

UTC = datetime.UTC


def needed(*names):
    """Return packages, or skip the test."""
    found = [pytest.importorskip(name, reason=f"{name} is not installed") for name in names]
    return found if len(found) > 1 else found[0]


def have(name):
    """Whether a package is installed."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def arrow_arrays():
    """Give arrays of every kind of Arrow's types, with missing values."""
    pa = needed("pyarrow")
    moment = datetime.datetime(2020, 1, 1)
    for name, kind, values in [
        ("int32", pa.int32(), [1, None, 3]),
        ("float", pa.float64(), [1.5, None, float("nan")]),
        ("bool", pa.bool_(), [True, None, False]),
        ("string", pa.string(), ["a", None, "ccc", ""]),
        ("large_string", pa.large_string(), ["a", None, "ccc", ""]),
        ("string_view", pa.string_view(), ["a", None, "c" * 50]),
        ("binary", pa.binary(), [b"a", None]),
        ("fixed binary", pa.binary(2), [b"ab", None]),
        ("list", pa.list_(pa.int8()), [[1], None, [], [2, None]]),
        ("large_list", pa.large_list(pa.int8()), [[1], None, [], [2, None]]),
        ("fixed list", pa.list_(pa.int8(), 2), [[1, 2], None, [3, 4]]),
        (
            "struct",
            pa.struct([("a", pa.int8()), ("b", pa.string())]),
            [{"a": 1, "b": "x"}, None, {"a": None, "b": "z"}],
        ),
        ("map", pa.map_(pa.string(), pa.int8()), [[("a", 1)], None, [("b", 2), ("c", None)], []]),
        ("decimal", pa.decimal128(10, 2), [decimal.Decimal("1.50"), None]),
        ("timestamp", pa.timestamp("us", "UTC"), [moment, None]),
        ("timestamp s", pa.timestamp("s"), [moment, None]),
        ("date", pa.date32(), [moment.date(), None]),
        ("null", pa.null(), [None, None]),
        ("nested", pa.list_(pa.struct([("a", pa.list_(pa.int8()))])), [[{"a": [1]}], None]),
    ]:
        yield name, pa.array(values, kind)
    yield "dictionary", pa.array(["a", "b", None, "a"]).dictionary_encode()


def arrow():
    """Give values of pyarrow."""
    pa = needed("pyarrow")
    for name, array in arrow_arrays():
        yield name, array
        yield f"{name} chunks", pa.chunked_array([array[:1], array[1:]])
        yield f"{name} table", pa.table({"x": array})
        yield f"{name} batch", pa.record_batch({"x": array})
        yield f"{name} scalar", array[0]
        yield f"{name} type", array.type
    field = pa.field("a", pa.int8(), nullable=False, metadata={"k": "v"})
    codes, numbers, texts = pa.array([0, 1, 0], pa.int8()), pa.array([1, 2, 3]), pa.array(["a", "b", "c"])
    yield from [
        ("missing scalar", pa.scalar(None, pa.int8())),
        ("no chunks", pa.chunked_array([], pa.int8())),
        ("buffer", pa.py_buffer(b"abc")),
        ("field", field),
        ("schema", pa.schema([field], {"a": "b"})),
        ("schema without metadata", pa.schema([field])),
        ("empty table", pa.table({})),
        ("empty array", pa.array([], pa.string())),
        ("empty batch", pa.record_batch({"x": pa.array([], pa.int8())})),
        ("runs", pa.RunEndEncodedArray.from_arrays([2, 5], pa.array(["a", "b"]))),
        ("union", pa.UnionArray.from_sparse(codes, [numbers, texts])),
        ("metadata", pa.table({"x": numbers}).replace_schema_metadata({"k": "v"})),
        (
            "two dictionaries",
            pa.chunked_array([pa.array(["a"]).dictionary_encode(), pa.array(["b"]).dictionary_encode()]),
        ),
    ]


def polars_columns():
    """Give columns of every kind of polars' types, with missing values."""
    pl = needed("polars")
    moment = datetime.datetime(2020, 1, 1)
    for name, kind, values in [
        ("int", pl.Int64, [1, None, 3]),
        ("int8", pl.Int8, [1, None, 3]),
        ("int128", pl.Int128, [1, None]),
        ("float", pl.Float64, [1.5, None, float("nan")]),
        ("bool", pl.Boolean, [True, None]),
        ("string", pl.String, ["a", None, "c"]),
        ("binary", pl.Binary, [b"a", None]),
        ("categories", pl.Categorical, ["a", None, "b"]),
        ("enum", pl.Enum(["a", "b"]), ["a", None, "b"]),
        ("enum of another order", pl.Enum(["b", "a"]), ["a", None, "b"]),
        ("list", pl.List(pl.Int64), [[1], None, [], [2, None]]),
        ("array", pl.Array(pl.Int8, 2), [[1, 2], None, [3, 4]]),
        ("struct", pl.Struct({"a": pl.Int64}), [{"a": 1}, None, {"a": None}]),
        ("decimal", pl.Decimal(10, 2), [decimal.Decimal("1.5"), None]),
        ("datetime", pl.Datetime("us"), [moment, None]),
        ("datetime ms", pl.Datetime("ms"), [moment, None]),
        ("zoned", pl.Datetime("us", "UTC"), [moment.replace(tzinfo=UTC), None]),
        ("date", pl.Date, [moment.date(), None]),
        ("duration", pl.Duration("us"), [datetime.timedelta(1), None]),
        ("time", pl.Time, [datetime.time(1), None]),
        ("object", pl.Object, [(1, 2), None]),
        ("null", pl.Null, [None, None]),
    ]:
        yield name, pl.Series("x", values, dtype=kind)


def polars():
    """Give values of polars."""
    pl = needed("polars")
    for name, column in polars_columns():
        yield name, column
        yield f"{name} frame", pl.DataFrame([pl.Series("a", range(len(column))), column])
    yield "empty", pl.DataFrame()
    yield "no rows", pl.DataFrame({"a": []})


def torch():
    """Give values of torch."""
    torch = needed("torch")
    kinds = [
        "float32",
        "float64",
        "float16",
        "bfloat16",
        "int8",
        "int16",
        "int64",
        "uint8",
        "uint16",
        "bool",
        "complex64",
    ]
    for kind in kinds:
        yield kind, torch.tensor([[1, 0, 1]]).to(getattr(torch, kind))
        yield f"{kind} itself", getattr(torch, kind)
    graded = torch.ones(2, requires_grad=True)
    graded.sum().backward()
    loose = torch.sparse_coo_tensor([[0, 1, 0]], [1.0, 2.0, 3.0], (2,))
    yield from [
        ("parameter", torch.nn.Parameter(torch.ones(2))),
        ("frozen parameter", torch.nn.Parameter(torch.ones(2), requires_grad=False)),
        ("to be differentiated", torch.ones(2, requires_grad=True)),
        ("with gradient", graded),
        ("coo", loose),
        ("coalesced", loose.coalesce()),
        ("csr", torch.eye(2).to_sparse_csr()),
        ("csc", torch.eye(2).to_sparse_csc()),
        ("0-d", torch.tensor(3)),
        ("empty", torch.empty(0, 3)),
        ("conjugate", torch.tensor([1 + 2j]).conj()),
        ("size", torch.Size([1])),
        ("device", torch.device("cpu")),
    ]


def scipy():
    """Give values of scipy."""
    np, sp = needed("numpy", "scipy.sparse")
    for kind in ("csr", "csc", "bsr", "coo", "dia", "dok", "lil"):
        for face in ("array", "matrix"):
            yield f"{kind} {face}", getattr(sp, f"{kind}_{face}")(np.array([[1.0, 0, 2], [0, 0, 0], [0, 3, 0]]))
    yield "duplicates", sp.coo_array(([1, 2, 0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    yield "no duplicates", sp.coo_array(([3, 0], ([0, 1], [1, 0])), shape=(2, 2))
    for width in ("i4", "i8"):
        parts = (np.array([1.0]), np.array([0], width), np.array([0, 1], width))
        made = sp.csr_array(parts, shape=(1, 1))
        made.indices, made.indptr = parts[1:]
        yield f"places of {width}", made


def xarray():
    """Give values of xarray."""
    np, pd, xr = needed("numpy", "pandas", "xarray")
    times = ("x", pd.date_range("2020", periods=2))
    one = xr.DataArray(np.arange(6.0).reshape(2, 3), dims=("x", "y"), name="v", attrs={"u": "m"})
    array = one.assign_coords(x=[10, 20], t=times, s=1)
    data = xr.Dataset({"a": array, "b": ("y", ["p", "q", "r"])}, attrs={"q": 1})
    yield from [
        ("array", array),
        ("without coordinates", one),
        ("renamed", one.rename("w")),
        ("other attributes", one.assign_attrs(u="s")),
        ("transposed", one.T),
        ("data", data),
        ("variable", array.variable),
        ("index variable", array["x"].variable),
        ("stacked", array.stack(z=("x", "y"))),
        ("without index", array.drop_indexes("x")),
        ("text index", xr.DataArray([1, 2], coords={"k": ["a", "b"]}, dims="k")),
        ("0-d", xr.DataArray(3.0)),
        ("empty", xr.Dataset()),
    ]


def networkx():
    """Give values of networkx."""
    nx = needed("networkx")
    for cls in (nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph):
        graph = cls(name="g")
        graph.add_node("n", w=1)
        graph.add_edge(1, 2, weight=2.5)
        graph.add_edge(2, "n")
        graph.add_edge(1, 1)
        yield cls.__name__, graph
        yield (
            f"{cls.__name__} with one more edge",
            cls([*graph.edges, (5, 6)] if not graph.is_multigraph() else [(5, 6)]),
        )
        yield f"empty {cls.__name__}", cls()
    other = nx.Graph(name="g")
    other.add_edge(1, 2, weight=2.0)
    yield "other weight", other


def pil():
    """Give values of PIL."""
    image = needed("PIL.Image")
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I", "F", "I;16", "LA", "HSV", "YCbCr", "LAB"):
        yield mode, image.new(mode, (3, 2))
    palette = image.new("P", (2, 2))
    palette.putpalette([1, 2, 3, 4, 5, 6])
    noted = palette.copy()
    noted.info["transparency"] = 1
    alpha = image.new("P", (2, 2))
    alpha.putpalette([1, 2, 3, 4] * 3, "RGBA")
    dotted = image.new("L", (3, 2))
    dotted.putpixel((1, 1), 9)
    yield from [("palette", palette), ("information", noted), ("alpha", alpha), ("pixel", dotted)]
    yield "no pixels", image.new("L", (0, 3))


def numpy():
    """Give values of numpy that other tests do not."""
    np = needed("numpy")
    yield "masked", np.ma.array([1, 2], mask=[0, 1])
    yield "long double", np.longdouble(1) / 3
    yield "long doubles", np.array([1, 2], "g")
    yield "half", np.array([1, 2], "f2")
    yield "0-d", np.array(1)
    yield "times", np.array(["2020-01-01", "NaT"], "M8[s]")
    yield "times of another unit", np.array(["2020-01-01", "NaT"], "M8[ms]")
    yield "objects", np.array([1, "a", None], dtype=object)
    yield "record", np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    if hasattr(np, "dtypes") and hasattr(np.dtypes, "StringDType"):
        yield "texts", np.array(["a", "bb"], dtype=np.dtypes.StringDType())


def pandas():
    """Give values of pandas whose strings and numbers may be Arrow's."""
    pd = needed("pandas")
    yield "text", pd.Series(["a", None])
    yield "string", pd.Series(["a", None], dtype="string")
    yield "python string", pd.Series(["a", None, "b"], dtype=pd.StringDtype("python"))
    yield "frame of text", pd.DataFrame({"a": ["x"]}, index=["q"])
    yield "categories", pd.Series(["a", "b"], dtype="category")
    if have("pyarrow"):
        yield "arrow string", pd.Series(["a", "b"], dtype=pd.StringDtype("pyarrow"))
        yield "arrow numbers", pd.Series([1, None], dtype="int64[pyarrow]")


VALUES = {
    "numpy": numpy,
    "pandas": pandas,
    "pyarrow": arrow,
    "polars": polars,
    "torch": torch,
    "scipy": scipy,
    "xarray": xarray,
    "networkx": networkx,
    "PIL": pil,
}
