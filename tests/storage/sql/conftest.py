"""Stores in a real PostgreSQL and in SQLite files, checked for open connections."""

from __future__ import annotations

import itertools
import os
from functools import partial

import pytest

from fleche.storage.sql import SqlStore
from tests.servers import opened

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
