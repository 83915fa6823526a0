"""The columns that a record is read from, in the order in which `fleche.storage.sql.rows.record_of` takes them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column

from fleche.storage.sql.schema import calls, environments, functions

__all__ = ["RECORD"]

RECORD: tuple[Column[Any], ...] = (
    calls.c.id,
    calls.c.key,
    functions.c.module,
    functions.c.name,
    functions.c.version,
    functions.c.code,
    calls.c.outcome,
    calls.c.result,
    calls.c.form,
    calls.c.at,
    calls.c.start,
    calls.c.wall,
    calls.c.cpu,
    calls.c.sys,
    environments.c.json,
    calls.c.parent,
    calls.c.expires,
)
