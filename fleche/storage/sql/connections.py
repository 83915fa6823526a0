"""The connections to one database, by SQLAlchemy: pooled, dropped by forked children, opened again when they break."""

from __future__ import annotations

import random
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Executable, StaticPool, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from fleche.clock import SYSTEM, Clock
from fleche.errors import ConfigError
from fleche.faults import reach
from fleche.storage.forks import FORKS
from fleche.storage.sql.address import SQLITE, Address
from fleche.storage.sql.driver_errors import is_conflict, is_disconnect, translated
from fleche.storage.sql.gate import Gate

__all__ = ["Connections"]

Result = TypeVar("Result")

_ATTEMPTS = 20  # how often a transaction is run that the database gives up because of another one
_PAUSE = 0.002  # seconds, at most, before the second attempt; doubled up to 64 times of that
_BUSY = 60.0  # seconds that a writer of SQLite waits for the others
_IDLE = 4  # connections that stay open
_MORE = 8  # connections beyond those, for threads at work


class Connections:
    """The connections of one process to one database, shared by its threads.

    Work is given as a function of a connection, and may be run more than once: databases give up transactions that
    meet (serialization failure, deadlock) and ask the client to run them again, and a connection that is found broken
    is replaced once.

    Args:
        address: Where the database is.
        opening: Called with an engine before the first use in a process: makes the tables, checks the format.
        echo: Whether SQLAlchemy logs each statement.
        clock: What waits between attempts.
    """

    def __init__(
        self, address: Address, opening: Callable[[Engine], None], *, echo: bool = False, clock: Clock = SYSTEM
    ) -> None:
        self.address = address
        self._opening = opening
        self._echo = echo
        self._clock = clock
        self._engine: Engine | None = None
        self._end: weakref.finalize[Any, Any] | None = None
        self._inherited: list[object] = []  # of the parent, and never touched here
        self._renew()
        FORKS.add(self)

    def _renew(self) -> None:
        self._gate = Gate()
        self._making = threading.RLock()
        # One connection is all that sees a database in memory.
        self._turn: AbstractContextManager[object] = threading.RLock() if self.address.in_memory else nullcontext()

    def one(self, statement: Executable, parameters: Mapping[str, object] | None = None) -> tuple[Any, ...] | None:
        """Run one statement by itself, without a transaction around it, and return its first row.

        Raises:
            StoreError: The database cannot be used.
        """
        return self._repeated(_One(statement, parameters), self._alone)

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run queries that all see one state of the database.

        Raises:
            StoreError: The database cannot be used.
        """
        return self._repeated(work, self._snapshot)

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run one transaction, whole or not at all.

        Args:
            work: What to do; it may be called several times.

        Raises:
            SaveError: The database refuses the data.
            StoreError: The database cannot be used.
        """
        return self._repeated(work, self._transaction)

    def close(self) -> None:
        """Close all connections, those at work as soon as they are done. Later use opens new ones."""
        with self._making:
            end, self._end, self._engine = self._end, None, None
        if end is not None:
            end()

    def is_open(self) -> bool:
        """Whether there may be open connections."""
        return self._engine is not None

    def before_fork(self) -> None:
        """Wait for statements at work; SQLite must have no open connection, since it notes its locks by process."""
        self._gate.shut()
        if self.address.dialect == SQLITE and not self.address.in_memory:
            self.close()

    def after_fork_in_parent(self) -> None:
        """Work on."""
        self._gate.open()

    def after_fork_in_child(self) -> None:
        """Drop the parent's connections unused: closing one would say good-bye to the server in its name."""
        if self._engine is not None and not self.address.in_memory:
            self._inherited.append((self._engine, self._engine.pool))
            if self._end is not None:
                self._inherited.append(self._end.detach())
            self._engine, self._end = None, None
        self._renew()

    def _repeated(
        self,
        work: Callable[[Connection], Result],
        around: Callable[[Engine], AbstractContextManager[Connection]],
    ) -> Result:
        reconnected = False
        attempt = 0
        with self._gate:
            while True:
                try:
                    with self._turn, around(self._ready()) as connection:
                        return work(connection)
                except (DBAPIError, PoolTimeoutError) as error:
                    failure = error
                attempt += 1
                if is_disconnect(failure) and not reconnected:
                    reconnected = True
                elif attempt >= _ATTEMPTS or not (is_conflict(failure) or isinstance(failure, IntegrityError)):
                    cause = getattr(failure, "orig", None)
                    raise translated(failure, self.address) from cause
                else:
                    self._clock.sleep(random.uniform(0, _PAUSE * 2 ** min(attempt, 6)))  # noqa: S311 - no secret

    def _ready(self) -> Engine:
        engine = self._engine
        if engine is not None:
            return engine
        with self._making:
            if self._engine is None:
                engine = self._made()
                try:
                    self._opening(engine)
                except BaseException:
                    engine.dispose()
                    raise
                self._end = weakref.finalize(self, FORKS.close, _Disposal(engine))
                self._engine = engine
            return self._engine

    def _made(self) -> Engine:
        options: dict[str, Any] = {"echo": self._echo, "hide_parameters": True}
        if self.address.in_memory:
            options |= {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        elif self.address.dialect == SQLITE:
            options |= {"connect_args": {"check_same_thread": False, "timeout": _BUSY}}
        else:
            given = self.address.url.query
            defaults = {"application_name": "fleche", "connect_timeout": 10}
            options |= {
                "connect_args": {name: value for name, value in defaults.items() if name not in given},
                "pool_size": _IDLE,
                "max_overflow": _MORE,
                "pool_timeout": _BUSY,
                "pool_use_lifo": True,
            }
        try:
            engine = create_engine(self.address.url, **options)
        except ImportError as error:
            raise ConfigError(
                f"a store at {self.address.place} needs the driver psycopg: install fleche[postgres]"
            ) from error
        if self.address.dialect == SQLITE:
            event.listen(engine, "connect", _prepare_sqlite)
            return engine
        return engine.execution_options(schema_translate_map={None: self.address.schema})

    @contextmanager
    def _alone(self, engine: Engine) -> Iterator[Connection]:
        with self._connected(engine) as connection:
            if self.address.dialect != SQLITE:
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            yield connection

    @contextmanager
    def _snapshot(self, engine: Engine) -> Iterator[Connection]:
        with self._connected(engine) as connection:
            if self.address.dialect == SQLITE:
                connection.exec_driver_sql("BEGIN")
            else:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        """A transaction, in PostgreSQL at READ COMMITTED: rows and unique indexes are locked where it matters."""
        with self._connected(engine) as connection:
            if self.address.dialect == SQLITE:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection = connection.execution_options(isolation_level="READ COMMITTED")
            yield connection
            reach("record:before-commit")
            connection.commit()
            reach("record:after-commit")

    @contextmanager
    def _connected(self, engine: Engine) -> Iterator[Connection]:
        with engine.connect() as connection:
            try:
                yield connection
            finally:
                if self._engine is not engine and not connection.closed and not connection.invalidated:
                    connection.rollback()
                    connection.detach()  # the store was closed meanwhile: not back into the pool


class _One:
    """One statement, of which the first row is wanted."""

    def __init__(self, statement: Executable, parameters: Mapping[str, object] | None) -> None:
        self._statement = statement
        self._parameters = parameters

    def __call__(self, connection: Connection) -> tuple[Any, ...] | None:
        result = connection.execute(self._statement, self._parameters)
        row = result.first() if result.returns_rows else None
        return None if row is None else tuple(row)


class _Disposal:
    """Closes an engine's connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        self._engine.dispose()


def _prepare_sqlite(connection: Any, _: object) -> None:
    """Leave transactions to us; readers and a writer do not wait for each other."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
