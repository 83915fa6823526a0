"""Draw what a notebook shows, from made-up data, for the documentation: ``python tools/pictures.py FOLDER``.

Those of the documentation: ``docs/_static cache:light query:light call-array:light code:dark why:light``.

Needs Chromium, and numpy. Each picture is drawn in a light and in a dark page.
"""

from __future__ import annotations

import argparse
import importlib
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fleche import cached
from fleche.caches import BaseCache, Cache
from fleche.call import Call, Outcome
from fleche.digest import digest
from fleche.memo.picture import function_picture
from fleche.storage.memory import MemoryStore

CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-device-scale-factor=1.25",
]
THEMES = {
    "light": "background:#fff;color:#1f2328",
    "dark": "background:#111318;color:#d7dae0",
}
# What JupyterLab and the classic notebook say of every table, for the pictures to hold out against.
NOTEBOOK = """
.out table{border-collapse:collapse;border-spacing:0;border:none;font-size:12px;table-layout:fixed;margin:0 auto 1em}
.out td,.out th,.out tr{text-align:right;vertical-align:middle;padding:.5em;line-height:normal;white-space:normal;
max-width:none;border:none}
.out thead{border-bottom:1px solid #777;vertical-align:bottom}
.out tbody tr:nth-child(odd){background:#80808022}
.out tbody tr:hover{background:#8080ff33}
"""
WIDTH = 1000
ENVIRONMENT = {
    "hostname": "node17",
    "username": "ada",
    "cwd": "study",
    "python_version": "3.12.4",
    "packages": {"numpy": "2.1.0", "pandas": "2.2.3", "scipy": "1.14.1"},
}


class Shown(Cache):
    """A cache in memory that says it is a directory."""

    def sketch(self) -> Mapping[str, Any]:
        """Return what a store in a directory would tell."""
        return {
            "kind": "directory",
            "path": "~/study/.fleche",
            "calls": self.calls.count(),
            "bytes": 3_460_300_000,
            "format": "1.0",
            "algorithm": "sha256",
            "trusted": True,
        }


def remember(cache: Cache, name: str, arguments: Mapping[str, Any], result: Any, **told: Any) -> None:
    """File a call as `cached` would."""
    started = datetime.now(UTC) - timedelta(minutes=told.get("ago", 5))
    wall, start = told.get("wall", 1.0), started.timestamp()
    call = Call(module="study.train", name=name, arguments=dict(arguments), code=digest(name))
    metadata: dict[str, Any] = {
        "runtime": {
            "timestart": start,
            "timestop": start + wall,
            "walltime": wall,
            "cputime": wall * 0.9,
            "systime": 0.1,
        },
        "environment": ENVIRONMENT,
    }
    metadata |= {"tags": told["tags"]} if "tags" in told else {}
    prepared = cache.prepare(call)
    if "error" in told:
        metadata["error"] = {"type": type(result).__name__, "message": str(result)}
        prepared.commit(result, outcome=Outcome.ERROR, metadata=metadata)
    else:
        prepared.commit(result, metadata=metadata)


def fill(cache: Cache) -> None:
    """Remember a small study."""
    random = np.random.default_rng(7)
    images = random.normal(size=(64, 28, 28)).astype("float32")
    for run in range(24):
        rate, layers = 10 ** -(1 + run % 4), 2 + run % 5
        score = {"accuracy": round(0.98 - rate / 3 - 0.01 * layers, 4), "epochs": 40}
        told = {"ago": 600 - 23 * run, "wall": 20 + 170 * abs(math.sin(run)), "tags": {"phase": "search"}}
        remember(cache, "fit", {"images": images, "rate": rate, "layers": layers, "kind": "adam"}, score, **told)
    remember(cache, "load", {"path": "images.npz"}, images, ago=700, wall=3.2)
    remember(
        cache,
        "smooth",
        {"width": 9, "kind": "hann"},
        np.convolve(random.normal(size=400).cumsum(), np.hanning(40)),
        ago=30,
        wall=0.02,
    )
    table = pd.DataFrame({"rate": [0.1, 0.01], "layers": [2, 3], "accuracy": [0.91, 0.95]})
    remember(cache, "summary", {"runs": list(range(24))}, table, ago=12, wall=0.4)
    remember(
        cache,
        "fit",
        {"images": images, "rate": 10.0, "layers": 64, "kind": "adam"},
        FloatingPointError("loss is nan after 3 epochs"),
        ago=2,
        wall=7.7,
        error=True,
    )
    remember(cache, "score", {"model": "0147", "fold": 3}, 0.9523, ago=1, wall=61)


SCALE = {"low": 0.0, "high": 1.0}
LOOKUP = {str(number): number for number in range(3000)}


def clip(value: float) -> float:
    """Return a value within limits."""
    return min(max(value, SCALE["low"]), SCALE["high"])


class Grid:
    """Points between two ends."""

    steps = 12

    def points(self) -> list[float]:
        """Return the points."""
        return [clip(place / self.steps) for place in range(self.steps)]


@cached(cache="memory")
def sweep(rate: float, layers: int = 3, *, seed: int | None = None) -> float:
    """Return the best score of a grid of runs."""
    return sum(Grid().points()) * rate * layers + len(LOOKUP) + (seed or 0)


STUDY = """
from fleche import cached

def clean(frame):
    return frame[frame["price"] {test} 0]

@cached(cache="memory")
def fit(frame, layers, rate=0.1, kind="adam"):
    return {{"rows": len(clean(frame)), "rate": rate}}
"""


def edited_study() -> Any:
    """Return a function of a file that was edited since one of its calls was stored, and how it is called."""
    frame = pd.DataFrame({"price": np.linspace(1, 9, 400), "size": np.arange(400)})
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        sys.dont_write_bytecode = True
        place = Path(folder) / "train.py"
        place.write_text(STUDY.format(test=">="), encoding="utf-8")
        module = importlib.import_module("train")
        module.fit(frame, [64, 64])
        module.fit(frame, [8, 8], rate=1.0)
        place.write_text(STUDY.format(test=">"), encoding="utf-8")
        fit = importlib.reload(module).fit
        frame.loc[[3, 77, 201], "price"] *= 1.5
        return fit, fit.why(frame, [64, 128]), fit.plan({"frame": [frame], "layers": [[64, 64], [64, 128]]})


def study() -> BaseCache:
    """Return a cache with a study whose calls took each other's results."""
    store = MemoryStore()
    cache = Cache(store.values, store.calls)
    images = cached(cache=cache, code=None)(load)
    model = cached(cache=cache, code=None)(fit)
    judged = cached(cache=cache, code=None, errors=(ValueError,))(score)
    together = cached(cache=cache, code=None)(summary)
    data, lost = images("images.npz"), images("more.npz")
    models = [model(data, rate) for rate in (0.1, 0.01)] + [model(lost, 0.001)]
    for each in models:
        for fold in (1, 2):
            if fold == 2 and each is models[1]:
                with suppress(ValueError):
                    judged(each, -1)
            else:
                judged(each, fold)
    together(models)
    cache.evict(images.key("more.npz"))
    return cache


def load(path: str) -> Any:
    """Read images."""
    return np.arange(50.0) + len(path)


def fit(images: Any, rate: float, layers: int = 3) -> Any:
    """Fit a model."""
    return {"weights": images * rate, "layers": layers}


def score(model: Any, fold: int) -> float:
    """Judge a model."""
    if fold < 0:
        raise ValueError(fold)
    return round(0.9 + len(model) / 100, 4)


def summary(models: list[Any], title: str = "all rates, three layers each, one fold") -> str:
    """Put models together."""
    return f"{title}: {len(models)}"


def pictures() -> dict[str, str]:
    """Return each picture as HTML."""
    store = MemoryStore()
    cache = Shown(store.values, store.calls)
    fill(cache)
    for rate in (0.1, 0.2, 0.3, 0.1, 0.2, 0.1, 0.1, 0.1):
        sweep(rate)
    _, why, plan = edited_study()
    memo = sweep._memo  # noqa: SLF001 - to be shown from another module's name
    return {
        "cache": cache._repr_html_(),
        "call": next(iter(cache.query(name="fit")))._repr_html_(),
        "call-array": cache.query(name="smooth").only()._repr_html_(),
        "call-failed": cache.query(name="fit").failed().only()._repr_html_(),
        "query": cache.query(name="fit").all()._repr_html_(),
        "query-mixed": cache.query().all().skip(20)._repr_html_(),
        "code": sweep.code.tree()._repr_html_(),
        "why": why._repr_html_(),
        "plan": plan._repr_html_(),
        "lineage": study().query(name="fit", arguments={"rate": 0.01}).only().lineage._repr_html_(),
        "lineage-all": study().query(name="summary").only().lineage._repr_html_(),
        "function": function_picture(sweep, memo, sweep.calls),
    }


def draw(chromium: str, name: str, html: str, folder: Path, width: int, height: int) -> None:
    """Draw one picture in each theme, or in the one that its name ends with."""
    name, _, only = name.partition(":")
    for theme, style in THEMES.items():
        if only not in ("", theme):
            continue
        body = f"body{{margin:14px 18px;font-family:system-ui,sans-serif;{style}}}"
        text = f"<!doctype html><meta charset=utf-8><style>{body}{NOTEBOOK}</style>"
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "page.html"
            source.write_text(f"{text}<div class=out>{html}</div>", encoding="utf-8")
            target = folder / f"{name}-{theme}.png"
            window = [f"--window-size={width},{height}", f"--user-data-dir={scratch}/profile", f"--screenshot={target}"]
            subprocess.run(
                [chromium, *CHROMIUM, *window, source.as_uri()], check=True, capture_output=True, timeout=120
            )
            trim(target)


def trim(path: Path) -> None:
    """Cut what is empty at the bottom and at the right, and store few colours: small files."""
    from PIL import Image, ImageChops

    with Image.open(path) as image:
        shot = image.convert("RGB")
    empty = Image.new("RGB", shot.size, shot.getpixel((0, 0)))
    found = ImageChops.difference(shot, empty).getbbox() or (0, 0, *shot.size)
    right, bottom = min(found[2] + 24, shot.width), min(found[3] + 18, shot.height)
    shot.crop((0, 0, right, bottom)).quantize(128).save(path, optimize=True)


def main() -> None:
    """Draw all, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("names", nargs="*", help="which, such as cache or cache:dark; by default all")
    parser.add_argument("--width", type=int, default=WIDTH)
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("chromium is not installed")
    options.folder.mkdir(parents=True, exist_ok=True)
    found = pictures()
    for name in options.names or found:
        draw(chromium, name, found[name.partition(":")[0]], options.folder.absolute(), options.width, 900)


if __name__ == "__main__":
    main()
