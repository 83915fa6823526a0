"""A notebook in a real kernel, by the protocol that every front end speaks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import fleche

if find_spec("ipykernel") is None or find_spec("jupyter_client") is None:
    if os.environ.get("FLECHE_REQUIRE_SERVICES") == "1":
        raise ModuleNotFoundError("FLECHE_REQUIRE_SERVICES=1, but ipykernel or jupyter-client is not installed")
    pytest.skip("ipykernel and jupyter-client are in the dependency group 'services'", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client", "ignore::ResourceWarning")

_PATIENCE = 120.0  # seconds until a kernel that says nothing counts as broken


class Notebook:
    """A kernel and the client that a front end would be."""

    def __init__(self) -> None:
        from jupyter_client.manager import KernelManager

        self._kernel: Any = KernelManager(kernel_name="python3")
        self._kernel.start_kernel()
        self._connect()

    def _connect(self) -> None:
        self._client = self._kernel.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_PATIENCE)

    def run(self, cell: str) -> dict[str, str]:
        """Run a cell and return its output by type; ``text`` is what it printed."""
        found: dict[str, str] = {"text": ""}

        def output(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                found["text"] += content["text"]
            elif message["msg_type"] in ("execute_result", "display_data"):
                found.update(content["data"])

        reply = self._client.execute_interactive(cell, output_hook=output, timeout=_PATIENCE)["content"]
        assert reply["status"] == "ok", "\n".join(reply["traceback"])
        return found

    def complete(self, text: str) -> list[str]:
        """Return what the tabulator key offers behind a text."""
        reply = self._client.complete(text, len(text), reply=True, timeout=_PATIENCE)["content"]
        return [*reply["matches"]]

    def restart(self) -> None:
        """Restart the kernel, as its menu does."""
        self._client.stop_channels()
        self._kernel.restart_kernel(now=True)
        self._connect()

    def close(self) -> None:
        """Stop the kernel."""
        self._client.stop_channels()
        self._kernel.shutdown_kernel(now=True)
        self._kernel.cleanup_resources()


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A notebook with a store of its own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(fleche.__file__).parents[1]))
    for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    (tmp_path / "home").mkdir()
    notebook = Notebook()
    yield notebook
    notebook.close()


DEFINE = """
from fleche import cache, cached, q

def helper(x):
    return x + 1

@cached
def f(x):
    print("computing")
    return helper(x) * 2
"""


def test_cells_are_remembered_and_redefined_and_survive_a_restart(notebook: Notebook) -> None:
    """A repeated call hits, one after a helper changed misses, and a new kernel finds all again."""
    notebook.run(DEFINE)
    assert notebook.run("f(3)") == {"text": "computing\n", "text/plain": "8"}
    assert notebook.run("f(3)") == {"text": "", "text/plain": "8"}
    notebook.run("def helper(x):\n    return x + 10")
    assert notebook.run("f(3)") == {"text": "computing\n", "text/plain": "26"}
    notebook.restart()
    notebook.run(DEFINE)
    assert notebook.run("f(3)") == {"text": "", "text/plain": "8"}
    notebook.run("def helper(x):\n    return x + 10")
    assert notebook.run("f(3)") == {"text": "", "text/plain": "26"}


def test_everything_draws_itself(notebook: Notebook) -> None:
    """A cache, a call, a query, a function and a code tree, beside their text."""
    notebook.run(DEFINE + "\nf(3), f(4)")
    for cell, part in {
        "display(cache())": "latest calls",
        "f.calls": ">x</th>",
        "f.calls.latest()": "argument",
        "f": "2 calls",
        "f.code": "global helper",
        "f.code.tree()": "global helper",
    }.items():
        found = notebook.run(cell)
        assert 'class="fleche"' in found["text/html"], cell
        assert part in found["text/html"], cell
        assert found["text/plain"], cell
    assert notebook.run("f.calls.latest()")["text/plain"].endswith("f(x=4)>")


def test_keys_and_fields_complete(notebook: Notebook) -> None:
    """Keys of a cache in a variable, and the entries that metadata have."""
    notebook.run(DEFINE + "\nf(3), f(4)\nstore = cache()")
    keys = notebook.run("[str(call.key) for call in f.calls]")["text/plain"]
    offered = [text.strip("'\"[]") for text in notebook.complete("store[")]
    assert len(offered) == 2
    assert all(f"'{text}" in keys for text in offered)
    assert "environment" in [text.rpartition(".")[2] for text in notebook.complete("q.meta.env")]
    assert "calls" in [text.rpartition(".")[2] for text in notebook.complete("f.ca")]


def test_keys_complete_behind_the_call_where_ipython_is_told_that_it_may(notebook: Notebook) -> None:
    """As the documentation says how."""
    notebook.run(DEFINE + "\nf(3), f(4)")
    notebook.run("%config IPCompleter.policy_overrides = {'allowed_calls': {cache}}")
    assert len(notebook.complete("cache()[")) == 2


CELLS = [
    "from fleche import cached",
    "import math\nRATE = 2",
    "class Model:\n    width = 3\n    def run(self, x):\n        return x * self.width * RATE",
    "def helper(x):\n    return Model().run(x) + math.floor(x)",
    "@cached\ndef f(x):\n    print('computing')\n    return helper(x)",
]


def test_cells_that_move_and_run_again_hit(notebook: Notebook) -> None:
    """Whichever cell a definition is in, and however often and in which order cells run: the code is what counts."""
    for cell in CELLS:
        notebook.run(cell)
    assert notebook.run("f(3)")["text"] == "computing\n"
    for cell in CELLS:
        notebook.run(cell)
    assert notebook.run("f(3)")["text"] == ""
    notebook.restart()
    moved = [CELLS[0], "# first\n\n" + CELLS[4], CELLS[3] + "  # later", CELLS[2] + "\n\n" + CELLS[1]]
    for cell in moved:
        notebook.run(cell)
    assert notebook.run("f(3)")["text"] == ""


def test_any_definition_that_changes_counts_at_the_next_call(notebook: Notebook) -> None:
    """A constant, a method, a helper, a name from a module: each is seen at once, and undoing it hits again."""
    for cell in CELLS:
        notebook.run(cell)
    assert notebook.run("f(3)")["text"] == "computing\n"
    for edit, undo in [
        ("RATE = 5", CELLS[1]),
        (CELLS[2].replace("* RATE", "- RATE"), CELLS[2]),
        ("Model.width = 4", "Model.width = 3"),
        (CELLS[3].replace("+ math", "- math"), CELLS[3]),
        (CELLS[3].replace("math.floor", "math.ceil"), CELLS[3]),
        (CELLS[4].replace("f(x)", "f(x, y=1)"), CELLS[4]),
    ]:
        notebook.run(edit)
        assert notebook.run("f(3)")["text"] == "computing\n", edit
        notebook.run(undo)
        assert notebook.run("f(3)")["text"] == "", undo
