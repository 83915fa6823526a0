"""Draws the plots of the documentation from measurements: ``python -m tools.plots`` (needs matplotlib)."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.timing import median
from fleche.caches import Cache
from fleche.digest.walk import examine
from fleche.memo import cached
from fleche.storage.embedded import EmbeddedStore

STATIC = Path(__file__).parent.parent / "docs" / "_static"
COLOURS = ["#4c78a8", "#72b7b2", "#54a24b", "#eeca3b", "#f58518", "#b279a2", "#9d755d"]
CALLS = 10_000


def anatomy_of_a_hit() -> dict[str, float]:
    """Return what the steps of a hit take, in microseconds."""
    with tempfile.TemporaryDirectory() as directory:
        store = EmbeddedStore(Path(directory) / "store")
        cache = Cache(store.values, store.calls)

        @cached(cache=cache)
        def fit(lr: float, epochs: int = 5) -> dict[str, float]:
            return {"loss": lr * epochs}

        fit(0.1)
        memo = fit._memo  # noqa: SLF001 - its steps are what is measured
        key = fit.key(0.1)
        hit = cache.lookup(key)
        arguments = memo.profile.bind((0.1,), {})
        steps = {
            "bind the arguments": median(lambda: memo.profile.bind((0.1,), {})),
            "digest them": median(lambda: [examine(value) for value in arguments.values()]),
            "check that the code is the same": median(lambda: memo.watch.current(frozenset())),
            "look the key up (one statement)": median(lambda: cache.lookup(key)),
            "build the result": median(lambda: cache.open(hit)),
        }
        sealed = median(lambda: memo.seal((0.1,), {}))
        steps["derive the key"] = max(sealed - sum([*steps.values()][:3]), 0.0)
        whole = median(lambda: fit(0.1))
        store.close()
    steps["join callers of the same key, and all else"] = max(whole - sum(steps.values()), 0.0)
    return {name: seconds * 1e6 for name, seconds in steps.items()}


def bytes_of_a_call() -> dict[str, float]:
    """Return where the bytes of a stored call with two scalar arguments go, from SQLite's own account of its pages."""
    with tempfile.TemporaryDirectory() as directory:
        store = EmbeddedStore(Path(directory) / "store")

        @cached(cache=Cache(store.values, store.calls), version=1)
        def fit(lr: float, epochs: int) -> float:
            return lr * epochs

        for number in range(CALLS):
            fit(number / 7, number)
        store.close()
        with sqlite3.connect(Path(directory) / "store" / "index.db") as index:
            pages = dict(index.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name"))
    parts = {
        "record and result": pages.pop("calls"),
        "arguments": pages.pop("arguments"),
        "index: key": pages.pop("calls_key"),
        "index: arguments": sum(pages.pop(name) for name in [*pages] if name.startswith("arguments_")),
        "index: time, function, result": sum(pages.pop(name) for name in [*pages] if name.startswith("calls_")),
    }
    parts["all else"] = sum(pages.values())
    return {name: size / CALLS for name, size in parts.items()}


def draw(parts: Mapping[str, float], unit: str, path: Path) -> None:
    """Draw parts of a whole as one bar, with a legend that says their sizes."""
    mpl.rcParams.update({"svg.hashsalt": "fleche", "font.size": 10, "svg.fonttype": "none"})
    figure, axes = plt.subplots(figsize=(8, 2.4))
    left = 0.0
    for (name, size), colour in zip(parts.items(), COLOURS, strict=False):
        label = f"{name}: {size:.2g} {unit}" if size < 10 else f"{name}: {size:.0f} {unit}"
        axes.barh(0, size, left=left, color=colour, label=label, edgecolor="white")
        left += size
    axes.set(yticks=[], xlim=(0, left), xlabel=f"{unit} (in all {left:.0f})")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main() -> None:
    """Measure and draw."""
    STATIC.mkdir(exist_ok=True)
    draw(anatomy_of_a_hit(), "µs", STATIC / "anatomy-of-a-hit.svg")
    draw(bytes_of_a_call(), "bytes", STATIC / "bytes-of-a-call.svg")


if __name__ == "__main__":
    main()
