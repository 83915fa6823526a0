"""What a call is compared by does not depend on the seed of the process's hashes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import json
import fleche
from fleche.runtime import App
from fleche.runtime.orchestrator.routing import _Scope
from fleche.testing import tasks

fleche.set_default_cache("memory")
app = App("seeds", {"clientdatastore": {"min_size_to_cache": 100}})
words = [f"word {number}" for number in range(50)]
values = {
    "set": set(words),
    "frozenset": frozenset(words),
    "sets in a dict": {word: set(words) for word in words},
    "sets in a set": [{(word, frozenset(words[:9])) for word in words}],
    "dict": {word: {"b": [word], "a": None} for word in words},
    "text": "".join(words),
    "number": 2**70,
}
task = tasks.bound(tasks.echo, app, registration_concurrency="arguments")
told = {}
for name, value in values.items():
    call = task(value).call
    told[name] = {
        "key": app.engine.info(task(value).invocation_id).key,
        "scope": _Scope(task, None, (value,), {}).of("arguments"),
        "call_id": call.call_id.key,
        "text": call.serialized_arguments["value"],
    }
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> list[Any]:
    """What two processes of different seeds say of the same calls."""
    found = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", SCRIPT]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        found.append(json.loads(said))
    return found


def test_processes_agree_on_what_is_compared(told: list[Any]) -> None:
    """The key, by which calls are answered and joined, and the scope of concurrency: of sets and dicts, nested."""
    one, other = told
    assert len(one) == 7
    for name in one:
        for part in ("key", "scope"):
            assert one[name][part] == other[name][part], (name, part)


@pytest.mark.parametrize("name", ["dict", "text", "number"])
def test_processes_agree_on_the_id_of_a_text(told: list[Any], name: str) -> None:
    """The reference format hashes what is sent; that is the same where nothing in it has an order of its own."""
    one, other = told
    for part in ("call_id", "text"):
        assert one[name][part] == other[name][part]
