"""The names that the safe loader builds: data, described in ``docs/formats/safe-types.md``.

A name is on the list only if calling it with hostile arguments can do nothing but build a value or raise. Nothing that
calls, looks up or imports what it is told (``getattr``, ``functools.partial``, ``operator``, ``eval``) can be on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

__all__ = ["MOVED", "VERSION", "SafeTypes"]

VERSION = 1
"""Of the list; a name that is added or dropped raises it."""

_STANDARD = """
builtins: bool bytearray bytes complex dict float frozenset int list object range set slice str tuple
builtins: Ellipsis NotImplemented
builtins: ArithmeticError AssertionError AttributeError BaseException BufferError EOFError Exception FileExistsError
builtins: FileNotFoundError FloatingPointError ImportError IndexError InterruptedError IsADirectoryError KeyError
builtins: LookupError MemoryError ModuleNotFoundError NameError NotADirectoryError NotImplementedError OSError
builtins: OverflowError PermissionError RecursionError RuntimeError StopAsyncIteration StopIteration TimeoutError
builtins: TypeError UnicodeDecodeError UnicodeEncodeError UnicodeError ValueError ZeroDivisionError
array: _array_reconstructor array
collections: ChainMap Counter OrderedDict defaultdict deque
datetime: date datetime time timedelta timezone
decimal: Decimal
fractions: Fraction
ipaddress: IPv4Address IPv4Interface IPv4Network IPv6Address IPv6Interface IPv6Network
pathlib: Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath
re: _compile
time: struct_time
types: SimpleNamespace
uuid: UUID
zoneinfo: ZoneInfo
builtins: getattr
fleche.digest.text: Digest
fleche.caches.results: Recorded Returned
"""

_NUMPY = """
numpy: dtype matrix ndarray record recarray
numpy: bool bool_ bytes_ complex64 complex128 clongdouble datetime64 float16 float32 float64 int8 int16 int32 int64
numpy: longdouble longlong str_ timedelta64 uint8 uint16 uint32 uint64 ulonglong void
numpy.rec: recarray record
numpy._core.multiarray: _reconstruct scalar
numpy._core.numeric: _frombuffer
numpy._core._internal: _convert_to_stringdtype_kwargs
numpy.ma: MaskedArray
numpy.ma.core: MaskedArray _mareconstruct
"""

_OFFSETS = """
BDay BMonthBegin BMonthEnd BQuarterBegin BQuarterEnd BYearBegin BYearEnd BusinessDay BusinessHour BusinessMonthBegin
BusinessMonthEnd DateOffset Day Hour Micro Milli Minute MonthBegin MonthEnd Nano QuarterBegin QuarterEnd Second
SemiMonthBegin SemiMonthEnd Week YearBegin YearEnd
"""

_PANDAS = f"""
pandas: BooleanDtype Categorical CategoricalDtype CategoricalIndex DataFrame DateOffset DatetimeIndex DatetimeTZDtype
pandas: Float32Dtype Float64Dtype Index Int16Dtype Int32Dtype Int64Dtype Int8Dtype Interval IntervalDtype IntervalIndex
pandas: MultiIndex
pandas: NA NaT Period PeriodDtype PeriodIndex RangeIndex Series StringDtype Timedelta TimedeltaIndex Timestamp
pandas: UInt16Dtype UInt32Dtype UInt64Dtype UInt8Dtype
pandas.arrays: BooleanArray DatetimeArray FloatingArray IntegerArray IntervalArray NumpyExtensionArray PandasArray
pandas.arrays: PeriodArray StringArray TimedeltaArray
pandas.core.frame: DataFrame
pandas.core.series: Series
pandas.core.indexes.base: Index _new_Index
pandas.core.indexes.category: CategoricalIndex
pandas.core.indexes.datetimes: DatetimeIndex _new_DatetimeIndex
pandas.core.indexes.interval: IntervalIndex _new_IntervalIndex
pandas.core.indexes.multi: MultiIndex
pandas.core.indexes.period: PeriodIndex _new_PeriodIndex
pandas.core.indexes.range: RangeIndex
pandas.core.indexes.timedeltas: TimedeltaIndex _new_TimedeltaIndex
pandas.core.indexes.frozen: FrozenList
pandas.core.internals.managers: BlockManager SingleBlockManager
pandas.core.arrays.boolean: BooleanArray BooleanDtype
pandas.core.arrays.categorical: Categorical
pandas.core.arrays.datetimes: DatetimeArray
pandas.core.arrays.floating: Float32Dtype Float64Dtype FloatingArray
pandas.core.arrays.integer: Int16Dtype Int32Dtype Int64Dtype Int8Dtype IntegerArray
pandas.core.arrays.integer: UInt16Dtype UInt32Dtype UInt64Dtype UInt8Dtype
pandas.core.arrays.interval: IntervalArray
pandas.core.arrays.numpy_: NumpyExtensionArray PandasArray
pandas.core.arrays.period: PeriodArray
pandas.core.arrays.string_: StringArray StringDtype
pandas.core.arrays.timedeltas: TimedeltaArray
pandas.core.dtypes.dtypes: CategoricalDtype DatetimeTZDtype IntervalDtype PeriodDtype
dateutil.relativedelta: relativedelta
pytz: _UTC _p
pandas._libs.arrays: __pyx_unpickle_NDArrayBacked
pandas._libs.internals: _unpickle_block
pandas._libs.interval: Interval __pyx_unpickle_IntervalMixin
pandas._libs.missing: NA
pandas._libs.tslibs.nattype: NaT __nat_unpickle _nat_unpickle
pandas._libs.tslibs.offsets: {" ".join(_OFFSETS.split())}
pandas._libs.tslibs.period: Period
pandas._libs.tslibs.timedeltas: Timedelta _timedelta_unpickle
pandas._libs.tslibs.timestamps: Timestamp _unpickle_timestamp
"""

MOVED: Mapping[str, str] = {
    "numpy.core": "numpy._core",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
    "numpy.core._internal": "numpy._core._internal",
    "pathlib._local": "pathlib",
}
"""Modules whose names changed, by their other name: the same types, whichever version wrote or reads them."""


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    rows = (line.split(": ") for line in text.split("\n") if line)
    return frozenset((module, name) for module, names in rows for name in names.split())


@dataclass(frozen=True, slots=True)
class SafeTypes:
    """Which names the safe loader builds: the pairs (module, qualified name), compared exactly.

    Attributes:
        names: The pairs.
        types: Classes and functions that a user has added, by their pair.
    """

    names: frozenset[tuple[str, str]] = field(default_factory=lambda: _pairs(_STANDARD + _NUMPY + _PANDAS))
    types: Mapping[tuple[str, str], Any] = field(default_factory=dict)

    def with_types(self, *types: type | FunctionType) -> SafeTypes:
        """Return a list with more types. Who adds one vouches that building it from hostile data is harmless.

        Args:
            *types: Classes, or functions that a ``__reduce__`` names.

        >>> from dataclasses import dataclass
        >>> ("fleche.storage.safe_types", "SafeTypes") in SafeTypes().with_types(SafeTypes)
        True
        """
        added = {(one.__module__, one.__qualname__): one for one in types}
        return SafeTypes(names=self.names | added.keys(), types={**self.types, **added})

    def __contains__(self, pair: tuple[str, str]) -> bool:
        module, name = pair
        return pair in self.names or (MOVED.get(module, module), name) in self.names
