"""Arrays and tables come back in their form, are writable, and are never copied on the way into a file."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleche.errors import DamagedError
from fleche.storage.envelope import Envelope
from fleche.storage.loader import TRUSTED
from fleche.storage.pickling import INLINE
from fleche.storage.safe_loader import SAFE

np = pytest.importorskip("numpy")

LOADERS = pytest.mark.parametrize("loader", [TRUSTED, SAFE], ids=["trusted", "safe"])
ARRAYS = {
    "C": np.arange(24.0).reshape(2, 3, 4),
    "F": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big": np.arange(10_000),
    "big F": np.asfortranarray(np.arange(10_000.0).reshape(100, 100)),
    "strided": np.arange(100)[::3],
    "0-d": np.array(3.5),
    "empty": np.zeros((0, 3)),
    "object": np.array([1, "a", None, [2]], dtype=object),
    "bool": np.array([True, False]),
    "complex": np.array([1j]),
    "half": np.array([1.5], dtype="f2"),
    "text": np.array(["a", "bcd"]),
    "bytes": np.array([b"a", b"bcd"]),
    "void": np.zeros(3, dtype="V5"),
    "structured": np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "aligned": np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "titles": np.zeros(2, dtype=[(("long a", "a"), "i1")]),
    "nested": np.zeros(2, dtype=[("a", [("b", "f4", (2, 2))])]),
    "object fields": np.array([(1, [2])], dtype=[("a", "i4"), ("o", "O")]),
    "big-endian": np.arange(3, dtype=">i4"),
    "big-endian strided": np.arange(6, dtype=">i4")[::2],
    "big-endian 0-d": np.array(5, dtype=">f8"),
    "times": np.array(["2020-01-01", "NaT"], dtype="M8[25s]"),
    "big-endian times": np.array(["2020"], dtype=">M8[ns]"),
    "times F": np.asfortranarray(np.zeros((2, 3), dtype="M8[D]")),
    "empty times": np.zeros((0, 2), dtype=">M8[s]"),
    "spans": np.array([1, 2], dtype="m8[ms]"),
    "metadata": np.zeros(2, dtype=np.dtype("f8", metadata={"unit": "m"})),
    "record": np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "float64": np.float64(1.5),
    "void scalar": np.zeros(2, dtype=[("a", "i4")])[0],
    "datetime64": np.datetime64("2020-01-01T00", "h"),
}


def same(one, other):
    assert type(one) is type(other)
    assert one.dtype == other.dtype
    assert one.dtype.isalignedstruct == other.dtype.isalignedstruct
    assert dict(one.dtype.metadata or {}) == dict(other.dtype.metadata or {})
    assert one.shape == other.shape
    assert one.flags.f_contiguous == other.flags.f_contiguous or not other.flags.forc
    if other.dtype.hasobject:
        assert one.tolist() == other.tolist()
    else:
        assert one.tobytes() == other.tobytes()


@LOADERS
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_in_its_form(name, loader):
    """Type, dtype, byte order, shape, layout and content are restored, by both loaders, and it can be written to."""
    array = ARRAYS[name]
    loaded = Envelope.parse(Envelope.pack(array).to_bytes(), place="x").load(loader)
    same(loaded, array)
    if isinstance(loaded, np.ndarray):
        assert loaded.flags.writeable


@LOADERS
def test_masked_arrays_come_back(loader):
    """Data, mask and fill value are restored."""
    array = np.ma.array([1.0, 2.0], mask=[False, True], fill_value=7.0)
    loaded = Envelope.parse(Envelope.pack(array).to_bytes(), place="x").load(loader)
    assert (loaded.tolist(), loaded.mask.tolist(), loaded.fill_value) == ([1.0, None], [False, True], 7.0)


@settings(deadline=None)
@given(st.data())
def test_any_layout_comes_back(data):
    """An array of any dtype of the catalogue, cut and turned, comes back by both loaders."""
    dtype = data.draw(st.sampled_from(["f8", ">f4", "i1", ">M8[s]", "m8[ns]", "U3", "?", [("a", ">i2"), ("b", "f8")]]))
    shape = data.draw(st.lists(st.integers(0, 4), max_size=3))
    array = np.zeros(shape, dtype=dtype)
    for _ in range(data.draw(st.integers(0, 2)) if shape else 0):
        array = array.T if data.draw(st.booleans()) else array[:: data.draw(st.sampled_from([1, 2, -1]))]
    stored = Envelope.pack(array).to_bytes()
    for loader in (TRUSTED, SAFE):
        same(Envelope.parse(stored, place="x").load(loader), array)


@LOADERS
def test_read_only_stays_so(loader):
    """An array that its call returned read-only comes back read-only, small or big, and only such a one."""
    for array in (np.arange(3), np.arange(10_000), np.zeros(10_000, dtype="M8[s]")):
        array.flags.writeable = False
        loaded = Envelope.parse(Envelope.pack([array]).to_bytes(), place="x").load(loader)[0]
        assert not loaded.flags.writeable
        same(loaded, array)


def test_sharing_is_kept():
    """One array twice in a value is one array twice in what is loaded."""
    array = np.arange(5000)
    first, second = Envelope.pack([array, array]).load(TRUSTED)
    assert first is second


@pytest.mark.parametrize("mapped", [True, False])
def test_a_file_is_not_touched_by_its_values(tmp_path, mapped):
    """Values loaded from a file are writable, apart from each other and from the file, and outlive all."""
    file, arrays = tmp_path / "value", {"a": np.arange(10_000.0), "b": np.asfortranarray(np.ones((100, 100)))}
    Envelope.pack(arrays).write_to(file, sync=False)
    before = file.read_bytes()
    opened = Envelope.open(file, mapped=mapped, verify_buffers=True)
    first = opened.load(TRUSTED)
    first["a"][:] = -1.0
    second = opened.load(SAFE)
    second["b"][:] = -2.0
    same(opened.load(TRUSTED)["a"], arrays["a"])
    same(second["a"], arrays["a"])
    assert second["b"].flags.f_contiguous
    assert file.read_bytes() == before
    del opened
    gc.collect()
    file.unlink()
    assert first["a"].sum() == -10_000.0
    assert second["b"].sum() == -20_000.0
    assert first["a"].ctypes.data % 16 == 0


def test_parts_are_aligned():
    """Each buffer starts at a multiple of 64 bytes, and the parts put together are the envelope."""
    envelope = Envelope.pack([np.arange(n) for n in (600, 601, 1000)])
    assert [start % 64 for start, _ in envelope._header.spans()[1:]] == [0, 0, 0]
    assert sum(map(len, envelope.parts())) == envelope.size == len(envelope.to_bytes())


def test_small_buffers_stay_in_the_stream():
    """Many small arrays are one part; one big array is another."""
    assert Envelope.pack([np.arange(3) for _ in range(100)])._header.parts == 1
    assert Envelope.pack(np.zeros(INLINE, dtype="u1"))._header.parts == 2


def test_a_big_array_is_not_copied(tmp_path):
    """Packing and writing 64 MB takes far less memory than that; so does loading it mapped."""
    arrays = {"f": np.zeros(4_000_000), "t": np.zeros(4_000_000, dtype="M8[ns]")}
    file = tmp_path / "value"
    tracemalloc.start()
    try:
        Envelope.pack(arrays).write_to(file, sync=False)
        loaded = Envelope.open(file, mapped=True, verify_buffers=True).load(TRUSTED)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert loaded["t"].dtype == "M8[ns]"
    assert peak < 1_000_000


def test_a_sealed_envelope_does_not_change():
    """After seal, changes of the value do not reach the envelope."""
    array = np.zeros(10_000)
    sealed = Envelope.pack(array).seal()
    array[:] = 1.0
    assert sealed.load(TRUSTED).sum() == 0.0
    assert sealed.form == Envelope.pack(np.zeros(10_000)).form


def test_damage_in_a_buffer_is_noticed(tmp_path):
    """A flipped bit in a buffer is noticed when buffers are verified; parse always does."""
    stored = bytearray(Envelope.pack(np.zeros(10_000)).to_bytes())
    stored[-1] ^= 1
    with pytest.raises(DamagedError, match="buffer 1"):
        Envelope.parse(stored, place="x")
    file = tmp_path / "value"
    file.write_bytes(stored)
    for mapped in (True, False):
        with pytest.raises(DamagedError, match="buffer 1"):
            Envelope.open(file, mapped=mapped, verify_buffers=True)
        assert Envelope.open(file, mapped=mapped, verify_buffers=False).load(TRUSTED).shape == (10_000,)


def test_a_file_that_goes_away_is_damage(tmp_path):
    """A file removed or replaced between two loads is damage, not another value."""
    file = tmp_path / "value"
    Envelope.pack(np.zeros(10_000)).write_to(file, sync=False)
    opened = Envelope.open(file, mapped=True, verify_buffers=False)
    opened.load(TRUSTED)
    Envelope.pack(np.ones(10_000)).write_to(file, sync=False)
    with pytest.raises(DamagedError, match="replaced"):
        opened.load(TRUSTED)
    file.unlink()
    with pytest.raises(DamagedError, match="removed"):
        opened.load(TRUSTED)


def test_compressed_arrays_come_back(tmp_path):
    """Parts that shrink are compressed, in files too, and damage in them is damage."""
    pytest.importorskip("zstandard")
    value = [np.zeros(10_000), np.random.default_rng(1).bytes(10_000)]
    envelope = Envelope.pack(value, compress=True)
    assert envelope.size < 11_000
    file = tmp_path / "value"
    envelope.write_to(file, sync=False)
    for mapped in (True, False):
        loaded = Envelope.open(file, mapped=mapped, verify_buffers=True).load(TRUSTED)
        same(loaded[0], value[0])
        loaded[0][0] = 1.0
    for position in range(0, envelope.size, 97):
        stored = bytearray(file.read_bytes())
        stored[position] ^= 64
        try:
            found = Envelope.parse(stored, place="x")
        except DamagedError:
            continue
        assert found.load(TRUSTED)[1] == value[1]  # the padding between parts is not covered


class TestPandas:
    """Tables of pandas, whichever version is installed."""

    pd = pytest.importorskip("pandas")

    def values(self):
        pd = self.pd
        return {
            "frame": pd.DataFrame(
                {"a": [1, 2], "b": ["x", None], "c": [1.5, 2.5], "t": pd.date_range("2020", periods=2)}
            ),
            "big": pd.DataFrame(np.arange(20_000.0).reshape(1000, 20)),
            "categories": pd.DataFrame({"a": pd.Categorical(["x", "y", "x"], ordered=True)}),
            "zones": pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020", periods=2, tz="Europe/Paris", freq="D")),
            "levels": pd.DataFrame(
                {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["x", "y"])
            ),
            "nullable": pd.DataFrame(
                {"i": pd.array([1, None], dtype="Int8"), "b": pd.array([True, None], dtype="boolean")}
            ),
            "strings": pd.Series(["a", None], dtype="string"),
            "periods": pd.Series(pd.period_range("2020", periods=3, freq="M"), name="p"),
            "intervals": pd.Series(pd.interval_range(0, 3)),
            "spans": pd.Series(pd.to_timedelta([1, 2], unit="s")),
            "objects": pd.Series([1, "a", [2]], dtype=object),
            "empty": pd.DataFrame(),
            "scalars": pd.Series([pd.Timestamp("2020", tz="UTC"), pd.Timedelta(1), pd.NaT, pd.NA], dtype=object),
            "flags": pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
            "attrs": self.with_attrs(),
        }

    def with_attrs(self):
        frame = self.pd.DataFrame({"a": [1]})
        frame.attrs["source"] = "here"
        return frame

    @LOADERS
    def test_tables_come_back(self, loader):
        """Values, dtypes, index, names, flags and attributes are restored, by both loaders, and can be written to."""
        for name, value in self.values().items():
            loaded = Envelope.parse(Envelope.pack(value).to_bytes(), place=name).load(loader)
            equal = self.pd.testing.assert_frame_equal if value.ndim == 2 else self.pd.testing.assert_series_equal
            equal(loaded, value, check_freq=True, check_flags=True)
            assert loaded.attrs == value.attrs
            if name not in ("empty", "flags"):
                first, second = ((0, 0), (-1, 0)) if value.ndim == 2 else (0, 1)
                loaded.iloc[first] = loaded.iloc[second]

    def test_mapped_tables_are_writable(self, tmp_path):
        """A table mapped from a file can be changed in place, and the file stays."""
        frame = self.values()["big"]
        Envelope.pack(frame).write_to(tmp_path / "v", sync=False)
        before = (tmp_path / "v").read_bytes()
        loaded = Envelope.open(tmp_path / "v", mapped=True, verify_buffers=True).load(TRUSTED)
        loaded.iloc[0, 0] = -1.0
        loaded["new"] = 1
        assert (tmp_path / "v").read_bytes() == before
        self.pd.testing.assert_frame_equal(
            Envelope.open(tmp_path / "v", mapped=True, verify_buffers=True).load(SAFE), frame
        )
