"""What is asked of SQLite: as few statements as promised, in the texts that the tables give, in few bytes."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from fleche.clock import to_micros
from fleche.digest import digest
from fleche.storage.base import CodeRecord
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
from fleche.storage.sql import statements
from fleche.storage.sql.generate import render


@pytest.fixture
def traced(store):
    """A list to which every statement of this thread's connection is added."""
    texts: list[str] = []
    store._database.connection().set_trace_callback(texts.append)
    return texts


def test_the_statements_are_those_of_the_tables():
    """``statements.py`` is what the generator writes."""
    assert Path(statements.__file__).read_text() == render()


@pytest.mark.parametrize("value", [1.5, "x" * 5000, b"y" * 300_000], ids=["in the row", "in the index", "in a file"])
def test_a_hit_is_one_statement(store, file, result, traced, value):
    """Lookup and decoding of a result of any size ask the index once."""
    call = file(store, 1, value)
    traced.clear()
    assert result(store, call) == value
    assert len(traced) == 1


def test_a_miss_is_one_statement(store, make_call, traced):
    """That a call is unknown is found out by one statement."""
    traced.clear()
    assert store.lookup(make_call().key) is None
    assert len(traced) == 1


@pytest.mark.parametrize("value", [1.5, "x" * 5000, b"y" * 300_000])
def test_filing_is_one_transaction(store, make_call, traced, value):
    """Record, result, values of arguments, environment, code and metadata are committed once."""
    traced.clear()
    call = make_call(result=digest(value), metadata={"environment": {"a": 1}, "tags": {}}, inputs=(digest(1),))
    code = CodeRecord(digest("code"), "deep", "{}", "source")
    store.record(call, {digest(value): Envelope.pack(value), digest("z" * 9): Envelope.pack("z" * 9)}, code=code)
    assert all(text.startswith("SELECT") for text in traced[: traced.index("BEGIN IMMEDIATE")])
    assert traced[-1] == "COMMIT"
    assert sum(text.startswith(("BEGIN", "COMMIT", "ROLLBACK")) for text in traced) == 2


def test_queries_use_indexes(store):
    """Lookups, prefixes and queries by function or argument never read a whole table."""
    from fleche.call.records import QueryCall
    from fleche.storage.sql.records import find

    connection = store._database.connection()
    template = QueryCall(name="f", module="m", arguments={"x": 1, "y": 2}).digested()
    asked = [find(template), find(QueryCall(name="f", module="m")), find(QueryCall(result=1).digested())]
    asked += [(text, [b""] * text.count("?")) for name, text in vars(statements).items() if name in _BY_INDEX]
    for text, values in asked:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
        assert not [step for step in plan if step.startswith("SCAN")], text


_BY_INDEX = {
    "LOOKUP", "OLD", "FUNCTION", "ENVIRONMENT", "CALL_ID", "CALL_CANDIDATES", "CALL_BELOW", "CALL_ABOVE", "VALUE",
    "VALUE_FORM", "INLINE", "INLINE_FORM", "VALUE_CANDIDATES", "INLINE_CANDIDATES", "VALUE_BELOW", "INLINE_ABOVE",
}  # fmt: skip


def test_a_call_takes_at_most_450_bytes(root, make_call):
    """Two scalar arguments, everything recorded: at most 450 bytes per call over 10,000 calls."""
    store = EmbeddedStore(root)
    noise = random.Random(1)
    code = CodeRecord(digest("code"), "deep", "{}", "def f(): ...")

    def fill(connection):
        for number in range(10_000):
            rate, seed = noise.random(), noise.randrange(10_000)
            call = make_call(
                arguments={"rate": digest(rate), "seed": digest(seed)},
                scalars={"rate": rate, "seed": seed},
                kinds={"rate": "float", "seed": "int"},
                code=code.digest,
                result=digest(rate * seed),
            )
            start = to_micros(call.at) + number * 1_234_567
            wall, cpu, system = (noise.randrange(10_000_000) for _ in range(3))
            runtime = {"timestart": start / 1e6, "timestop": (start + wall) / 1e6}
            runtime |= {"walltime": wall / 1e6, "cputime": cpu / 1e6, "systime": system / 1e6}
            environment = {"hostname": "host", "packages": {"numpy": "2.0"}}
            call = call.evolve(
                at=call.at + timedelta(microseconds=number * 1_234_567),
                metadata={"runtime": runtime, "environment": environment},
            )
            store.record(call, {call.result: Envelope.pack(rate * seed)}, code=code)

    fill(None)
    store._database.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = store._directory.index.stat().st_size / 10_000
    store.close()
    assert size <= 450, f"{size} bytes per call"


def test_sqlalchemy_is_not_imported(root):
    """Opening, filing, looking up and querying import nothing heavy."""
    program = f"""
import sys
from fleche.call.records import DigestedCall, QueryCall
from fleche.digest import digest
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
store = EmbeddedStore({str(root)!r})
call = DigestedCall(module="m", name="f", result=digest(1))
store.record(call, {{digest(1): Envelope.pack(1)}})
assert store.lookup(call.key) and list(store.calls.query(QueryCall(name="f")))
heavy = {{"sqlalchemy", "numpy", "pandas", "cloudpickle", "asyncio"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)
