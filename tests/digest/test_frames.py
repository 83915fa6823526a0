"""pandas by content: blocks and strides do not show; names, indexes, dtypes and flags do."""

import copy
import datetime
import pickle

import pytest

from fleche.digest import digest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

pytestmark = pytest.mark.portable


def table(**columns):
    return pd.DataFrame(columns, index=pd.Index([10, 20, 30], name="i"))


def test_blocks_do_not_show():
    """A frame built column by column, from a matrix, or sliced out of another is one value."""
    whole = pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=pd.Index(["a", "b", "c"]))
    pieces = pd.DataFrame(index=whole.index, columns=pd.Index([], dtype=whole.columns.dtype))
    for name in whole:
        pieces[name] = whole[name].copy()
    pieces.columns = whole.columns
    wide = pd.DataFrame(np.arange(24.0).reshape(4, 6), columns=pd.Index(list("axbycz")))
    wide[["a", "b", "c"]] = whole.to_numpy()
    strided = wide[["a", "b", "c"]]
    fortran = pd.DataFrame(np.asfortranarray(whole.to_numpy()), columns=whole.columns)
    for other in (pieces, strided, fortran, whole.copy(), copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))):
        pd.testing.assert_frame_equal(other, whole)
        assert digest(other) == digest(whole)


def test_strides_do_not_show_in_a_series():
    """Every second element of an array is the same as a copy."""
    column = pd.Series(np.arange(10)[::2])
    assert digest(column) == digest(pd.Series(np.arange(10)[::2].copy()))


def distinct():
    stamps = pd.date_range("2026", periods=3)
    yield from (
        table(a=[1, 2, 3]),
        table(b=[1, 2, 3]),
        table(a=[1.0, 2, 3]),
        table(a=[1, 2, 4]),
        table(a=[1, 2, 3], b=[1, 2, 3]),
        table(a=[1, 2, 3]).rename_axis("j"),
        table(a=[1, 2, 3]).rename_axis(columns="k"),
        table(a=[1, 2, 3]).reset_index(),
        table(a=[1, 2, 3]).astype("int8"),
        table(a=[1, 2, 3]).astype("Int64"),
        table(a=[1, 2, 3]).astype(object),
        table(a=[1, 2, 3]).astype("category"),
        table(a=[3, 2, 1]),
        table(a=[1, 2, 3]).iloc[::-1],
        table(a=[1, 2, 3])["a"],
        table(a=[1, 2, 3])["a"].rename("b"),
        table(a=[1, 2, 3])["a"].rename(None),
        table(a=[1, 2, 3]).set_flags(allows_duplicate_labels=False),
        pd.DataFrame(),
        pd.DataFrame(index=[1]),
        pd.DataFrame(columns=[1]),
        pd.Series([], dtype=float),
        pd.Series([], dtype=int),
        pd.Index([0, 1, 2]),
        pd.RangeIndex(3),
        pd.RangeIndex(0, 3, 2),
        pd.Index([0, 1, 2], name="x"),
        pd.Index([0.0, 1, 2]),
        pd.MultiIndex.from_tuples([(1, 2), (3, 4)]),
        pd.MultiIndex.from_tuples([(1, 2), (3, 5)]),
        pd.MultiIndex.from_tuples([(1, 2), (3, 4)], names=["a", "b"]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1, 0], dtype="Int64"),
        pd.Series([1, None]),
        pd.Series([1, None], dtype="Float64"),
        pd.Series([True, None], dtype="boolean"),
        pd.Series([True, False]),
        pd.Series([True, False], dtype=object),
        pd.Series(["a", None], dtype="string"),
        pd.Series(["a", "<NA>"], dtype="string"),
        pd.Series(["a", None], dtype=object),
        pd.Series(["a", np.nan], dtype=object),
        pd.Series(["a", pd.NA], dtype=object),
        pd.Series(["a", "b"], dtype="category"),
        pd.Series(["a", "b"], dtype=pd.CategoricalDtype(["b", "a"])),
        pd.Series(["a", "b"], dtype=pd.CategoricalDtype(["a", "b"], ordered=True)),
        pd.Series(["a", "b"], dtype=pd.CategoricalDtype(["a", "b", "c"])),
        pd.Series(stamps),
        pd.Series(stamps.tz_localize("UTC")),
        pd.Series(stamps.tz_localize("Europe/Berlin")),
        pd.Series(stamps.tz_localize("Europe/Paris")),
        pd.Series(stamps.as_unit("s")),
        stamps,
        pd.DatetimeIndex(list(stamps)),
        pd.period_range("2026", periods=3, freq="D"),
        pd.period_range("2026", periods=3, freq="M"),
        pd.interval_range(0, 3),
        pd.interval_range(0, 3, closed="left"),
        pd.Series(pd.arrays.SparseArray([0, 0, 1])),
        pd.Series([0, 0, 1]),
        pd.Series(pd.arrays.SparseArray([0, 0, 1], fill_value=1)),
        pd.Series(pd.arrays.SparseArray([0, 1, 0])),
        pd.Timestamp("2026"),
        pd.Timestamp("2026", tz="UTC"),
        datetime.datetime(2026, 1, 1),
        np.datetime64("2026-01-01", "ns"),
        pd.Timestamp("2026").as_unit("s" if pd.Timestamp("2026").unit != "s" else "ms"),
        pd.Timestamp("2026-01-01T00:00:00.000000001"),
        pd.Timedelta(1, "D"),
        datetime.timedelta(1),
        pd.Period("2026", "D"),
        pd.Period("2026", "M"),
        pd.Interval(0, 1),
        pd.Interval(0, 1, "left"),
        pd.NaT,
        pd.NA,
        None,
        np.nan,
        pd.Int64Dtype(),
        pd.Int32Dtype(),
        pd.CategoricalDtype(["a"]),
        pd.CategoricalDtype(["a"], ordered=True),
        pd.DatetimeTZDtype(tz="UTC"),
        pd.PeriodDtype("D"),
        pd.offsets.Day(1),
        pd.offsets.Day(2),
        pd.offsets.Hour(1),
        pd.Categorical(["a"]),
        pd.CategoricalIndex(["a"]),
        pd.array([1, 2]),
        np.array([1, 2]),
        [1, 2],
    )


def test_what_shows_counts():
    """Names, order, dtypes, units, zones, categories, flags and kinds of missing values are part of the value."""
    values = list(distinct())
    digests = [digest(value) for value in values]
    for at, one in enumerate(digests):
        assert digests.index(one) == at, (values[at], values[digests.index(one)])


def test_attributes_count():
    """What `attrs` holds is part of the value."""
    frame = table(a=[1, 2, 3])
    before = digest(frame)
    frame.attrs["unit"] = "m"
    assert digest(frame) != before


def test_what_a_mask_hides_does_not_count():
    """Under a missing value lies nothing."""
    hidden = pd.arrays.IntegerArray(np.array([1, 7]), np.array([False, True]))
    assert digest(hidden) == digest(pd.arrays.IntegerArray(np.array([1, 8]), np.array([False, True])))


def test_unused_levels_do_not_show():
    """A multi-index is its values, not its levels."""
    index = pd.MultiIndex.from_product([["a", "b"], [1, 2]])[:2]
    assert digest(index) == digest(pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))


def test_how_a_sparse_array_is_kept_does_not_show():
    """Blocks and integers index the same positions."""
    assert digest(pd.arrays.SparseArray([0, 0, 1], kind="block")) == digest(
        pd.arrays.SparseArray([0, 0, 1], kind="integer")
    )


class Geo(pd.DataFrame):
    _metadata = ("crs",)

    @property
    def _constructor(self):
        return Geo


def test_subclasses_count_with_their_metadata():
    """A subclass of a frame is its own type, with what `_metadata` names."""
    one, other = Geo({"a": [1]}), Geo({"a": [1]})
    assert digest(one) == digest(other) != digest(pd.DataFrame({"a": [1]}))
    object.__setattr__(other, "crs", 4326)
    assert digest(one) != digest(other)
