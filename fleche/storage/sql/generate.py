"""Writes ``statements.py`` from the tables: ``python -m fleche.storage.sql.generate > statements.py``.

The embedded store runs on ``sqlite3`` itself, with texts that SQLAlchemy wrote beforehand. A test generates them again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
    union,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Compiled
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from fleche.storage.sql.record_columns import RECORD
from fleche.storage.sql.schema import (
    METADATA,
    VERSION,
    aliases,
    arguments,
    calls,
    code,
    edges,
    environments,
    forgotten,
    functions,
    metadata,
    parts,
    values,
)

__all__ = ["render"]

_HEAD = '''"""SQLite's statements, by ``python -m fleche.storage.sql.generate``; change the tables or the generator.

The comment above each names its parameters in order.
"""

# ruff: noqa: E501
# fmt: off
'''

_ID: BindParameter[int] = bindparam("id")
_KEY: BindParameter[bytes] = bindparam("key")
_DIGEST: BindParameter[bytes] = bindparam("digest")
_FORM: BindParameter[bytes] = bindparam("form")
_LOW: BindParameter[bytes] = bindparam("low")
_HIGH: BindParameter[bytes] = bindparam("high")
_IDS = select(func.json_each(bindparam("ids")).table_valued("value").c.value)

_own_value = and_(
    calls.c.envelope.is_(None),
    values.c.digest == calls.c.result,
    values.c.form == func.coalesce(calls.c.form, values.c.form),
)
_inline = calls.c.envelope.is_not(None)


def _statements() -> dict[str, ClauseElement]:
    return {**_fast(), **_filing(), **_reading(), **_values(), **_said(), **_lineage()}


def _fast() -> dict[str, ClauseElement]:
    other = calls.alias("other")
    form = func.coalesce(calls.c.form, other.c.form)
    shared = and_(other.c.result == calls.c.result, other.c.form == form, other.c.envelope.is_not(None))
    stored = exists(select(literal_column("1")).select_from(values).where(_own_value))
    elsewhere = exists(select(literal_column("1")).select_from(other).where(shared))
    return {
        "LOOKUP": select(
            calls.c.outcome,
            calls.c.result,
            calls.c.form,
            calls.c.at,
            calls.c.expires,
            calls.c.envelope,
            calls.c.signature,
            values.c.form,
            values.c.size,
            values.c.stat,
            values.c.envelope,
        )
        .select_from(calls.outerjoin(values, _own_value))
        .where(calls.c.key == _KEY),
        "OLD": select(
            calls.c.id,
            calls.c.outcome,
            calls.c.result,
            calls.c.form,
            calls.c.expires,
            or_(calls.c.result.is_(None), _inline, stored, elsewhere),
            calls.c.signature,
        ).where(calls.c.key == _KEY),
        "FUNCTION": select(functions.c.id).where(
            *(functions.c[name] == bindparam(name) for name in ("module", "name", "version", "code"))
        ),
        "ENVIRONMENT": select(environments.c.id).where(environments.c.digest == _DIGEST),
    }


def _filing() -> dict[str, ClauseElement]:
    inline = select(calls.c.result, calls.c.form, func.length(calls.c.envelope), calls.c.envelope).where(
        calls.c.id == _ID, _inline
    )
    put = insert(values).values({name: bindparam(name) for name in ("digest", "form", "size", "stat", "envelope")})
    return {
        "ADD_FUNCTION": insert(functions).values(_parameters("name", "module", "version", "code")),
        "ADD_ENVIRONMENT": insert(environments).values(_parameters("digest", "json")),
        "ADD_CODE": insert(code).values(_parameters("digest", "kind", "tree", "source")).on_conflict_do_nothing(),
        "ADD_CALL": insert(calls).values(_parameters(*(c.name for c in calls.c if c.name != "id"))),
        "ADD_ARGUMENT": insert(arguments).values(_parameters(*(c.name for c in arguments.c))),
        "ADD_METADATA": insert(metadata).values(_parameters(*(c.name for c in metadata.c))),
        "ADD_PART": insert(parts).values(_parameters("parent", "child")).on_conflict_do_nothing(),
        "ADD_EDGE": insert(edges).values(_parameters(*(c.name for c in edges.c))),
        "PUT_VALUE": put.on_conflict_do_update(
            index_elements=["digest", "form"],
            set_={"size": put.excluded.size, "stat": put.excluded.stat, "envelope": put.excluded.envelope},
        ),
        "KEEP_INLINE": insert(values)
        .from_select(["digest", "form", "size", "envelope"], inline)
        .on_conflict_do_nothing(),
        "DROP_ARGUMENTS": delete(arguments).where(arguments.c.call == _ID),
        "DROP_METADATA": delete(metadata).where(metadata.c.call == _ID),
        "DROP_EDGES": delete(edges).where(edges.c.call == _ID),
        "DROP_CALL": delete(calls).where(calls.c.id == _ID),
    }


def _said() -> dict[str, ClauseElement]:
    said = select(aliases.c.old, aliases.c.new, aliases.c.who, aliases.c.at).order_by(aliases.c.at, aliases.c.old)
    put = insert(aliases).values(_parameters("old", "new", "who", "at"))
    latest = select(func.max(forgotten.c.id)).scalar_subquery()
    return {
        "ALIASES": said,
        "ALIASES_OF": said.where(aliases.c.new == bindparam("new")),
        "ADD_ALIAS": put.on_conflict_do_update(
            index_elements=["old", "new"], set_={"who": put.excluded.who, "at": put.excluded.at}
        ),
        "DROP_ALIAS": delete(aliases).where(aliases.c.old == bindparam("old"), aliases.c.new == bindparam("new")),
        "HAS_FORGOTTEN": select(literal_column("1"))
        .select_from(text("sqlite_master"))
        .where(literal_column("name") == literal_column("'forgotten'")),
        "FORGOTTEN": select(forgotten.c.at, forgotten.c.who, forgotten.c.why).where(forgotten.c.key == _KEY),
        "DROP_FORGOTTEN": delete(forgotten).where(forgotten.c.key == _KEY),
        "ADD_FORGOTTEN": insert(forgotten).values(_parameters("key", "at", "who", "why")),
        "TRIM_FORGOTTEN": delete(forgotten).where(forgotten.c.id <= latest - bindparam("limit")),
    }


def _parameters(*names: str) -> dict[str, BindParameter[Any]]:
    return {name: bindparam(name) for name in names}


def _reading() -> dict[str, ClauseElement]:
    key = calls.c.key
    oldest = (calls.c.at, calls.c.key)
    newest = (calls.c.at.desc(), calls.c.key.desc())
    return {
        "CALL_ID": select(calls.c.id).where(key == _KEY),
        "CALL_IDS": select(calls.c.id).order_by(*oldest),
        "SIGNATURES": select(calls.c.key, calls.c.signature).where(calls.c.signature.is_not(None)),
        "CALL_KEYS": select(key),
        "CALL_COUNT": select(func.count()).select_from(calls),
        "OLDEST_IDS": select(calls.c.id).order_by(*oldest).limit(bindparam("limit")).offset(literal_column("0")),
        "RECENT_IDS": select(calls.c.id).order_by(*newest).limit(bindparam("limit")).offset(literal_column("0")),
        "CALL_CANDIDATES": _two(select(key).where(key.between(_LOW, _HIGH)).order_by(key)),
        "CALL_BELOW": select(func.max(key)).where(key < _KEY),
        "CALL_ABOVE": select(func.min(key)).where(key > _KEY),
        "CALLS": select(*RECORD).select_from(calls.join(functions).outerjoin(environments)).where(calls.c.id.in_(_IDS)),
        "ARGUMENTS": select(arguments)
        .where(arguments.c.call.in_(_IDS))
        .order_by(arguments.c.call, arguments.c.position),
        "METADATA": select(metadata).where(metadata.c.call.in_(_IDS)).order_by(metadata.c.call),
        "CODE": select(code.c.kind, code.c.tree, code.c.source).where(code.c.digest == _DIGEST),
        "EDGES": select(edges.c.call, edges.c.input)
        .where(edges.c.call.in_(_IDS))
        .order_by(edges.c.call, edges.c.position),
    }


def _values() -> dict[str, ClauseElement]:
    stored = select(values.c.form, values.c.size, values.c.stat, values.c.envelope).where(values.c.digest == _DIGEST)
    inline = select(calls.c.form, calls.c.envelope).where(calls.c.result == _DIGEST, _inline)
    digest, result = values.c.digest, calls.c.result
    newest = select(values.c.size, values.c.envelope.is_(None).label("file")).order_by(values.c.id.desc())
    latest = newest.limit(bindparam("limit")).offset(literal_column("0")).subquery("latest")
    return {
        "VALUE": stored.order_by(values.c.id.desc()).limit(literal_column("1")).offset(literal_column("0")),
        "VALUE_FORM": stored.where(values.c.form == _FORM),
        "INLINE": inline.order_by(calls.c.id.desc()).limit(literal_column("1")).offset(literal_column("0")),
        "INLINE_FORM": inline.where(calls.c.form == _FORM).limit(literal_column("1")).offset(literal_column("0")),
        "VALUE_FILES": select(values.c.form).where(values.c.digest == _DIGEST, values.c.envelope.is_(None)),
        "VALUE_COPIES": select(values.c.id, values.c.form, values.c.envelope).where(values.c.digest == _DIGEST),
        "INLINE_COPIES": select(calls.c.id, calls.c.form, calls.c.envelope).where(calls.c.result == _DIGEST, _inline),
        "DROP_VALUE_COPY": delete(values).where(values.c.id == _ID),
        "DROP_INLINE_COPY": update(calls).values(envelope=null()).where(calls.c.id == _ID),
        "DROP_VALUE": delete(values).where(values.c.digest == _DIGEST),
        "DROP_VALUE_FORM": delete(values).where(values.c.digest == _DIGEST, values.c.form == _FORM),
        "CLEAR_INLINE": update(calls).values(envelope=null()).where(calls.c.result == _DIGEST, _inline),
        "VALUE_KEYS": union(select(digest), select(result).where(_inline)),
        "VALUE_CANDIDATES": _two(select(digest).distinct().where(digest.between(_LOW, _HIGH)).order_by(digest)),
        "INLINE_CANDIDATES": _two(
            select(result).distinct().where(result.between(_LOW, _HIGH), _inline).order_by(result)
        ),
        "VALUE_BELOW": select(func.max(digest)).where(digest < _KEY),
        "VALUE_ABOVE": select(func.min(digest)).where(digest > _KEY),
        "INLINE_BELOW": select(func.max(result)).where(result < _KEY, _inline),
        "INLINE_ABOVE": select(func.min(result)).where(result > _KEY, _inline),
        "LATEST_FILES": select(func.total(case((latest.c.file, latest.c.size), else_=literal_column("0")))),
        "VALUE_TOTALS": select(func.count(), func.total(values.c.size)).select_from(values),
        "INLINE_TOTALS": select(func.count(calls.c.result.distinct()), func.total(func.length(calls.c.envelope))).where(
            _inline
        ),
    }


def _lineage() -> dict[str, ClauseElement]:
    """Return what asks where results came from, and went."""
    oldest = select(calls.c.id).order_by(calls.c.at, calls.c.key).limit(bindparam("limit")).offset(literal_column("0"))
    taking = select(edges.c.call).where(edges.c.input == _KEY)
    using = select(arguments.c.call).where(arguments.c.digest == _DIGEST)
    return {
        "MAKER": select(calls.c.key)
        .where(calls.c.result == _DIGEST, calls.c.outcome == literal_column("0"), calls.c.key != _KEY)
        .order_by(calls.c.id.desc())
        .limit(literal_column("1"))
        .offset(literal_column("0")),
        "TAKERS": oldest.where(calls.c.id.in_(taking)),
        "USERS": oldest.where(calls.c.id.in_(using)),
    }


def _two(statement: Select[tuple[bytes]]) -> Select[tuple[bytes]]:
    return statement.limit(literal_column("2")).offset(literal_column("0"))


def _lines() -> Iterator[str]:
    dialect = sqlite.dialect(paramstyle="qmark")
    yield _HEAD
    yield "SCHEMA = (\n"
    for table in METADATA.sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        definitions: list[ClauseElement] = [CreateTable(table), *(CreateIndex(index) for index in indexes)]
        for definition in definitions:
            yield f"    {_quoted(str(definition.compile(dialect=dialect)))},\n"
    yield f"    \"INSERT INTO meta (name, value) VALUES ('schema', '{VERSION}')\",\n)\n"  # noqa: S608 - a constant
    for name, statement in _statements().items():
        compiled = statement.compile(dialect=dialect)
        yield f"\n# ({', '.join(_positions(compiled))})\n{name} = {_quoted(str(compiled))}\n"


def _positions(compiled: Compiled) -> Sequence[str]:
    return compiled.positiontup or () if isinstance(compiled, SQLCompiler) else ()


def _quoted(text: str) -> str:
    text = " ".join(text.split())
    return f"'{text}'" if '"' in text else f'"{text}"'


def render() -> str:
    """Return the text of ``statements.py``."""
    return "".join(_lines())


if __name__ == "__main__":
    sys.stdout.write(render())
