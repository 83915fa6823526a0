"""Values of other packages by content: layouts do not show, edits do, and every process agrees."""

import copy
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from fleche.digest import digest
from fleche.errors import Indigestible
from tests.digest.many_edits import edited, walk
from tests.library_values import VALUES, arrow_arrays, needed, polars_columns

pytestmark = [pytest.mark.portable, pytest.mark.filterwarnings("ignore:.*(beta state|matrix subclass|Sparse)")]

ROOT = Path(__file__).parents[2]


def one(*values):
    """Assert that values have one digest."""
    assert len({digest(value) for value in values}) == 1, values


def several(*values):
    """Assert that no two values have one digest."""
    digests = [digest(value) for value in values]
    for at, each in enumerate(digests):
        assert digests.index(each) == at, (values[at], values[digests.index(each)])


def all_digests():
    """Return the digests of all values of the packages that are installed."""
    found = {}
    for package, values in VALUES.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found |= {f"{package} {name}": str(digest(value)) for name, value in values()}
        except pytest.skip.Exception:
            continue
    return found


@pytest.mark.parametrize("package", VALUES)
def test_different_values_differ(package):
    """No two values of a package's catalogue share a digest, and a copy has the digest of what it copies."""
    known = {}
    for name, value in VALUES[package]():
        known.setdefault(digest(value), []).append(name)
        if package not in ("torch", "PIL") and "buffer" not in name:  # whose copies have more palette
            one(value, copy.deepcopy(value))
    twice = [names for names in known.values() if len({name.removesuffix(" type") for name in names}) > 1]
    assert twice == []


def test_processes_agree():
    """Processes under other hash seeds find the same digests."""
    here = all_digests()
    command = [sys.executable, "-W", "ignore", "-c", _PRINT]
    for seed in ("0", "7"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert dict(line.rsplit("\t", 1) for line in done.stdout.splitlines()) == here


_PRINT = """
from tests.digest.test_library_types import all_digests
for name, found in all_digests().items():
    print(name, found, sep="\\t")
"""


def test_edits_show_in_every_process():
    """Each of 2,000 random values differs from itself with one edit, and the digests are those of another process."""
    from tests.digest.many_edits import under

    here = walk(2_000)
    assert (here["edits"], here["unseen"]) == (2_000, 0)
    assert under(3, 2_000) == here
    assert next(edited(5)) is not None


class TestArrow:
    """Chunks, offsets, and what lies where nothing is do not show."""

    def test_slices_and_chunks_do_not_show(self):
        """A part of a larger array, and any way of cutting into chunks, is the same value."""
        pa = needed("pyarrow")
        for name, array in arrow_arrays():
            size = len(array)
            part = pa.concat_arrays([array, array, array])[size : 2 * size]
            assert part.equals(array) or name == "float", name  # NaN
            one(array, part)
            cuts = [[array], [array[:1], array[1:]], [part[:1], part[1:1], part[1:]]]
            one(*map(pa.chunked_array, cuts))
            one(*(pa.table({"x": pa.chunked_array(chunks)}) for chunks in cuts))
            several(array, array[:1], array[:0], pa.chunked_array([array]), array.to_pylist())

    def test_what_lies_under_missing_values_does_not_show(self):
        """Neither do the bits that pad the bitmap, nor children of a union that are not chosen."""
        np, pa = needed("numpy", "pyarrow")
        for bits in (b"\x05", b"\xfd"):
            held = [pa.py_buffer(bits), pa.py_buffer(np.array([1, 7, 3]))]
            one(pa.Array.from_buffers(pa.int64(), 3, held), pa.array([1, None, 3]))
            held = [pa.py_buffer(bits), pa.py_buffer(np.array([0, 1, 3, 4], "i4")), pa.py_buffer(b"aZZc")]
            one(pa.Array.from_buffers(pa.string(), 3, held), pa.array(["a", None, "c"]))
        codes = pa.array([0, 1, 0], pa.int8())
        unions = [([1, 2, 3], ["a", "b", "c"]), ([1, 9, 3], ["z", "b", "q"])]
        made = [pa.UnionArray.from_sparse(codes, [pa.array(n), pa.array(t)]) for n, t in unions]
        one(*made, pa.concat_arrays(made)[3:])

    def test_what_shows(self):
        """Nullability, metadata, order of columns, dictionaries and kinds of types are part of the value."""
        pa = needed("pyarrow")
        table = pa.table({"a": [1], "b": ["x"]})
        loose = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string())])
        several(
            table,
            table.select(["b", "a"]),
            table.rename_columns(["a", "c"]),
            table.cast(loose),
            table.replace_schema_metadata({"k": "v"}),
            pa.DictionaryArray.from_arrays([0, 1], ["a", "b"]),
            pa.DictionaryArray.from_arrays([1, 0], ["b", "a"]),
            pa.DictionaryArray.from_arrays([0, 1], ["a", "b", "c"]),
            pa.DictionaryArray.from_arrays([0, 1], ["a", "b"], ordered=True),
            pa.array(["a", "b"]),
        )


class TestPolars:
    """Chunks, flags and the codes of categories do not show."""

    def test_chunks_do_not_show(self):
        """A column in one piece or in two is one value."""
        pl = needed("polars")
        for name, column in polars_columns():
            if name == "object":  # which polars does not join
                continue
            two = pl.concat([column[:1], column[1:]], rechunk=False)
            one(column, two, column.clone())
            one(column.to_frame(), two.to_frame())
            several(column, column.rename("y"), column[:1], column.to_frame(), column.to_list())

    def test_flags_and_codes_do_not_show(self):
        """That a column is known to be sorted, and the numbers that stand for categories, are not part of the value."""
        pl = needed("polars")
        one(pl.Series([1, 2]), pl.Series([1, 2]).set_sorted())
        first = pl.Series(["p", "q"], dtype=pl.Categorical)
        one(first, pl.Series(["q", "p", "q"], dtype=pl.Categorical)[1:])

    def test_a_plan_is_refused(self):
        """A lazy frame has not read what it will read."""
        pl = needed("polars")
        with pytest.raises(Indigestible, match=r"\.collect\(\)"):
            digest(pl.LazyFrame({"a": [1]}))


class TestTorch:
    """Strides and memory formats do not show."""

    def test_layouts_do_not_show(self):
        """A view, a transposed and a conjugated tensor are what they look like."""
        torch = needed("torch")
        tensor = torch.arange(12.0).reshape(3, 4)
        one(tensor.T, tensor.T.contiguous(), tensor.T.clone())
        one(tensor[1:], tensor[1:].clone())
        image = torch.ones(1, 3, 4, 4)
        one(image, image.to(memory_format=torch.channels_last))
        one(torch.tensor([1 - 2j]), torch.tensor([1 + 2j]).conj())

    def test_what_is_more_than_elements_is_refused(self):
        """A tensor that remembers how it was made, has hooks or has no elements is refused with the way out."""
        torch = needed("torch")
        hooked = torch.ones(2, requires_grad=True)
        hooked.register_hook(lambda grad: grad)
        for tensor in (torch.ones(2, requires_grad=True) * 2, hooked, torch.empty(2, device="meta")):
            with pytest.raises(Indigestible, match="Pass"):
                digest(tensor)

    def test_modules_are_their_state(self):
        """Two modules with equal parameters are one value; a parameter, a mode or the structure makes another."""
        torch = needed("torch")
        made = []
        for _ in range(2):
            torch.manual_seed(0)
            made.append(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()))
        one(*made)
        several(made[0], copy.deepcopy(made[0]).eval(), torch.nn.Sequential(made[0][0]), made[0].state_dict())
        with torch.no_grad():
            made[1][0].weight[0, 0] += 1
        several(*made)


class TestScience:
    """What is cached, encoded or reserved does not show."""

    def test_sparse_matrices(self):
        """What scipy has found out about a matrix, room to grow, and the order of a dict do not show; duplicates do."""
        np, sp = needed("numpy", "scipy.sparse")
        first = sp.csr_matrix(np.eye(3))
        second = first.copy()
        assert second.has_sorted_indices
        assert second.has_canonical_format
        one(first, second)
        ends = np.array([0, 1, 2, 3])
        one(*(sp.csr_array((np.arange(n) * 1.0, np.arange(n) % 3, ends), shape=(3, 3)) for n in (3, 10)))
        forward, backward = sp.dok_array((3, 3)), sp.dok_array((3, 3))
        for made, places in ((forward, [(0, 1), (1, 0)]), (backward, [(1, 0), (0, 1)])):
            for place in places:
                made[place] = 1.0
        one(forward, backward)
        several(
            sp.coo_array(([1, 2], ([0, 0], [1, 1])), shape=(2, 2)),
            sp.coo_array(([2, 1], ([0, 0], [1, 1])), shape=(2, 2)),
            sp.coo_array(([3], ([0], [1])), shape=(2, 2)),
            sp.coo_array(([3, 0], ([0, 1], [1, 1])), shape=(2, 2)),
        )

    def test_labelled_arrays(self):
        """How xarray writes a file, and the order of variables, do not show; indexes do."""
        xr = needed("xarray")
        array, encoded = xr.DataArray([1, 2], dims="x"), xr.DataArray([1, 2], dims="x")
        encoded.encoding["dtype"] = "i2"
        one(array, encoded)
        data = xr.Dataset({"a": array, "b": array})
        one(data, xr.Dataset({"b": array, "a": array}))
        placed = data.assign_coords(x=[1, 2])
        several(data, placed, placed.drop_indexes("x"), data.assign_attrs(q=1), data.rename(a="c"), data["a"])

    def test_graphs(self):
        """What networkx has cached, and whether a graph is a view, do not show; the order of nodes and edges does."""
        nx = needed("networkx")
        graph, used = nx.path_graph(3), nx.path_graph(3)
        assert (len(used.edges), len(used.nodes), len(used.adj)) == (2, 3, 3)
        one(graph, used, graph.copy(), nx.Graph(graph))
        one(graph.subgraph([0, 1]), graph.subgraph([0, 1]).copy())
        turned = nx.Graph([(2, 1), (1, 0)])
        several(graph, turned, nx.path_graph(4), nx.DiGraph(graph), nx.MultiGraph(graph))

    def test_images(self, tmp_path):
        """An image is its pixels, wherever they were cut from; one opened from a file is of another type."""
        image = needed("PIL.Image")
        plain = image.new("RGB", (4, 4))
        one(plain, image.new("RGB", (8, 8)).crop((0, 0, 4, 4)))
        for name in ("a.png", "b.png"):
            plain.save(tmp_path / name)
        with image.open(tmp_path / "a.png") as first, image.open(tmp_path / "b.png") as second:
            one(first, second)
            several(first, plain)
            one(first.copy(), plain)


class TestRecords:
    """Records of other packages are their class and fields."""

    def test_attrs(self):
        """A cached hash does not show; fields and classes do."""
        attrs = needed("attrs")
        cls = attrs.make_class("A", ["x"], frozen=True, cache_hash=True)
        used = cls(1)
        hash(used)
        one(used, cls(1))
        several(cls(1), cls(2), attrs.make_class("B", ["x"])(1))

    def test_pydantic(self):
        """Fields, extra fields, private attributes, and which fields were set show."""
        pydantic = needed("pydantic")

        class Model(pydantic.BaseModel):
            model_config = {"extra": "allow"}
            x: int
            y: int = 0
            _private: int = pydantic.PrivateAttr(1)

        private = Model(x=1)
        private._private = 2
        one(Model(x=1), Model(x=1))
        several(Model(x=1), Model(x=1, y=0), Model(x=1, z=3), private)

    def test_msgspec(self):
        """Fields and classes show."""
        msgspec = needed("msgspec")
        first, second = msgspec.defstruct("S", ["x"]), msgspec.defstruct("K", ["x"], kw_only=True)
        one(first(1), first(1))
        one(second(x=1), second(x=1))
        several(first(1), first(2), second(x=1))
