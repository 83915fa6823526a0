"""numpy by content: what shows counts, how it lies in memory does not."""

import copy
import pickle
import subprocess
import sys

import pytest

from fleche.digest import Indigestible, digest

np = pytest.importorskip("numpy")
hypothesis_numpy = pytest.importorskip("hypothesis.extra.numpy")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

pytestmark = [pytest.mark.portable, pytest.mark.filterwarnings("ignore:the matrix subclass")]

dtypes = st.one_of(
    hypothesis_numpy.boolean_dtypes(),
    hypothesis_numpy.integer_dtypes(),
    hypothesis_numpy.floating_dtypes(),
    hypothesis_numpy.complex_number_dtypes(),
    hypothesis_numpy.datetime64_dtypes(),
    hypothesis_numpy.unicode_string_dtypes(max_len=3),
    hypothesis_numpy.array_dtypes(hypothesis_numpy.integer_dtypes() | hypothesis_numpy.boolean_dtypes(), max_size=3),
)
arrays = hypothesis_numpy.arrays(dtypes, hypothesis_numpy.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))


def spread(array):
    """Return an equal array that is neither C nor Fortran contiguous."""
    wide = np.zeros([2 * side + 1 for side in array.shape], array.dtype)
    view = wide[tuple(slice(0, 2 * side, 2) for side in array.shape)]
    view[...] = array
    return view


@settings(max_examples=300, deadline=None)
@given(arrays)
def test_layout_does_not_show(array):
    """Copies, Fortran order, strides, negative strides and read-only arrays are one value."""
    expected = digest(array)
    locked = array.copy()
    locked.flags.writeable = False
    backwards = array[(slice(None, None, -1),) * array.ndim].copy()[(slice(None, None, -1),) * array.ndim]
    same = [np.asfortranarray(array), spread(array), locked, backwards, pickle.loads(pickle.dumps(array))]
    for other in same:
        if other.dtype.str == array.dtype.str:  # pickle loses the byte order of empty arrays
            assert digest(other) == expected


@settings(max_examples=300, deadline=None)
@given(arrays, st.data())
def test_every_element_counts(array, data):
    """Changing the bytes of one element changes the digest; so does another shape or dtype."""
    plain = array.dtype.names is None and array.dtype.char not in "gG"
    if array.size and array.dtype.itemsize and plain and array.dtype.kind not in "bU":
        changed = array.copy()
        raw = changed.reshape(-1).view("u1")
        raw[data.draw(st.integers(0, raw.size - 1))] ^= 1
        assert digest(changed) != digest(array)
    assert digest(array.reshape(*array.shape, 1)) != digest(array)
    assert digest(array.tolist()) != digest(array)


def test_large_arrays_of_any_layout():
    """More than one chunk, in every order."""
    array = np.arange(3 * 200_001, dtype="i4").reshape(3, 200_001)
    expected = digest(array)
    assert digest(np.asfortranarray(array)) == digest(spread(array)) == expected
    assert digest(array.T) == digest(array.T.copy()) != expected
    changed = np.asfortranarray(array)
    changed[1, 100_000] += 1
    assert digest(changed) != expected


def test_confusable_arrays_differ():
    """Dtype, byte order, shape, kind of container and kind of missing value count."""
    values = [
        np.array([1, 2], "i4"),
        np.array([1, 2], "i8"),
        np.array([1, 2], "u4"),
        np.array([1, 2], ">i4"),
        np.array([1, 2], "f4"),
        np.array([[1, 2]], "i4"),
        np.array([[1], [2]], "i4"),
        np.array([2, 1], "i4"),
        np.array([1, 2], object),
        np.array([1, 2.0], object),
        np.array([True, False]),
        np.array([1, 0], "i1"),
        np.array(["a", "b"]),
        np.array(["a", "b"], "U2"),
        np.array([b"a", b"b"]),
        np.array(["a", "b"], object),
        np.array(["2026"], "M8[Y]"),
        np.array(["2026"], "M8[D]"),
        np.array([56], "i8").view("m8[Y]"),
        np.array(["NaT"], "M8[D]"),
        np.zeros(0),
        np.zeros((0, 1)),
        np.zeros((1, 0)),
        np.zeros(()),
        np.zeros(1),
        -np.zeros(1),
        np.float64(0),
        np.zeros(1, [("a", "i4")]),
        np.zeros(1, [("b", "i4")]),
        np.zeros(1, [("a", "i4"), ("b", "i4")]),
        np.zeros(1, np.dtype([("a", "i1"), ("b", "i4")])),
        np.zeros(1, np.dtype([("a", "i1"), ("b", "i4")], align=True)),
        np.ma.array([1, 2]),
        np.ma.array([1, 2], mask=[0, 1]),
        np.ma.array([1, 2], fill_value=3),
        np.matrix([1, 2]),
        np.rec.array([(1,)], [("a", "i4")]),
        np.array([(1,)], [("a", "i4")]),
        np.int8(1),
        np.int16(1),
        np.int32(1),
        np.int64(1),
        np.uint8(1),
        np.float16(1),
        np.float32(1),
        np.float64(1),
        np.longdouble(1),
        np.complex64(1),
        np.complex128(1),
        np.bool_(True),
        1,
        1.0,
        True,
        1 + 0j,
        np.str_("a"),
        "a",
        np.bytes_(b"a"),
        b"a",
        np.datetime64("2026"),
        np.datetime64("2026-01-01"),
        np.datetime64("NaT", "D"),
        np.timedelta64("NaT", "s"),
        np.timedelta64(1, "s"),
        np.timedelta64(1000, "ms"),
        np.array(1),
        np.array(1.0),
        np.dtype("i4"),
        np.dtype(">i4"),
        np.dtype("i8"),
        np.dtype([("a", "i4")]),
        "<i4",
        np.add,
        np.subtract,
        np.random.RandomState(1),
        np.random.RandomState(2),
        np.random.default_rng(1),
        np.random.default_rng(2),
        np.arange(2000),
        np.where(np.arange(2000) == 1000, -1, np.arange(2000)),
        np.poly1d([1, 2]),
        np.poly1d([2, 1]),
    ]
    digests = [digest(value) for value in values]
    for at, one in enumerate(digests):
        assert digests.index(one) == at, (values[at], values[digests.index(one)])


def test_what_lies_between_fields_does_not_count():
    """The padding of structured arrays and of long doubles is nobody's."""
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    clean = np.zeros(3, kind)
    dirty = np.full(3 * kind.itemsize, 255, "u1").view(kind)
    dirty["a"], dirty["b"] = 0, 0
    assert digest(clean) == digest(dirty)
    assert digest(clean[0]) == digest(dirty[0])
    long = np.array([1.5, 2.5], "g")
    noisy = long.copy()
    if np.finfo("g").nmant == 63:
        noisy.view("u1").reshape(2, -1)[:, 10:] = 255
    assert digest(long) == digest(noisy)
    assert digest(long[0]) == digest(noisy[0])


def test_nan_payloads_count_in_arrays_only():
    """In scalars every NaN is one; in arrays the bits count."""
    odd = np.array([0x7FF8000000000001], "u8").view("f8")
    assert digest(odd) != digest(np.array([np.nan]))
    assert digest(odd[0]) == digest(np.float64("nan")) == digest(-np.float64("nan"))
    assert digest(np.complex128(complex(odd[0], 1))) == digest(np.complex128(complex(np.nan, 1)))
    assert digest(np.complex128(complex(odd[0], 1))) != digest(np.complex128(complex(1, np.nan)))


def test_arrays_of_objects_are_read_through():
    """Elements count by value, in C order; what cannot be digested is named."""
    one = np.array([[1, [2]], ["a", None]], object)
    assert digest(one) == digest(np.asfortranarray(copy.deepcopy(one)))
    loop = np.empty(1, object)
    loop[0] = loop
    assert digest(loop) == digest(loop)
    one[1, 1] = object()
    with pytest.raises(Indigestible) as caught:
        digest(one, name="x")
    assert caught.value.path == "x.flat[3]"
    assert digest(np.zeros(1, [("a", object)])) != digest(np.ones(1, [("a", object)]))


def test_subclasses_are_their_own_type(tmp_path):
    """A memory map is a memory map, wherever its file lies."""
    array = np.arange(4)
    maps = []
    for name in ("a", "b"):
        maps.append(np.memmap(tmp_path / name, array.dtype, "w+", shape=4))
        maps[-1][:] = array
    assert digest(maps[0]) == digest(maps[1]) != digest(array)

    class Tagged(np.ndarray):
        pass

    tagged = array.view(Tagged)
    assert digest(tagged) != digest(array)
    tagged.unit = "m"
    assert digest(tagged) != digest(array.view(Tagged))


def test_string_dtype():
    """Arrays of variable strings count by content, dtype and missing value."""
    if not hasattr(np, "dtypes") or not hasattr(np.dtypes, "StringDType"):
        pytest.skip("numpy 1 has no StringDType")
    kind = np.dtypes.StringDType()
    assert digest(np.array(["a", "bb"], kind)) == digest(np.array(["a", "x", "bb"], kind)[::2])
    assert digest(np.array(["a"], kind)) != digest(np.array(["a"]))
    missing = np.array(["a"], np.dtypes.StringDType(na_object=None))
    assert digest(missing) != digest(np.array(["a"], kind))


def test_numpy_is_not_imported_by_us():
    """Digesting plain values imports no numpy and no pandas."""
    script = (
        "import sys, fleche.digest; fleche.digest.digest([1, {'a': len}]);"
        "print([m for m in ('numpy', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
