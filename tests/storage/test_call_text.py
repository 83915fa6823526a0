"""Records as text: the bytes are frozen, everything comes back exactly, and damage is noticed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche.call.records import DigestedCall, Outcome
from fleche.digest import Digest
from fleche.errors import DamagedError, SaveError, UnreadableError
from fleche.storage.call_text import call_of, call_text, seal, signed_call_of, unseal
from fleche.storage.canonical import canonical
from fleche.testing.strategies import plain, records

pytestmark = pytest.mark.portable

CALL = DigestedCall(
    module="train",
    name="fit",
    version="2",
    code=Digest("c0" * 16),
    arguments={"path": Digest("aa" * 16), "rate": Digest("bb" * 16), "when": Digest("cc" * 16)},
    scalars={"rate": float("inf"), "when": date(2026, 1, 2)},
    kinds={"path": "pathlib.PosixPath", "rate": "float", "when": "date"},
    result=Digest("dd" * 16),
    form="0123abcd",
    metadata={"tags": {"name": "é", "n": 1.5}},
    at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    expires=datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1))),
    parent=Digest("ee" * 16),
    inputs=(Digest("ff" * 16),),
)

GOLDEN = (
    b"fleche-call 1 f58825f06ec5c6b452b88cc553b954ef\n"
    b'{"key":"101b922b53771295852a93b2c45bfb61","module":"train","name":"fit","version":"2","code":"c'
    b'0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0","arguments":[["path","aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","pathl'
    b'ib.PosixPath"],["rate","bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","float",{"float":"inf"}],["when","ccc'
    b'ccccccccccccccccccccccccccccc","date",{"date":"2026-01-02"}]],"outcome":"result","result":"dddd'
    b'dddddddddddddddddddddddddddd","form":"0123abcd","at":1767268800000000,"expires":176726880000000'
    b'0,"parent":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","inputs":["ffffffffffffffffffffffffffffffff"],"me'
    b'tadata":{"tags":{"name":"\\u00e9","n":1.5}}}'
    b"\n"
)


def test_the_bytes_are_those_of_the_format():
    """The text of a record never changes."""
    assert call_text(CALL) == GOLDEN
    assert plain(call_of(GOLDEN, CALL.key, "here")) == plain(canonical(CALL))


@given(records())
def test_everything_comes_back(call):
    """Any record comes back exactly as `canonical` says, and gives the same text again."""
    text = call_text(call)
    found = call_of(text, call.key, "here")
    assert plain(found) == plain(canonical(call))
    assert call_text(found) == text


@given(st.data())
def test_any_damage_is_noticed(data):
    """A flipped bit, a cut or an addition anywhere is damage, never another record."""
    place = data.draw(st.integers(0, len(GOLDEN) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    flipped = GOLDEN[:place] + bytes([GOLDEN[place] ^ bit]) + GOLDEN[place + 1 :]
    for hurt in (flipped, GOLDEN[:place], GOLDEN + b"x"):
        with pytest.raises(DamagedError, match="here") as caught:
            call_of(hurt, CALL.key, "here")
        assert not isinstance(caught.value, UnreadableError)


def test_a_record_under_another_name_is_damage():
    """A file that was copied to the name of another call is not that call's record."""
    with pytest.raises(DamagedError, match="another call"):
        call_of(GOLDEN, Digest("00" * 16), "here")


def test_a_later_format_is_left_alone(monkeypatch):
    """What a later version sealed is whole, and unreadable here."""
    monkeypatch.setattr("fleche.storage.call_text.MAJOR", 2)
    later = seal(b"fleche-call", {"new": 1})
    monkeypatch.undo()
    with pytest.raises(UnreadableError, match="upgrade"):
        unseal(b"fleche-call", later, "here")


def test_unknown_entries_are_ignored():
    """A minor change only adds."""
    body = unseal(b"fleche-call", GOLDEN, "here")
    more = seal(b"fleche-call", {**body, "later": [1]})
    assert call_of(more, CALL.key, "here") == canonical(CALL)


def test_what_is_no_record_is_unreadable():
    """Sealed text that is not a record, or of another kind, is never taken for one."""
    with pytest.raises(UnreadableError):
        call_of(seal(b"fleche-call", {"key": CALL.key}), CALL.key, "here")
    with pytest.raises(DamagedError):
        call_of(seal(b"fleche-code", {"key": CALL.key}), CALL.key, "here")


def test_what_cannot_be_stored_says_so():
    """A name that no text can hold, and metadata that is no JSON, are refused before anything is written."""
    for call in (CALL.evolve(name="\ud800"), CALL.evolve(metadata={"a": {"b": {1}}}), CALL.evolve(result=Digest("ab"))):
        with pytest.raises(SaveError):
            call_text(call)


def test_outcomes():
    """Each outcome has its word."""
    for outcome in Outcome:
        assert call_of(call_text(CALL.evolve(outcome=outcome)), CALL.key, "here").outcome is outcome


def test_a_signature_is_an_entry_of_its_own():
    """A signed record comes back with its signature; a reader that knows none finds the same record."""
    text = call_text(CALL, b"\x02\x08signature")
    assert signed_call_of(text, CALL.key, "here") == (canonical(CALL), b"\x02\x08signature")
    assert call_of(text, CALL.key, "here") == canonical(CALL)
    assert signed_call_of(GOLDEN, CALL.key, "here") == (canonical(CALL), None)
