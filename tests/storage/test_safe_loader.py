"""The safe loader builds listed types, and nothing else happens."""

from __future__ import annotations

import array
import collections
import copyreg
import datetime as dt
import ipaddress
import os
import pickle
import pickletools
import re
import types
import uuid
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

import pytest

from fleche.errors import DamagedError, UntrustedError
from fleche.storage.envelope import Envelope
from fleche.storage.pickling import Serializer
from fleche.storage.safe_loader import SAFE, SafeLoader
from fleche.storage.safe_types import SafeTypes

pytestmark = pytest.mark.portable


def load(stream: bytes) -> object:
    return SAFE.load(stream, (), Serializer.PICKLE)


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def named(module: str, name: str) -> bytes:
    """Push a name (STACK_GLOBAL)."""
    return text(module) + text(name) + b"\x93"


def called(module: str, name: str, *args: object) -> bytes:
    """A pickle that calls a name with plain arguments."""
    return b"\x80\x04" + named(module, name) + pushed(args) + b"R."


def pushed(value: object) -> bytes:
    """Push a plain value: what its pickle does, without head, frame and end."""
    return pickletools.optimize(pickle.dumps(value, 3))[2:-1]


PLAIN = [
    None, True, -(10**40), 1.5, "text", b"bytes", bytearray(b"ab"), 1j, (1, [2, {3: {4}}]), frozenset({1}), range(3),
    slice(1, 2), ..., NotImplemented, dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.date(2020, 1, 1), dt.time(1, 2),
    dt.timedelta(1), dt.timezone(dt.timedelta(hours=1)), dt.datetime(2020, 1, 1, tzinfo=ZoneInfo("Europe/Paris")),
    Decimal("1.50"), Fraction(1, 3), uuid.UUID(int=7), Path("/a/b"), PurePosixPath("a"), re.compile("a+", re.I),
    collections.OrderedDict(b=1, a=2), collections.Counter("aab"), collections.deque([1, 2], 3),
    collections.defaultdict(list, {1: [2]}), collections.ChainMap({1: 2}, {3: 4}), array.array("d", [1.5]),
    ipaddress.ip_address("::1"), types.SimpleNamespace(a=1), [Fraction, dt.datetime, int],
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back(value):
    """Values of the standard library's value types are built."""
    loaded = Envelope.parse(Envelope.pack(value).to_bytes(), place="here").load(SAFE)
    assert type(loaded) is type(value)
    assert loaded == value
    assert repr(loaded) == repr(value)


def test_exceptions_come_back():
    """An exception that a call raised is built, with its notes."""
    error = ValueError("a", 1)
    error.add_note("while testing")
    loaded = load(pickle.dumps(error))
    assert (type(loaded), loaded.args, loaded.__notes__) == (ValueError, ("a", 1), ["while testing"])


GADGETS = [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("os", "popen"), ("os", "execv"), ("os", "remove"),
    ("subprocess", "Popen"), ("subprocess", "check_output"), ("builtins", "eval"), ("builtins", "exec"),
    ("builtins", "compile"), ("builtins", "open"), ("builtins", "__import__"), ("builtins", "setattr"),
    ("builtins", "delattr"), ("builtins", "map"), ("builtins", "filter"), ("builtins", "type"), ("builtins", "input"),
    ("builtins", "breakpoint"), ("builtins", "memoryview"), ("builtins", "globals"), ("builtins", "vars"),
    ("functools", "partial"), ("functools", "reduce"), ("operator", "attrgetter"), ("operator", "methodcaller"),
    ("operator", "itemgetter"), ("importlib", "import_module"), ("runpy", "run_path"), ("pty", "spawn"),
    ("shutil", "rmtree"), ("types", "FunctionType"), ("types", "CodeType"), ("types", "MethodType"),
    ("copyreg", "_reconstructor"), ("copyreg", "add_extension"), ("pickle", "loads"), ("_pickle", "loads"),
    ("cloudpickle.cloudpickle", "_make_function"), ("cloudpickle", "loads"), ("marshal", "loads"), ("code", "interact"),
    ("timeit", "timeit"), ("ctypes", "CDLL"), ("webbrowser", "open"), ("logging.config", "dictConfig"),
    ("numpy", "load"), ("numpy", "fromfile"), ("numpy.f2py", "compile"), ("numpy", "vectorize"),
    ("numpy", "frompyfunc"), ("numpy.testing._private.utils", "runstring"), ("numpy.lib.npyio", "load"),
    ("numpy.ctypeslib", "load_library"), ("numpy.random._pickle", "__generator_ctor"), ("numpy", "bmat"),
    ("pandas", "read_pickle"), ("pandas", "eval"), ("pandas.core.computation.eval", "eval"), ("pandas", "read_csv"),
    ("pandas.io.pickle", "read_pickle"), ("enum", "Enum"), ("weakref", "finalize"), ("threading", "Thread"),
    ("collections", "namedtuple"), ("io", "FileIO"), ("pathlib", "Path.unlink"), ("zoneinfo", "ZoneInfo.from_file"),
    ("collections", "OrderedDict.__init__"), ("datetime", "sys.modules"), ("collections", "_sys"),
    ("fractions", "operator.attrgetter"), ("uuid", "os.system"), ("uuid", "UUID.__init__"), ("re", "enum.sys"),
    ("fleche.storage.safe_loader", "_Guard"), ("builtins", "object.__subclasses__"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name"), GADGETS)
def test_a_gadget_is_never_reached(module: str, name: str, monkeypatch: pytest.MonkeyPatch):
    """A name that is not on the list is refused by the name alone: its module is not even imported."""
    imported = []
    monkeypatch.setattr("importlib.import_module", imported.append)
    for stream in (
        called(module, name, "echo boom"),
        b"c" + module.encode() + b"\n" + name.encode() + b"\n(X\x04\0\0\0boomtR.",
        b"(i" + module.encode() + b"\n" + name.encode() + b"\n.",
        b"\x80\x04" + named(module, name) + b")\x81.",
        b"\x80\x04" + named(module, name) + b".",
    ):
        with pytest.raises(UntrustedError) as caught:
            load(stream)
        assert caught.value.type_name == f"{module}.{name}" or stream.startswith(b"(i")
    assert not imported


class Bomb:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_planted_bomb_does_nothing(tmp_path: Path):
    """A bomb in a well-formed envelope is refused with the place, and nothing happened."""
    stored = Envelope.pack([1, Bomb(tmp_path / "boom")]).to_bytes()
    with pytest.raises(UntrustedError, match="mkdir") as caught:
        Envelope.parse(stored, place="values/ab").load(SAFE)
    assert caught.value.place == "values/ab"
    assert not list(tmp_path.iterdir())


def test_getattr_only_finds_time_zones():
    """The one use of getattr that honest pickles make (zones of time) is the only one that works."""
    for owner, name in [(("uuid", "UUID"), "hex"), (("zoneinfo", "ZoneInfo"), "from_file"), (("builtins", "int"), "x")]:
        with pytest.raises(UntrustedError, match="getattr"):
            load(b"\x80\x04" + named("builtins", "getattr") + named(*owner) + text(name) + b"\x86R.")


@pytest.mark.parametrize(
    ("module", "name"),
    [("uuid", "UUID"), ("fractions", "Fraction"), ("collections", "Counter"), ("datetime", "datetime"),
     ("re", "_compile"), ("builtins", "int"), ("numpy", "ndarray"), ("numpy._core.numeric", "_frombuffer"),
     ("pandas", "DataFrame")],
)  # fmt: skip
def test_no_pickle_changes_a_type(module: str, name: str):
    """A class or function cannot be given attributes, items or elements, so that it does something else later."""
    changes = [
        b"N}X\x01\0\0\0xK\x01s\x86b.",  # BUILD with attributes to set
        b"}X\x01\0\0\0xK\x01sb.",  # BUILD with entries of __dict__
        b"K\x01K\x02s.",  # SETITEM
        b"(K\x01K\x02u.",  # SETITEMS
        b"K\x01a.",  # APPEND
        b"(K\x01e.",  # APPENDS
        b"(K\x01\x90.",  # ADDITEMS
    ]
    for change in changes:
        with pytest.raises((UntrustedError, AttributeError, TypeError)):
            load(b"\x80\x04" + named(module, name) + change)
    for cls in (uuid.UUID, Fraction, collections.Counter):
        assert not hasattr(cls, "x")


def test_steps_of_other_protocols_are_refused():
    """Persistent objects and extension codes are refused, also when a program has registered some."""
    for stream in (b"\x80\x04K\x01Q.", b"Pname\n."):
        with pytest.raises(UntrustedError):
            load(stream)
    copyreg.add_extension("os", "system", 240)
    try:
        pickle.loads(b"\x80\x02\x82\xf0.")  # now it is in the machine's own cache
        for code in (b"\x82\xf0", b"\x83\xf0\0", b"\x84\xf0\0\0\0"):
            with pytest.raises(UntrustedError):
                load(b"\x80\x04" + code + b".")
        assert load(pickle.dumps(Decimal(1))) == 1
    finally:
        copyreg.remove_extension("os", "system", 240)


def test_only_what_was_found_is_called():
    """An object that the stream built is not called, even if it can be."""
    counter = pickle.dumps(collections.Counter("a"), 4)[:-1]
    with pytest.raises(UntrustedError, match="call of"):
        load(counter + b")R.")


def test_values_by_value_are_refused():
    """What only cloudpickle can store, functions and classes by value, is refused."""
    with pytest.raises(UntrustedError, match="cloudpickle"):
        Envelope.parse(Envelope.pack(lambda: 1).to_bytes(), place="here").load(SAFE)


class Point:
    def __init__(self, x: int):
        self.x = x


class Outer:
    class Inner:
        pass


def test_a_user_adds_types():
    """A type of one's own is refused until it is on the list, which is a new list."""
    stream = pickle.dumps([Point(3), Outer.Inner(), Fraction(1, 2)], 5)
    with pytest.raises(UntrustedError, match=f"{__name__}.Point"):
        load(stream)
    point, inner, half = SafeLoader(SafeTypes().with_types(Point, Outer.Inner)).load(stream, (), Serializer.PICKLE)
    assert (point.x, type(inner), half) == (3, Outer.Inner, Fraction(1, 2))
    with pytest.raises(UntrustedError):
        load(stream)


def test_hostile_streams_end_in_an_error_of_ours():
    """A stream that no pickler wrote ends in one of two errors when it is loaded from an envelope."""
    for stream in [
        b"",
        b".",
        b"\x80\x05.",
        b"R.",
        b"\x80\x04)R.",
        b"\x80\x04" + named("uuid", "UUID") + b"K\x01b.",
        b"0.",
    ]:
        envelope = Envelope.parse(Envelope.pack(1).to_bytes(), place="here")
        envelope._stream = stream
        with pytest.raises((DamagedError, UntrustedError)):
            envelope.load(SAFE)


def test_a_regular_expression_does_not_print(capsys: pytest.CaptureFixture[str]):
    """The flag that makes the compiler print is refused."""
    with pytest.raises(UntrustedError):
        load(called("re", "_compile", "a", int(re.DEBUG)))
    assert capsys.readouterr().out == ""


class TestNumpy:
    """What pickles of numpy could do to memory."""

    np = pytest.importorskip("numpy")

    def hostile_dtype(self, *state: object) -> bytes:
        return named("numpy", "dtype") + pushed(("V8", False, True)) + b"R" + b"\x94" + pushed(state) + b"b"

    def test_bytes_never_become_pointers(self):
        """A dtype that claims to hold no objects, and does, is not believed: memory is not read as objects."""
        dtype = (
            named("numpy", "dtype")
            + pushed(("O8", False, True))
            + b"R"
            + pushed((3, "|", None, None, None, -1, -1, 0))
            + b"b"
        )
        stream = b"\x80\x05" + named("numpy._core.numeric", "_frombuffer") + b"(" + pushed(b"A" * 8) + dtype
        stream += pushed((1,)) + pushed("C") + b"tR."
        with pytest.raises(ValueError, match="OBJECT"):
            load(stream)

    def test_a_field_lies_inside(self):
        """A field beyond its record is refused."""
        fields = (
            b"}"
            + pushed("a")
            + b"("
            + named("numpy", "dtype")
            + pushed(("f8", False, True))
            + b"R"
            + pushed(4096)
            + b"ts"
        )
        state = b"(K\x03" + pushed("|") + b"N" + pushed(("a",)) + fields + pushed(8) + pushed(1) + pushed(0) + b"t"
        with pytest.raises(ValueError, match="itemsize"):
            load(b"\x80\x05" + named("numpy", "dtype") + pushed(("V8", False, True)) + b"R" + state + b"b.")

    def test_no_dtype_changes_under_an_array(self):
        """A dtype that an array already uses stays as it is when the stream goes on to change it."""
        np = self.np
        head = b"\x80\x05" + named("numpy", "dtype") + pushed(("V8", False, True)) + b"R\x940"
        array = (
            named("numpy._core.numeric", "_frombuffer")
            + b"("
            + pushed(b"A" * 8)
            + b"h\x00"
            + pushed((1,))
            + pushed("C")
            + b"tR\x940"
        )
        fields = b"}" + pushed("a") + b"(" + named("numpy", "dtype") + pushed(("O8", False, True)) + b"RK\x00ts"
        state = b"(K\x03" + pushed("|") + b"N" + pushed(("a",)) + fields + pushed(8) + pushed(1) + pushed(63) + b"t"
        found = load(head + array + b"h\x00" + state + b"b0h\x01.")
        assert found.dtype == np.dtype("V8")
        assert found.tobytes() == b"A" * 8

    def test_no_array_is_built_twice(self):
        """The memory of an array that others may look at is not freed by setting its state again."""
        np = self.np
        stream = pickle.dumps(np.array([1, "a"], dtype=object), 5)
        again = stream[:-1] + pushed((1, (0,), None, False, b"")) + b"b."
        with pytest.raises(UntrustedError, match="already built"):
            load(again)
        shape = (
            named("numpy._core.multiarray", "_reconstruct")
            + b"("
            + named("numpy", "ndarray")
            + pushed((64,))
            + pushed(b"b")
            + b"tR."
        )
        with pytest.raises(ValueError, match="shape"):
            load(b"\x80\x05" + shape)

    def test_an_array_has_the_content_of_its_shape(self):
        """A list of objects that is shorter than the array is refused: numpy would read beyond its end."""
        stream = pickletools.optimize(pickle.dumps(self.np.array([None, None], dtype=object), 5))
        assert b"K\x02\x85" in stream
        with pytest.raises(ValueError, match="another size"):
            load(stream.replace(b"K\x02\x85", b"K\x7f\x85"))

    def test_nothing_is_used_before_it_is_built(self):
        """An array or column without its state is not passed on, kept or returned."""
        pytest.importorskip("pandas")
        column = (
            named("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked") + b"("
            + named("pandas.arrays", "DatetimeArray") + pushed(82904607) + b"NtR"
        )  # fmt: skip
        array = (
            named("numpy._core.multiarray", "_reconstruct") + b"("
            + named("numpy", "ndarray") + pushed((0,)) + pushed(b"b") + b"tR"
        )  # fmt: skip
        uses = [b".", b"\x85.", b"N\x86.", b"N\x87.", b"\x940h\x00.", b"2.", b"\x94]h\x00a.", b"\x94}Nh\x00s."]
        for unborn in (array, column):
            for use in uses:
                with pytest.raises(UntrustedError, match=r"before it is built|do not take"):
                    load(b"\x80\x05" + unborn + use)

    def test_the_process_keeps_its_dtypes(self):
        """The dtypes that all arrays share cannot be changed."""
        np = self.np
        load(
            b"\x80\x05"
            + named("numpy", "dtype")
            + pushed(("f8", False, False))
            + b"R"
            + pushed((3, ">", None, None, None, -1, -1, 0))
            + b"b."
        )
        assert np.dtype("f8").isnative


def test_the_list_is_data():
    """Every listed name resolves where its package is installed, and none of the well-known gadgets is listed."""
    types = SafeTypes()
    assert not [pair for pair in GADGETS if pair in types]
    assert all("." not in name for _, name in types.names)
