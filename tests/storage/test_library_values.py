"""Values of other packages come back by both loaders, and hostile bytes build nothing else."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from fleche.digest import digest
from fleche.errors import UntrustedError
from fleche.storage.envelope import Envelope
from fleche.storage.loader import TRUSTED
from fleche.storage.pickling import Serializer, dump
from fleche.storage.safe_loader import SAFE
from fleche.storage.safe_types import SafeTypes, version
from tests.library_values import VALUES, needed

pytestmark = pytest.mark.filterwarnings("ignore:.*(beta state|matrix subclass|Sparse)")

ROOT = Path(__file__).parents[2]
REBUILD = [(module, name) for module, name in sorted(SafeTypes().names) if module.startswith("fleche.storage.rebuild")]


@pytest.mark.parametrize("loader", [TRUSTED, SAFE], ids=["trusted", "safe"])
@pytest.mark.parametrize("package", VALUES)
def test_values_come_back(package, loader):
    """Each value comes back with its type and digest, by both loaders, and is never pickled by value."""
    for name, value in VALUES[package]():
        envelope = Envelope.parse(Envelope.pack([value]).to_bytes(), place=name)
        assert envelope.serializer is Serializer.PICKLE, name
        (loaded,) = envelope.load(loader)
        assert type(loaded) is type(value), name
        assert digest(loaded) == digest(value), name


def test_an_index_comes_back():
    """Arrays with labels are equal to what was stored, indexes and all."""
    xr = needed("xarray")
    for name, value in VALUES["xarray"]():
        loaded = Envelope.parse(Envelope.pack(value).to_bytes(), place="x").load(SAFE)
        assert loaded.identical(value) if hasattr(value, "identical") else loaded.equals(value), name
        if isinstance(value, xr.Dataset | xr.DataArray):
            assert list(loaded.xindexes) == list(value.xindexes), name


def test_a_big_tensor_or_table_is_a_buffer():
    """Big content lies outside of the stream."""
    np, pa = needed("numpy", "pyarrow")
    assert len(dump(pa.table({"a": np.arange(100_000)}))[1]) < 1_000


def stream(function, args):
    """Return a stream that calls a function with arguments."""
    return pickle.dumps(_Call(function, args), 5)


class _Call:
    def __init__(self, function, args):
        self._made = function, args

    def __reduce__(self):
        return self._made


JUNK = [
    None, 0, -1, 2**70, 1.5, "", "Table", "Array", "Tensor", "strided", "csr_array", "Graph", "RGB", "P", "Series",
    "DataFrame", "os.system", "__class__", b"", b"x" * 100, (), (1,), (-1, 2), (2**62, 2**62), [], [None], {},
    {"device": "cpu", "requires_grad": True, "grad": None, "attributes": {}, "coalesced": True}, {1: {2: {}}}, {0: []},
]  # fmt: skip


@pytest.mark.parametrize(("module", "name"), REBUILD)
def test_hostile_arguments_end_in_an_error(module, name, tmp_path, monkeypatch):
    """A function of ours with arguments of any kind builds a value or raises; it never runs, reads or writes."""
    monkeypatch.chdir(tmp_path)
    function = getattr(__import__(module, fromlist=["x"]), name)
    rng = random.Random(name)
    count = function.__code__.co_argcount
    built = 0
    for _ in range(400):
        args = tuple(rng.choice(JUNK) for _ in range(count))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                SAFE.load(stream(function, args), (), Serializer.PICKLE)
                built += 1
            except UntrustedError:
                raise
            except Exception:
                continue
    assert not list(tmp_path.iterdir())
    assert built < 400


@pytest.mark.parametrize("package", ["pyarrow", "polars", "torch", "scipy", "xarray", "networkx", "PIL"])
def test_what_was_checked_is_not_changed(package):
    """A value that was checked when it was built takes no new state, attributes or items."""
    _, value = next(iter(VALUES[package]()))
    serializer, body, buffers = dump(value)
    assert serializer is Serializer.PICKLE
    for change in (b"}X\x01\0\0\0xK\x01sb.", b"N}X\x01\0\0\0xK\x01s\x86b.", b"K\x01K\x02s.", b"K\x01a."):
        with pytest.raises(UntrustedError, match="a change of"):
            SAFE.load(body[:-1] + change, buffers, Serializer.PICKLE)


def test_no_item_is_put_into_an_array():
    """The content of an array, which may have been checked already, is not changed by the stream."""
    np = needed("numpy")
    body = pickle.dumps(np.arange(3), 5)
    with pytest.raises(UntrustedError, match="change of a ndarray"):
        SAFE.load(body[:-1] + b"K\x00K\x07s.", (), Serializer.PICKLE)


def test_places_of_a_sparse_matrix_lie_inside():
    """A matrix whose indices point outside is refused, in every format."""
    np, _ = needed("numpy", "scipy.sparse")
    from fleche.storage.rebuild.science import sparse

    data, far = np.ones(1), np.array([10**6])
    for name, places in [
        ("csr_array", (far, np.array([0, 1]))),
        ("csr_array", (np.array([0]), np.array([0, 10**6]))),
        ("csc_matrix", (far, np.array([0, 1]))),
        ("coo_array", (far, far)),
        ("lil_matrix", (far, far)),
        ("dok_array", (far, far)),
    ]:
        with pytest.raises(ValueError, match=r".+"):
            sparse(name, (1, 1), data, places)


def test_types_that_run_code_are_refused():
    """The type of Arrow's that old versions unpickle is refused by its name."""
    needed("pyarrow")
    from fleche.storage.rebuild.arrow import build

    with pytest.raises(ValueError, match="runs code"):
        build("Schema", b"....arrow.py_extension_type....")


FLIP = """
import random, sys, warnings
warnings.simplefilter("ignore")
from fleche.digest import digest
from fleche.storage.pickling import Serializer, dump
from fleche.storage.safe_loader import SAFE
from tests.library_values import VALUES
rng = random.Random(1)
built = refused = 0
values = list(VALUES[sys.argv[1]]())
for step in range(int(sys.argv[2])):
    name, value = values[step % len(values)]
    _, body, buffers = dump(value)
    parts = [bytearray(body), *map(bytearray, buffers)]
    part = rng.choice([each for each in parts if each])
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(part))
        part[at] = rng.choice((0, 1, 127, 128, 255, part[at] ^ 1 << rng.randrange(8)))
    try:
        made = SAFE.load(bytes(parts[0]), parts[1:], Serializer.PICKLE)
        repr(made), digest(made)
        built += 1
    except BaseException:  # polars shows dates that are none by a panic, which is no Exception
        refused += 1
print(built, refused)
"""


@pytest.mark.parametrize("package", VALUES)
def test_flipped_bytes_do_not_crash(package):
    """Streams with bytes changed at random are read, shown and digested, or refused; the interpreter lives on."""
    needed({"PIL": "PIL.Image", "scipy": "scipy.sparse"}.get(package, package))
    command = [sys.executable, "-c", FLIP, package, "400"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    built, refused = map(int, done.stdout.split())
    assert built + refused == 400
    assert refused


def test_a_tensor_has_the_elements_of_its_shape():
    """Memory that nobody has written is not shown, and neither are dtypes that are more than bytes."""
    np, _ = needed("numpy", "torch")
    from fleche.storage.rebuild.tensors import build

    state = {"device": "cpu", "requires_grad": False, "grad": None, "attributes": {}, "coalesced": False}
    none, some = np.zeros(0, "u1"), np.full(8, 7, "u1")
    assert build("Tensor", "strided", (0, 3), ("float32", none), state).shape == (0, 3)
    assert build("Tensor", "strided", (8,), ("bool", some), state).sum() == 8
    wrong = [((4,), ("float32", none)), ((2,), ("quint8", some)), ((9,), ("float32", some)), ((1,), ("nn", some))]
    for shape, parts in wrong:
        with pytest.raises((ValueError, TypeError, RuntimeError)):
            build("Tensor", "strided", shape, parts, state)


def test_an_alias_is_not_built():
    """A generic alias, which hands out the attributes of what it holds, is not on the list."""
    with pytest.raises(UntrustedError, match="GenericAlias"):
        SAFE.load(pickle.dumps(list[int], 5), (), Serializer.PICKLE)


def test_the_list_has_a_version():
    """The list is data with a version, and is read when it is needed."""
    assert version() == 3
    code = "import sys, fleche; assert 'fleche.storage.safe_loader' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
