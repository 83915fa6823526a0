"""Stores in a real PostgreSQL and in SQLite files, checked for open connections."""

from __future__ import annotations

import itertools
import os
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from fleche.call.records import DigestedCall
from fleche.digest import digest
from fleche.storage.envelope import Envelope
from fleche.storage.sql import SqlStore
from tests.servers import opened

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_numbers = itertools.count()


@pytest.fixture(params=["postgresql", "sqlite"])
def dialect(request):
    return request.param


@pytest.fixture
def address(request, dialect, tmp_path):
    """The arguments of a new store: of each dialect in turn."""
    if dialect == "sqlite":
        return {"url": f"sqlite:///{tmp_path}/calls.db"}
    return {"url": request.getfixturevalue("server").url, "schema": f"t{os.getpid()}_{next(_numbers)}"}


@pytest.fixture
def on_server(server):
    """The arguments of a new store on the server."""
    return {"url": server.url, "schema": f"t{os.getpid()}_{next(_numbers)}"}


@pytest.fixture
def opener(request, dialect):
    server = None if dialect == "sqlite" else request.getfixturevalue("server")
    return partial(opened, server, dialect)


@pytest.fixture
def make_store(address):
    """Open the same store, as often as asked; all are closed at the end."""
    made = []

    def do(**options):
        made.append(SqlStore(**{**address, **options}))
        return made[-1]

    yield do
    for store in made:
        store.close()


@pytest.fixture
def store(make_store):
    return make_store()


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
