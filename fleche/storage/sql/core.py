"""The statements of stores on a server, by SQLAlchemy Core: the same on every dialect but for a few inserts."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Select,
    TextClause,
    and_,
    bindparam,
    delete,
    exists,
    func,
    null,
    or_,
    select,
    text,
    union,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from fleche.call.records import QueryCall
from fleche.storage.sql.conditions import Clause, Dialect, may_hold
from fleche.storage.sql.record_columns import RECORD
from fleche.storage.sql.rows import outcome_number, version_text
from fleche.storage.sql.schema import (
    arguments,
    calls,
    code,
    edges,
    environments,
    functions,
    leases,
    metadata,
    parts,
    values,
)

__all__ = ["Inserts", "find", "inserts", "latest"]

# In an update, a parameter named as a column is a value to set: there conditions have other names.
_KEY: BindParameter[bytes] = bindparam("key")
_DIGEST: BindParameter[bytes] = bindparam("digest")
_FORM: BindParameter[bytes] = bindparam("form")
_LOW: BindParameter[bytes] = bindparam("low")
_HIGH: BindParameter[bytes] = bindparam("high")
_ID: BindParameter[int] = bindparam("id")
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_DIGESTS: BindParameter[Any] = bindparam("digests", expanding=True)

_inline = calls.c.envelope.is_not(None)
_other = calls.alias("other")


class now_micros(FunctionElement[int]):  # noqa: N801 - named as functions of SQL are
    """The server's clock, in microseconds since 1970 UTC; the clock of leases, so that no two hosts are compared."""

    type = BigInteger()
    inherit_cache = True
    name = "now_micros"


@compiles(now_micros)
def _now(*_: object, **__: object) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


@compiles(now_micros, "sqlite")
def _now_in_sqlite(*_: object, **__: object) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"


# Which of several forms a record without one gets: the one saved last.
_own_value = (
    select(values.c.envelope)
    .where(
        values.c.digest == calls.c.result,
        values.c.form == func.coalesce(calls.c.form, values.c.form),
        values.c.envelope.is_not(None),
    )
    .order_by(values.c.id.desc())
    .limit(1)
    .correlate(calls)
    .scalar_subquery()
)
_shared = and_(
    _other.c.result == calls.c.result,
    _other.c.form == func.coalesce(calls.c.form, _other.c.form),
    _other.c.envelope.is_not(None),
)
_from_another = (
    select(_other.c.envelope).where(_shared).order_by(_other.c.id.desc()).limit(1).correlate(calls).scalar_subquery()
)

LOOKUP = select(
    calls.c.outcome,
    calls.c.result,
    calls.c.form,
    calls.c.at,
    calls.c.expires,
    func.coalesce(calls.c.envelope, _own_value, _from_another),
    calls.c.signature,
).where(calls.c.key == _KEY)

_stored = exists(
    select(values.c.id).where(
        values.c.digest == calls.c.result, values.c.form == func.coalesce(calls.c.form, values.c.form)
    )
).correlate(calls)
_elsewhere = exists(select(_other.c.id).where(_shared)).correlate(calls)

OLD = (
    select(
        calls.c.id,
        calls.c.outcome,
        calls.c.result,
        calls.c.form,
        calls.c.expires,
        or_(calls.c.result.is_(None), _inline, _stored, _elsewhere),
        calls.c.signature,
    )
    .where(calls.c.key == _KEY)
    .with_for_update(of=calls)
)
CALL_LOCKED = select(calls.c.id).where(calls.c.key == _KEY).with_for_update()

KNOWN_FUNCTION = select(functions.c.id).where(
    *(functions.c[name] == bindparam(name) for name in ("module", "name", "version", "code"))
)
VARIANTS = (
    select(functions.c.version, functions.c.code)
    .where(*(functions.c[name] == bindparam(name) for name in ("module", "name")))
    .order_by(functions.c.id.desc())
)
CODE = select(code.c.kind, code.c.tree, code.c.source).where(code.c.digest == _DIGEST)
KNOWN_ENVIRONMENT = select(environments.c.id).where(environments.c.digest == _DIGEST)

KEEP_INLINE_ROWS = select(calls.c.result, calls.c.form, func.length(calls.c.envelope), calls.c.envelope).where(
    calls.c.id == _ID, _inline
)
DROP = (
    delete(arguments).where(arguments.c.call == _ID),
    delete(metadata).where(metadata.c.call == _ID),
    delete(edges).where(edges.c.call == _ID),
    delete(calls).where(calls.c.id == _ID),
)

_oldest = (calls.c.at.asc().nulls_first(), calls.c.key)
_newest = (calls.c.at.desc().nulls_last(), calls.c.key.desc())

CALL_ID = select(calls.c.id).where(calls.c.key == _KEY)
PRESENT_CALLS = select(calls.c.key).where(calls.c.key.in_(bindparam("keys", expanding=True)))
CALL_IDS = select(calls.c.id).order_by(*_oldest)
SIGNATURES = select(calls.c.key, calls.c.signature).where(calls.c.signature.is_not(None))
CALL_COUNT = select(func.count()).select_from(calls)
RECENT_IDS = select(calls.c.id).order_by(*_newest).limit(bindparam("limit"))

RECORDS = select(*RECORD).select_from(calls.join(functions).outerjoin(environments)).where(calls.c.id.in_(_IDS))
ARGUMENTS = select(arguments).where(arguments.c.call.in_(_IDS)).order_by(arguments.c.call, arguments.c.position)
METADATA = select(metadata).where(metadata.c.call.in_(_IDS)).order_by(metadata.c.call)
EDGES = select(edges.c.call, edges.c.input).where(edges.c.call.in_(_IDS)).order_by(edges.c.call, edges.c.position)

_kept = select(values.c.form, values.c.envelope).where(values.c.digest == _DIGEST)
_in_calls = select(calls.c.form, calls.c.envelope).where(calls.c.result == _DIGEST, _inline)
VALUE = _kept.order_by(values.c.id.desc()).limit(1)
VALUE_FORM = _kept.where(values.c.form == _FORM)
INLINE = _in_calls.order_by(calls.c.id.desc()).limit(1)
INLINE_FORM = _in_calls.where(calls.c.form == _FORM).limit(1)
NEWEST_FORM = select(values.c.form).where(values.c.digest == _DIGEST).order_by(values.c.id.desc()).limit(1)
PRESENT = union_all(
    select(values.c.digest, values.c.form).where(values.c.digest.in_(_DIGESTS)),
    select(calls.c.result, calls.c.form).where(calls.c.result.in_(_DIGESTS), _inline).distinct(),
)
HAS_VALUE = union_all(
    select(values.c.form).where(values.c.digest == _DIGEST),
    select(calls.c.form).where(calls.c.result == _DIGEST, _inline),
).limit(1)
DROP_VALUE = delete(values).where(values.c.digest == _DIGEST)
DROP_VALUE_FORM = DROP_VALUE.where(values.c.form == _FORM)
CLEAR_INLINE = update(calls).values(envelope=null()).where(calls.c.result == _DIGEST, _inline)

VALUE_COPIES = select(values.c.id, values.c.digest, values.c.form, values.c.envelope)
INLINE_COPIES = select(calls.c.id, calls.c.result, calls.c.form, calls.c.envelope).where(_inline)
DROP_VALUE_COPY = delete(values).where(values.c.id == bindparam("number"))
DROP_INLINE_COPY = update(calls).values(envelope=null()).where(calls.c.id == bindparam("number"))

VALUE_TOTALS = select(func.count(), func.coalesce(func.sum(values.c.size), 0)).select_from(values)
INLINE_TOTALS = select(
    func.count(calls.c.result.distinct()), func.coalesce(func.sum(func.length(calls.c.envelope)), 0)
).where(_inline)

CALL_KEYS = (select(calls.c.key),)
VALUE_KEYS = (union(select(values.c.digest), select(calls.c.result).where(_inline)),)


def _two(column: Any, *also: Any) -> Select[Any]:
    return select(column).distinct().where(column.between(_LOW, _HIGH), *also).order_by(column).limit(2)


_last = select(func.max(calls.c.id)).where(calls.c.result.in_(_DIGESTS), calls.c.outcome == 0, calls.c.key != _KEY)
MAKERS = select(calls.c.result, calls.c.key).where(calls.c.id.in_(_last.group_by(calls.c.result)))
_traced = select(calls.c.id).order_by(*_oldest).limit(bindparam("limit"))
TAKERS = _traced.where(calls.c.id.in_(select(edges.c.call).where(edges.c.input == _KEY)))
USERS = _traced.where(calls.c.id.in_(select(arguments.c.call).where(arguments.c.digest == _DIGEST)))


def _below(column: Any, *also: Any) -> Select[Any]:
    return select(column).where(column < _KEY, *also).order_by(column.desc()).limit(1)


def _above(column: Any, *also: Any) -> Select[Any]:
    return select(column).where(column > _KEY, *also).order_by(column).limit(1)


CALL_CANDIDATES = (_two(calls.c.key),)
CALL_BELOW = (_below(calls.c.key),)
CALL_ABOVE = (_above(calls.c.key),)
VALUE_CANDIDATES = (_two(values.c.digest), _two(calls.c.result, _inline))
VALUE_BELOW = (_below(values.c.digest), _below(calls.c.result, _inline))
VALUE_ABOVE = (_above(values.c.digest), _above(calls.c.result, _inline))

_live = and_(leases.c.owner.is_not(None), leases.c.until >= now_micros())
_this_lease = and_(leases.c.key == bindparam("of"), leases.c.token == bindparam("held"))
LIVE = select(leases.c.token, leases.c.owner, leases.c.since).where(leases.c.key == _KEY, _live)
LIVE_TOKENS = select(leases.c.key, leases.c.token).where(leases.c.key.in_(_DIGESTS), _live)
WAITS = select(leases.c.key, leases.c.owner).where(leases.c.key.between(_LOW, _HIGH), _live)
HELD = select(leases.c.token).where(_this_lease, leases.c.owner.is_not(None)).with_for_update()
BEAT = (
    update(leases)
    .where(_this_lease, leases.c.owner.is_not(None))
    .values(until=now_micros() + bindparam("term", type_=BigInteger))
    .returning(leases.c.token)
)
GIVE_BACK = update(leases).where(_this_lease).values(owner=null(), until=now_micros())
ERASE = delete(leases).where(leases.c.key == _KEY)
SWEEP = delete(leases).where(leases.c.until < now_micros() - bindparam("age", type_=BigInteger))


class Inserts:
    """The inserts whose handling of conflicts each dialect writes in its own way.

    Args:
        dialect: ``postgresql`` or ``sqlite``.
    """

    def __init__(self, dialect: str) -> None:
        insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
        larger: Any = func.greatest if dialect == "postgresql" else func.max
        self.function = self._new(insert, functions, "module", "name", "version", "code")
        self.environment = self._new(insert, environments, "digest", "json")
        self.code = self._new(insert, code, "digest", "kind", "tree", "source")
        own: dict[str, Any] = {column.name: bindparam(column.name) for column in calls.c if column.name != "id"}
        own["function"] = KNOWN_FUNCTION.with_only_columns(functions.c.id).scalar_subquery()
        own["environment"] = KNOWN_ENVIRONMENT.scalar_subquery()
        self.call = (
            insert(calls)
            .values(own)
            .on_conflict_do_nothing(index_elements=["key"])
            .returning(calls.c.id, calls.c.environment)
        )
        put = insert(values).values({name: bindparam(name) for name in ("digest", "form", "size", "envelope")})
        self.value = put.on_conflict_do_update(
            index_elements=["digest", "form"],
            set_={"size": put.excluded.size, "stat": null(), "envelope": put.excluded.envelope},
        )
        self.keep_inline = (
            insert(values)
            .from_select(["digest", "form", "size", "envelope"], KEEP_INLINE_ROWS)
            .on_conflict_do_nothing()
        )
        self.argument = arguments.insert()
        self.metadata = metadata.insert()
        self.edge = edges.insert()
        self.part = self._new(insert, parts, "parent", "child")
        new = insert(leases).values(
            key=bindparam("key"),
            token=now_micros(),
            owner=bindparam("owner"),
            since=now_micros(),
            until=now_micros() + bindparam("term", type_=BigInteger),
        )
        free = or_(
            leases.c.owner.is_(None),
            leases.c.until < new.excluded.since,
            leases.c.owner == new.excluded.owner,  # ours: the answer to the first attempt was lost
        )
        self.claim = new.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "token": larger(leases.c.token + 1, new.excluded.token),
                "owner": new.excluded.owner,
                "since": new.excluded.since,
                "until": new.excluded.until,
            },
            where=free,
        ).returning(leases.c.token)

    @staticmethod
    def _new(insert: Any, table: Any, *names: str) -> Any:
        """Insert what is not there yet, and burn no number where it is."""
        return insert(table).values({name: bindparam(name) for name in names}).on_conflict_do_nothing()


@cache
def inserts(dialect: str) -> Inserts:
    """Return the inserts of a dialect; they are made once, and SQLAlchemy compiles them once."""
    return Inserts(dialect)


def find(template: QueryCall, dialect: Dialect) -> Select[Any]:
    """Return the query for the numbers of all records that a template may match, oldest first.

    The query narrows as far as indexes go; `QueryCall.matches` decides.

    Args:
        template: Digested.
        dialect: How the database says what conditions need.
    """
    query = select(calls.c.id).select_from(calls.join(functions))
    query = query.where(calls.c.outcome.in_([outcome_number(outcome) for outcome in template.outcomes]))
    if template.name is not None:
        query = query.where(functions.c.name == template.name)
    if template.module is not None:
        query = query.where(functions.c.module == template.module)
    if template.version is not None:
        query = query.where(functions.c.version == version_text(template.version))
    if template.code is not None:
        query = query.where(functions.c.code == _raw(template.code))
    if template.result is not None:
        query = query.where(calls.c.result == _raw(template.result))
    for name, digest in template.arguments.items():
        given = select(arguments.c.call).where(arguments.c.digest == _raw(digest), arguments.c.name == name)
        query = query.where(calls.c.id.in_(given))
    if template.where is not None:
        query = query.where(_clause(may_hold(template.where, dialect)))
    return query.order_by(*_oldest)


def latest(template: QueryCall, dialect: Dialect, limit: int) -> Select[Any]:
    """Return the query for the numbers of those records that a template may match which were filed last.

    Args:
        template: Digested, and nothing in it that only Python can decide: no condition, no metadata.
        dialect: As for `find`.
        limit: How many at most.
    """
    return find(template, dialect).order_by(None).order_by(calls.c.id.desc()).limit(limit)


def _clause(clause: Clause) -> TextClause:
    """Return a piece of SQL for a query of SQLAlchemy's, with its parameters."""
    pieces = clause.text.split("?")
    names = [f"asked_{number}" for number in range(len(clause.parameters))]
    said = "".join(f"{piece}:{name}" for piece, name in zip(pieces, names, strict=False)) + pieces[-1]
    return text(said).bindparams(**dict(zip(names, clause.parameters, strict=True)))


def _raw(digest: str) -> bytes:
    """Return a digest as bytes; what is no whole digest gives bytes that match nothing."""
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return b""
