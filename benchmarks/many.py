"""A store of 100,000 calls: how long it takes to list, to find and to open."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.timing import duration, median
from fleche import q
from fleche.caches import Cache
from fleche.call import DigestedCall
from fleche.digest import digest
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope

CALLS = 100_000
FUNCTIONS = 10
START = 1_750_000_000
LIMITS = {"data frame of all, no values": 1.0, "by function and argument": 2e-3, "by prefix": 0.5e-3}


def fill(store: EmbeddedStore) -> None:
    """File calls as `cached` would, each with two scalar arguments and all metadata."""
    environment = {"hostname": "h", "username": "u", "cwd": "/x", "python_version": "3.11", "packages": {}}
    code = digest("code")
    for number in range(CALLS):
        start = float(START + number)
        runtime = {"timestart": start, "timestop": start + 0.5, "walltime": 0.5, "cputime": 0.25, "systime": 0.125}
        arguments = {"x": number, "lr": number / CALLS}
        envelope = Envelope.pack(number)
        record = DigestedCall(
            module="study",
            name=f"fit{number % FUNCTIONS}",
            code=code,
            arguments={name: digest(value) for name, value in arguments.items()},
            scalars=arguments,
            kinds={"x": "int", "lr": "float"},
            result=digest(number),
            form=envelope.form,
            metadata={"runtime": runtime, "environment": environment},
            at=datetime.fromtimestamp(start, UTC),
        )
        store.record(record, {digest(number): envelope})


def questions(cache: Cache) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what people ask of a store."""
    prefix = str(cache.query(name="fit3", arguments={"x": 5003}).only().key)[:8]
    yield "data frame of all, no values", lambda: cache.query().df()
    yield "by function and argument", lambda: list(cache.query(name="fit3", arguments={"x": 5003}))
    yield "the same as a condition", lambda: list(cache.query(name="fit3").where(q.arg.x == 5003))
    yield "by a range of an argument", lambda: list(cache.query(name="fit3").where(q.arg.lr < 0.001))
    yield "by prefix", lambda: cache.expand(prefix)
    yield "open the call of a prefix", lambda: cache[prefix].result
    yield "the 20 latest", lambda: cache.recent(20)


def main() -> None:
    """Fill a store, ask, and print medians beside what was promised."""
    with tempfile.TemporaryDirectory() as directory:
        store = EmbeddedStore(Path(directory) / "store")
        fill(store)
        size = (Path(directory) / "store" / "index.db").stat().st_size
        print(f"{CALLS:,} calls, {size / CALLS:.0f} bytes each")
        for name, question in questions(Cache(store.values, store.calls)):
            limit = LIMITS.get(name)
            print(f"{name:30} {duration(median(question)):>9}" + (f"   (limit {duration(limit)})" if limit else ""))
        store.close()


if __name__ == "__main__":
    main()
