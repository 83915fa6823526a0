"""The stores that the configuration knows besides the one in use: where a call may be that is not there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from fleche.caches import BaseCache
from fleche.caches.places import places
from fleche.config.addresses import of_path
from fleche.config.opening import Located, opener
from fleche.config.recipes import place_of
from fleche.config.schema import RESERVED_TABLES
from fleche.errors import FlecheError

__all__ = ["others"]


def others(cache: BaseCache) -> Iterator[tuple[str, Callable[[], BaseCache]]]:
    """Yield the other stores that exist, each by its place and what opens it, to be read only.

    They are the default cache, those of the configuration's tables, and the directory of the platform; none that is on
    a server, and none that keeps its calls where the given one does.

    Args:
        cache: The cache in use.
    """
    known = places(cache)
    seen: set[str] = set()
    for located in _located():
        if located.place in seen or not located.made or _is_remote(located):
            continue
        seen.add(located.place)
        with suppress(FlecheError):
            if places(opener.look(located)) & known:
                continue
        yield located.place, partial(_opened, located)


def _opened(located: Located) -> BaseCache:
    return opener.look(located).readonly()


def _located() -> Iterator[Located]:
    with suppress(FlecheError):
        yield opener.locate()
    names: list[str] = []
    with suppress(FlecheError):
        names = [name for name in opener.settings().tables if name not in RESERVED_TABLES]
    for name in names:
        with suppress(FlecheError):
            yield opener.locate(name)
    directory = os.environ.get("FLECHE_DIR")
    if directory:
        yield _of_directory(directory)
    with suppress(ImportError, OSError):
        import platformdirs

        yield _of_directory(platformdirs.user_cache_dir("fleche", appauthor=False))


def _of_directory(path: str) -> Located:
    recipe = of_path(path)
    return Located(place_of(recipe), "a directory that is there", recipe=recipe)


def _is_remote(located: Located) -> bool:
    """Whether asking it may take long, or a password; what is in memory is nowhere else."""
    recipe = located.recipe
    return recipe.get("type") in ("memory", "void") or any(not url.startswith("sqlite") for url in _urls(recipe))


def _urls(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for name, each in part.items():
            yield from [str(each)] if name == "url" else _urls(each)
    elif isinstance(part, list | tuple):
        for each in part:
            yield from _urls(each)
