"""A census of Python's own standard library, in cached steps that feed each other.

Run it: ``python examples/census.py``. It measures every module, prints what it found, and then runs itself again in a
new process, where nothing is computed. Afterwards ``fleche ls`` shows the calls.
"""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import sysconfig
import time
import tokenize
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from fleche import cache, cached

BRANCHES = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.BoolOp,
    ast.IfExp,
    ast.comprehension,
    ast.match_case,
)
SKIPPED = {"site-packages", "test", "tests", "idle_test", "__pycache__", "lib2to3"}


@cached(store_arguments="none")  # the sources are on this disk already: their digests are enough
def measure(source: str) -> dict[str, Any]:
    """Measure one module: lines, comments, functions, branches, the longest function, what it imports."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}
    longest = max(lengths, key=lambda name: lengths[name], default="")
    return {
        "lines": source.count("\n") + 1,
        "comments": count_comments(source),
        "functions": len(functions),
        "classes": sum(isinstance(node, ast.ClassDef) for node in ast.walk(tree)),
        "branches": sum(isinstance(node, BRANCHES) for node in ast.walk(tree)),
        "longest": longest,
        "longest_lines": lengths.get(longest, 0),
        "imports": imported(tree),
    }


def count_comments(source: str) -> int:
    """Count the comments of a source; editing this helper makes `measure` compute anew."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return sum(token.type == tokenize.COMMENT for token in tokens)


def imported(tree: ast.Module) -> list[str]:
    """Return the top-level packages that a module imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return sorted(names)


@cached
def totals(measures: list[dict[str, Any]]) -> dict[str, int]:
    """Add the measures of all modules up."""
    return {name: sum(m[name] for m in measures) for name in ("lines", "comments", "functions", "classes", "branches")}


@cached
def most_imported(measures: list[dict[str, Any]], count: int = 5) -> list[tuple[str, int]]:
    """Return the packages that most modules import."""
    return Counter(name for m in measures for name in m["imports"]).most_common(count)


def sources() -> dict[str, str]:
    """Read the sources of the standard library, by module name."""
    root = Path(sysconfig.get_path("stdlib"))
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if not SKIPPED.intersection(parts):
            with tokenize.open(path) as file:  # honours the encoding that a source declares
                found[".".join(parts)] = file.read()
    return found


def take_census(
    modules: dict[str, str], steps: Iterable[str]
) -> tuple[dict[str, Any], dict[str, int], list[tuple[str, int]]]:
    """Measure every module, then feed the measures to the next steps by handle: a handle is keyed without digesting."""
    handles = {name: measure.ref(modules[name]) for name in steps}
    return handles, totals(list(handles.values())), most_imported(list(handles.values()))


def main() -> None:
    """Take the census, print it, and take it again in a new process."""
    again = "--again" in sys.argv
    console = Console(quiet=again)
    modules = sources()
    began = time.perf_counter()
    steps = track(modules, "Measuring", console=console, disable=not console.is_terminal)
    handles, total, imports = take_census(modules, steps)
    seconds = time.perf_counter() - began
    infos = [f.info() for f in (measure, totals, most_imported)]
    computed = sum(info.misses for info in infos)
    if again:
        print(json.dumps({"seconds": seconds, "computed": computed}))
        return

    print_census(console, modules, handles, total, imports)
    console.print(f"\nFirst process: {computed} calls computed in {seconds:.2f} s; equal sources are one call.")
    second = json.loads(subprocess.run([sys.executable, __file__, "--again"], check=True, capture_output=True).stdout)
    console.print(
        f"Second process: {second['computed']} calls computed in {second['seconds']:.2f} s, "
        f"{seconds / second['seconds']:.0f} times faster."
    )
    print_queries(console)


def print_census(
    console: Console,
    modules: dict[str, str],
    handles: dict[str, Any],
    total: dict[str, int],
    imports: list[tuple[str, int]],
) -> None:
    """Print the largest modules and the totals."""
    measures = {name: handle.load() for name, handle in handles.items()}
    table = Table(
        "module", "lines", "functions", "branches", "longest function", box=None, header_style="dim", pad_edge=False
    )
    for column in table.columns[1:4]:
        column.justify = "right"
    largest = sorted(measures, key=lambda name: -measures[name]["branches"])[:8]
    for name in largest:
        m = measures[name]
        longest = f"{m['longest']} ({m['longest_lines']} lines)"
        table.add_row(name, f"{m['lines']:,}", f"{m['functions']:,}", f"{m['branches']:,}", longest)
    console.print(table)
    summary = ", ".join(f"{count:,} {name}" for name, count in total.items())
    console.print(f"\n{len(modules):,} modules of Python {sys.version.split()[0]}: {summary}.")
    console.print("Most imported: " + ", ".join(f"{name} ({count})" for name, count in imports) + ".")


def print_queries(console: Console) -> None:
    """Ask the cache: the slowest calls, and one result by the first characters of its digest."""
    slowest = measure.calls.sorted(lambda call: call.walltime, reverse=True).take(3)
    console.print("\nThe slowest calls, by query:")
    for call in slowest:
        console.print(
            f"  {call.key[:8]}  {call.walltime:.3f} s  longest function: {call.result['longest']}", highlight=False
        )
    prefix = str(totals.calls.latest().key)[:6]
    console.print(f"\ncache()[{prefix!r}].result is {cache()[prefix].result}")
    command = os.environ.get("CENSUS_COMMAND", "fleche {}")  # nox tells how to reach its environment from outside
    console.print("\nNow try:", highlight=False)
    for words in ("ls", "ls --sort walltime --limit 3", f"show {prefix}"):
        console.print("  " + command.format(words), highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
