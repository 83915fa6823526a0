"""From names, paths and URLs to recipes: whole tables, in which nothing is named any more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fleche.config.addresses import is_path, of_path, of_url, shown_url
from fleche.config.checking import Checker, nearest
from fleche.config.files import Settings
from fleche.errors import ConfigError

__all__ = ["Resolver", "is_made", "made_parts", "place_of"]

Recipe = dict[str, Any]


class Resolver:
    """Makes recipes of what is asked for; files are read only where a name has to be looked up.

    Args:
        settings: Reads what the configuration files say.
        default: Gives the recipe of the default cache, where it is asked for by the name ``default``.
    """

    def __init__(
        self, settings: Callable[[], Settings], default: Callable[[], Mapping[str, Any]] | None = None
    ) -> None:
        self._read = settings
        self._default = default
        self._within: list[str] = []

    @cached_property
    def _settings(self) -> Settings:
        return self._read()

    def of(self, reference: str | Mapping[str, Any]) -> Recipe:
        """Return the recipe of a name, path, URL or checked table.

        Raises:
            ConfigError: There is no such cache, or it is made of itself.
        """
        if isinstance(reference, Mapping):
            return self._of_table(reference)
        if reference in ("memory", "void"):
            return {"type": reference}
        if "://" in reference:
            return of_url(reference)
        if is_path(reference):
            return of_path(reference)
        return self._of_name(reference)

    def _of_name(self, name: str) -> Recipe:
        if name == "default":
            if self._default is None:
                raise ConfigError("the default cache is made of itself: it is called 'default', so name another")
            return dict(self._default())
        table = self._settings.cache(name)
        if table is None:
            known = self._settings.caches
            raise ConfigError(
                f"there is no cache {name!r}{nearest(name, known)} (known: {', '.join(known)}; "
                f"a path needs a '/', such as './{name}')"
            )
        if name in self._within:
            raise ConfigError(f"the cache {name!r} is made of itself: {' → '.join([*self._within, name])}")
        self._within.append(name)
        try:
            return self._of_table(table, name)
        finally:
            self._within.pop()

    def _of_table(self, table: Mapping[str, Any], name: str = "…") -> Recipe:
        whole = self._filled(table, name)
        recipe = {key: value for key, value in whole.items() if key not in ("cache", "caches", "stack")}
        members = whole.get("caches", whole.get("stack"))
        if members is not None:
            recipe["caches"] = [self.of(member) for member in members]
        if "cache" in whole:
            recipe["cache"] = self.of(whole["cache"])
        elif recipe["type"] != "cache" and "values" in recipe:
            behind = {"type": "cache", "values": recipe.pop("values"), "calls": recipe.pop("calls")}
            recipe["cache"] = behind
        return recipe

    def _filled(self, table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        """Return a table with what its template says beside it, checked whole."""
        chain, seen = dict(table), [name]
        while (template := chain.pop("template", None)) is not None:
            found = self._settings.cache(template)
            origin = self._settings.origin.get(name, "the configuration")
            if found is None:
                hint = nearest(template, self._settings.tables)
                raise ConfigError(f"{origin}: [{name}] template: there is no table {template!r}{hint}")
            if template in seen:
                raise ConfigError(f"{origin}: [{name}] template: {' → '.join([*seen, template])} goes in a circle")
            seen.append(template)
            chain = _under(chain, found)
        if len(seen) == 1:
            return table
        origin = str(self._settings.origin.get(name, "the configuration"))
        return Checker(origin, Path.cwd()).cache(name, chain)


def _under(own: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """Return both tables in one: own settings win, and tables of storages are put together key by key."""
    both = dict(template) | dict(own)
    if "template" not in template:
        both.pop("template", None)
    for key in ("values", "calls"):
        if key in own and key in template:
            both[key] = {**template[key], **own[key]}
    return both


def place_of(recipe: Mapping[str, Any]) -> str:
    """Return where a cache is, for people and for scripts: never with a password."""
    match recipe["type"]:
        case "directory":
            return str(recipe["root"])
        case "sql":
            schema = f" (schema {recipe['schema']})" if "schema" in recipe else ""
            return shown_url(recipe["url"]) + schema
        case "cache":
            values, calls = (_place_of_storage(recipe[part]) for part in ("values", "calls"))
            return f"values in {values}, calls in {calls}"
        case "stack" | "pool":
            return f"{recipe['type']} of {', '.join(place_of(member) for member in recipe['caches'])}"
        case "memory" | "void" as kind:
            return str(kind)
    return f"{recipe['type']} view of {place_of(recipe['cache'])}"


def _place_of_storage(table: Mapping[str, Any]) -> str:
    if "root" in table:
        return str(table["root"])
    return shown_url(table["url"]) if "url" in table else str(table["type"])


def is_made(recipe: Mapping[str, Any]) -> bool:
    """Whether something is at the place already; whether it is a store is told when it is opened."""
    return any(_is_there(place) for place in _files_of(recipe))


def made_parts(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a recipe without those members that nobody has made yet, so that looking makes none."""
    if "caches" in recipe:
        return {**recipe, "caches": [made_parts(member) for member in recipe["caches"] if is_made(member)]}
    return {**recipe, "cache": made_parts(recipe["cache"])} if "cache" in recipe else recipe


def _files_of(recipe: Mapping[str, Any]) -> Iterator[str | None]:
    """Yield the directory or file of each part; None is one that needs none."""
    if "caches" in recipe:
        for member in recipe["caches"]:
            yield from _files_of(member)
    elif "cache" in recipe:
        yield from _files_of(recipe["cache"])
    elif recipe["type"] == "cache":
        yield from (_file_of(recipe[part]) for part in ("values", "calls"))
    else:
        yield _file_of(recipe)


def _file_of(table: Mapping[str, Any]) -> str | None:
    if "root" in table:
        return str(table["root"])
    parts = urlsplit(table.get("url", ""))
    return parts.path[1:] if parts.scheme.startswith("sqlite") and len(parts.path) > 1 else None


def _is_there(place: str | None) -> bool:
    if place is None:
        return True
    try:
        with os.scandir(place) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False
    except OSError:
        return True
