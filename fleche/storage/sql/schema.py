"""The tables, version 1, the same on every dialect. ``docs/formats/schema.md`` says what each column means.

Only the generator of `fleche.storage.sql.statements` and other dialects import this: SQLAlchemy is slow to import.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect

from fleche.storage.sql.words import escaped, unescaped

__all__ = [
    "METADATA",
    "VERSION",
    "aliases",
    "arguments",
    "calls",
    "code",
    "edges",
    "environments",
    "forgotten",
    "functions",
    "leases",
    "meta",
    "metadata",
    "parts",
    "values",
]

VERSION = 1
METADATA = MetaData()


class _Words(TypeDecorator[str]):
    """Text that users chose; see `fleche.storage.sql.words`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what is stored."""
        if value is None or dialect.name != "postgresql":
            return value
        return escaped(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what was given."""
        if value is None or dialect.name != "postgresql":
            return value
        return unescaped(value)


_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite's own row number must be declared INTEGER

functions = Table(
    "functions",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("module", _Words, nullable=False),
    Column("name", _Words, nullable=False),
    Column("version", Text, nullable=False),
    Column("code", LargeBinary, nullable=False),
    UniqueConstraint("name", "module", "version", "code"),
)

code = Table(
    "code",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("tree", Text, nullable=False),
    Column("source", Text, nullable=False),
    sqlite_with_rowid=False,
)

environments = Table(
    "environments",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("json", Text, nullable=False),
)

calls = Table(
    "calls",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("function", _ID, ForeignKey("functions.id"), nullable=False),
    Column("outcome", SmallInteger, nullable=False),
    Column("result", LargeBinary),
    Column("form", LargeBinary),
    Column("at", BigInteger),
    Column("start", BigInteger),
    Column("wall", BigInteger),
    Column("cpu", BigInteger),
    Column("sys", BigInteger),
    Column("environment", _ID, ForeignKey("environments.id")),
    Column("parent", LargeBinary),
    Column("expires", BigInteger),
    Column("signature", LargeBinary),
    Column("envelope", LargeBinary),
)
Index("calls_key", calls.c.key, unique=True)
Index("calls_function", calls.c.function)
Index("calls_at", calls.c.at)
Index("calls_result", calls.c.result)

arguments = Table(
    "arguments",
    METADATA,
    Column("call", _ID, ForeignKey("calls.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", _Words, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("kind", _Words),
    Column("i", BigInteger),
    Column("r", Double),
    Column("t", Text),
    sqlite_with_rowid=False,
)
Index("arguments_digest", arguments.c.digest, arguments.c.name)
for _column in (arguments.c.i, arguments.c.r, arguments.c.t):
    _given = _column.is_not(None)
    Index(f"arguments_{_column.name}", arguments.c.name, _column, sqlite_where=_given, postgresql_where=_given)

metadata = Table(
    "metadata",
    METADATA,
    Column("call", _ID, ForeignKey("calls.id"), primary_key=True),
    Column("namespace", _Words, primary_key=True),
    Column("json", Text, nullable=False),
    sqlite_with_rowid=False,
)

edges = Table(
    "edges",
    METADATA,
    Column("call", _ID, ForeignKey("calls.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("input", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index("edges_input", edges.c.input)

values = Table(
    "values",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("form", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("stat", Text),
    Column("envelope", LargeBinary),
)
Index("values_digest", values.c.digest, values.c.form, unique=True)

parts = Table(
    "parts",
    METADATA,
    Column("parent", LargeBinary, primary_key=True),
    Column("child", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)
Index("parts_child", parts.c.child)

aliases = Table(
    "aliases",
    METADATA,
    Column("old", LargeBinary, primary_key=True),
    Column("new", LargeBinary, primary_key=True),
    Column("who", Text),
    Column("at", BigInteger),
    sqlite_with_rowid=False,
)

forgotten = Table(
    "forgotten",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("key", LargeBinary, nullable=False, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("who", _Words, nullable=False),
    Column("why", Text, nullable=False),
)

leases = Table(
    "leases",
    METADATA,
    Column("key", LargeBinary, primary_key=True),
    Column("token", BigInteger, nullable=False),
    Column("owner", Text),
    Column("since", BigInteger),
    Column("until", BigInteger),
    sqlite_with_rowid=False,
)

meta = Table(
    "meta",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)
