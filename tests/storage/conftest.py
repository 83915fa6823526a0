"""What the tests of every store use: calls, filed with a value and read back, and the files that are open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleche.call.records import DigestedCall
from fleche.digest import digest
from fleche.storage.envelope import Envelope

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def open_below():
    """Return the files below a directory that this process has open."""

    def found(root):
        names = []
        for number in list(Path("/proc/self/fd").iterdir()):
            try:
                names.append(str(number.readlink()))
            except OSError:
                continue
        return [name for name in names if name.startswith(str(root))]

    return found


@pytest.fixture
def make_call():
    def make(x=0, **fields):
        given = {
            "module": "m",
            "name": "f",
            "arguments": {"x": digest(x)},
            "scalars": {"x": x},
            "kinds": {"x": "int"},
            "at": NOON + timedelta(seconds=x),
        }
        return DigestedCall(**{**given, **fields})

    return make


@pytest.fixture
def file(make_call):
    """File ``m.f(x)`` with a value, and return the record."""

    def do(store, x, value, **fields):
        call = make_call(x, result=digest(value), **fields)
        store.record(call, {digest(value): Envelope.pack(value)})
        return call

    return do


@pytest.fixture
def result():
    """Return the stored result of a call, or None where it is gone."""

    def do(store, call):
        hit = store.lookup(call.key)
        return None if hit is None or hit.envelope is None else store.decode(hit.result, hit.envelope)

    return do
