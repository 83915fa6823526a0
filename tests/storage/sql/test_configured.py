"""A database as the configuration and the command line name it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from fleche.config import Opener
from fleche.storage.sql import SqlStore

SCRIPT = "from fleche import cached\n@cached\ndef f(x): return x * 2\nf(1), f(2)\n"


@pytest.fixture
def dialect():
    """The server only."""
    return "postgresql"


def test_a_url_with_a_schema_is_a_store(on_server, tmp_path, monkeypatch):
    """By FLECHE_STORE, alone and behind a directory; the command line shows no password, and moves its calls."""
    url = f"{on_server['url']}{'&' if '?' in on_server['url'] else '?'}schema={on_server['schema']}"
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = os.environ | {"FLECHE_STORE": url, "NO_COLOR": "1"}

    def run(*words, **more):
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment | more, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("script.py")
    told = json.loads(run("-m", "fleche", "info", "--json"))
    assert told["calls"] == 2
    assert on_server["schema"] in told["place"]
    assert run("-m", "fleche", "transfer", "default", "./copy").startswith("2 moved")
    run("script.py", FLECHE_STORE=f"./own,{url}")
    assert json.loads(run("-m", "fleche", "info", "--json", "--store", "./own"))["calls"] == 2
    with Opener()(url) as cache:
        assert isinstance(cache.values.store, SqlStore)
        assert cache.query().count() == 2
