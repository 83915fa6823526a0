"""Serializers: what goes in comes out; and exceptions can always be raised."""

from __future__ import annotations

import enum
import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche.digest import digest
from fleche.errors import UntrustedError
from fleche.runtime.exceptions import RemoteError, RetryError
from fleche.runtime.serializer import (
    BaseSerializer,
    ExceptionCodec,
    FlecheSerializer,
    JsonSerializer,
    PickleSerializer,
    ReservedKeys,
)

SERIALIZERS = [FlecheSerializer(), FlecheSerializer(trusted=True), JsonSerializer(), PickleSerializer()]
WHOLE = [FlecheSerializer(), FlecheSerializer(trusted=True), PickleSerializer()]


def ids(serializer: BaseSerializer) -> str:
    return type(serializer).__name__ + ("-trusted" if getattr(serializer, "trusted", False) else "")


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Name(enum.StrEnum):
    A = "a"


class Point:
    class Inner:
        def __init__(self, x: int) -> None:
            self.x = x

        def to_json(self) -> Any:
            return {"x": self.x}

        @classmethod
        def from_json(cls, data: Any) -> Point.Inner:
            return cls(data["x"])

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Point.Inner) and self.x == other.x

        def __repr__(self) -> str:
            return f"Inner({self.x})"

        __hash__ = None  # type: ignore[assignment]


class Half:
    def to_json(self) -> Any:
        return {}


class Custom(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize("serializer", SERIALIZERS, ids=ids)
@given(plain)
def test_plain_values_come_back(serializer: BaseSerializer, value: Any) -> None:
    """Through every serializer, as text."""
    text = serializer.serialize(value)
    assert isinstance(text, str)
    assert serializer.deserialize(text) == value


@pytest.mark.parametrize("serializer", WHOLE, ids=ids)
@pytest.mark.parametrize(
    "value",
    [
        (1, (2.5,), [3]),
        {1: "a", (2, 3): {4, 5}},
        b"\x00\xff",
        float("inf"),
        -0.0,
        2**5000,
        "\ud800",
        datetime(2030, 1, 2, tzinfo=UTC),
        Decimal("1.10"),
        Path("a/b"),
        np.arange(6.0).reshape(2, 3),
        {"__fleche__enum__": {"module": "os"}},
    ],
    ids=repr,
)
def test_types_come_back_whole(serializer: BaseSerializer, value: Any) -> None:
    """Of the same types all the way down: the digests are equal."""
    assert digest(serializer.deserialize(serializer.serialize(value))) == digest(value)


def test_scalars_are_json() -> None:
    """Where that is exact; other values are marked, and no JSON begins so."""
    serializer = FlecheSerializer()
    assert [serializer.serialize(value) for value in (None, True, 1, 1.5, 'a"')] == [
        "null",
        "true",
        "1",
        "1.5",
        '"a\\""',
    ]
    assert serializer.serialize((1,)).startswith("~")
    assert math.isnan(serializer.deserialize(serializer.serialize(float("nan"))))
    assert [*map(serializer.deserialize, map(serializer.serialize, (1, 1.0, True)))] == [1, 1.0, True]
    for bad in ("~!!", "~AAAA", "{"):
        with pytest.raises(ValueError):
            serializer.deserialize(bad)


def test_what_is_not_trusted_builds_safe_types_only() -> None:
    """An object of a project's class is built where the text is trusted, and refused where not."""
    text = FlecheSerializer(trusted=True).serialize(Point.Inner(3))
    assert FlecheSerializer(trusted=True).deserialize(text) == Point.Inner(3)
    with pytest.raises(UntrustedError):
        FlecheSerializer().deserialize(text)


@pytest.mark.parametrize("value", [Colour.RED, Level.LOW, Name.A, Point.Inner(3)], ids=repr)
@pytest.mark.parametrize("serializer", [SERIALIZERS[1], JsonSerializer(), PickleSerializer()], ids=ids)
def test_enums_and_objects_that_know_their_json(serializer: BaseSerializer, value: Any) -> None:
    """Also inside containers; an enum member of int or str is no plain number or text."""
    back = serializer.deserialize(serializer.serialize({"a": [value]}))["a"][0]
    assert back == value
    assert type(back) is type(value)


class TestJson:
    """The envelopes of JSON."""

    def test_builtin_exceptions(self) -> None:
        """Come back as they are; unknown ones can be raised."""
        back = JsonSerializer.deserialize(JsonSerializer.serialize(KeyError("k", 1)))
        assert (type(back), back.args) == (KeyError, ("k", 1))
        for key in (ReservedKeys.ERROR.value, "__pynenc__std_py_exc__"):
            odd = JsonSerializer.deserialize(f'{{"{key}": {{"type": "Nothing", "args": [], "message": "m"}}}}')
            assert (type(odd), str(odd)) == (RuntimeError, "Nothing: m")

    def test_other_exceptions(self) -> None:
        """By module and name; what cannot be built is told of."""
        back = JsonSerializer.deserialize(JsonSerializer.serialize(RetryError("again")))
        assert isinstance(back, RetryError)
        odd = JsonSerializer.deserialize(JsonSerializer.serialize(Custom(code=3)))
        assert (type(odd), str(odd)) == (RuntimeError, "Custom: code 3")
        locked = JsonSerializer.deserialize(JsonSerializer.serialize(ValueError(object())))
        assert "object object" in locked.args[0]

    def test_dicts_that_look_like_envelopes_are_data(self) -> None:
        """A user's dict with a reserved key comes back as it is."""
        for key in (*ReservedKeys, "__pynenc__enum__"):
            value = {str(key): {"module": "os", "qualname": "system"}}
            assert JsonSerializer.deserialize(JsonSerializer.serialize(value)) == value
            assert JsonSerializer.deserialize(JsonSerializer.serialize([value, {"a": value}])) == [value, {"a": value}]

    def test_losses_are_those_of_json(self) -> None:
        """Tuples become lists and keys text."""
        assert JsonSerializer.deserialize(JsonSerializer.serialize({1: (2,)})) == {"1": [2]}

    @pytest.mark.parametrize("value", [object(), Half(), {1, 2}, b"x"])
    def test_what_it_does_not_take(self, value: Any) -> None:
        """Is named, with the ways out."""
        with pytest.raises(TypeError, match=r"is not JSON: .*to_json\(\).*FlecheSerializer"):
            JsonSerializer.serialize(value)


def test_what_cannot_be_pickled_is_a_type_error() -> None:
    """Of every serializer."""
    for serializer in SERIALIZERS:
        with pytest.raises(TypeError):
            serializer.serialize(iter([]) if isinstance(serializer, JsonSerializer) else (x for x in ()))


@pytest.mark.parametrize("serializer", SERIALIZERS, ids=ids)
class TestExceptions:
    """Exceptions as text."""

    def codec(self, serializer: BaseSerializer, *, trusted: bool = True) -> ExceptionCodec:
        return ExceptionCodec(serializer, trusted=trusted)

    def back(self, serializer: BaseSerializer, error: BaseException) -> BaseException:
        codec = self.codec(serializer)
        try:
            raise error
        except BaseException as raised:
            return codec.decode(codec.encode(raised))

    def test_they_come_back(self, serializer: BaseSerializer) -> None:
        """Type, arguments, attributes, notes; and the text of the traceback."""
        error = Custom(code=3)
        error.add_note("a note")
        back = self.back(serializer, error)
        assert isinstance(back, Custom)
        assert (str(back), back.code, back.args) == ("code 3", 3, ("code 3",))
        assert back.__notes__[0] == "a note"
        assert "raise error" in back.__notes__[1]
        for kind in (ValueError("x"), KeyError("k"), OSError(2, "no", "f"), SystemExit(3), KeyboardInterrupt()):
            copy = self.back(serializer, kind)
            assert (type(copy), copy.args) == (type(kind), kind.args)
        assert str(self.back(serializer, OSError(2, "no"))) == "[Errno 2] no"

    def test_causes_come_back(self, serializer: BaseSerializer) -> None:
        """Direct ones as causes, others as context; hidden ones not."""
        try:
            try:
                raise KeyError("inner")
            except KeyError as inner:
                raise ValueError("outer") from inner
        except ValueError as error:
            codec = self.codec(serializer)
            back = codec.decode(codec.encode(error))
        assert (type(back.__cause__), str(back.__cause__)[:7]) == (KeyError, "'inner'")
        try:
            try:
                raise KeyError("inner")
            except KeyError:
                raise ValueError("outer") from None
        except ValueError as error:
            hidden = codec.decode(codec.encode(error))
        assert hidden.__cause__ is None
        assert hidden.__context__ is None

    def test_what_cannot_be_built_is_told_of(self, serializer: BaseSerializer) -> None:
        """A type that is gone, one that is no exception, arguments that cannot be sent."""
        local = type("Local", (Exception,), {})
        back = self.back(serializer, local("gone"))
        assert isinstance(back, RemoteError)
        assert str(back) == f"{__name__}.Local: gone"
        assert back.type_name == f"{__name__}.Local"
        locked = self.back(serializer, ValueError(x for x in ()))
        assert isinstance(locked, (RemoteError, ValueError))
        assert "generator object" in str(locked)
        codec = self.codec(serializer)
        text = codec.encode(ValueError("x")).replace('"ValueError"', '"os.system"')
        assert isinstance(codec.decode(text), RemoteError)

    def test_untrusted_texts_import_nothing(self, serializer: BaseSerializer) -> None:
        """A type whose module is not there already is only told of."""
        codec = self.codec(serializer, trusted=False)
        text = codec.encode(ValueError("x")).replace('"ValueError"', '"this.Surely"')
        assert isinstance(codec.decode(text), RemoteError)
        assert "this" not in __import__("sys").modules
