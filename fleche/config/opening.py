"""Which cache is meant, and why; opened once per process."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleche.caches import BaseCache
from fleche.call import CONFIGURABLE, Environment, MetaData, Runtime
from fleche.config.addresses import of_path, parts_of_list, shown_list
from fleche.config.build import build, check, name_of
from fleche.config.checking import nearest
from fleche.config.files import Settings, read_settings
from fleche.config.recipes import Resolver, is_made, made_parts, place_of
from fleche.errors import ConfigError

__all__ = ["Located", "Opener", "opener"]


@dataclass(frozen=True, slots=True)
class Located:
    """Where a cache is, and why there.

    Attributes:
        place: A directory, ``memory`` or ``void``, or what else it is made of, for people.
        why: What decided it, for people.
        tag: Whether a directory is a cache in the system's sense, which backups may leave out.
        recipe: What it is made of; with secrets.
    """

    place: str
    why: str
    tag: bool = False
    recipe: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def made(self) -> bool:
        """Whether something is at the place already; whether it is a store is told when it is opened."""
        return is_made(self.recipe)


class Opener:
    """Opens caches by name, path or URL; each place once per process."""

    def __init__(self) -> None:
        self._open: dict[str, BaseCache] = {}
        self._lock = threading.RLock()

    def __call__(self, name: str | None) -> BaseCache:
        """Return the cache of a name, path or URL, or of several with commas between; None is the default one.

        Raises:
            ConfigError: There is no such cache, or a configuration file is wrong.
            StoreError: The store cannot be opened.
        """
        return self.open(self.locate(name).recipe)

    def look(self, located: Located) -> BaseCache:
        """Return the cache of a place that is made, without making those parts of it that are not.

        Raises:
            ConfigError: Its parts do not go together.
            StoreError: A store cannot be opened.
        """
        return self.open(made_parts(located.recipe))

    def open(self, recipe: Mapping[str, Any]) -> BaseCache:
        """Return the cache of a recipe.

        Raises:
            ConfigError: Its parts do not go together.
            StoreError: A store cannot be opened.
        """
        name = name_of({key: value for key, value in recipe.items() if key != "tag"})
        with self._lock:
            if name not in self._open:
                self._open[name] = build(recipe, self.open)
            return self._open[name]

    def locate(self, name: str | None = None) -> Located:
        """Return where a cache is, without opening it.

        Raises:
            ConfigError: There is no such cache, or a configuration file is wrong.
        """
        if name is None or name == "default":
            return self._default()
        return self._named(name, f"asked for by name: {shown_list(name)!r}")

    def check(self, name: str | None = None) -> None:
        """Look at all that opening a cache would read of the configuration, without opening it.

        Raises:
            ConfigError: Something of it is wrong.
        """
        check(self.locate(name).recipe)

    def settings(self) -> Settings:
        """Return what the configuration files say for the working directory."""
        return read_settings(Path.cwd())

    def metadata(self) -> tuple[MetaData, ...]:
        """Return the metadata that is noted of every call."""
        settings = self.settings()
        names = settings.default.get("metadata")
        if names is None:
            return Runtime(), Environment()
        unknown = next((str(name) for name in names if name not in CONFIGURABLE), None)
        if unknown is not None:
            place = settings.origin["default"]
            raise ConfigError(f"{place}: [default] metadata: no {unknown!r} here{nearest(unknown, CONFIGURABLE)}")
        return tuple(CONFIGURABLE[name]() for name in names)

    def algorithm(self) -> str | None:
        """Return the digest algorithm that the configuration names, or None."""
        return self.settings().default.get("digest")

    def recipe(self, reference: str | Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a name, path, URL or checked table means, with every name in it looked up.

        Raises:
            ConfigError: There is no such cache, or a configuration file is wrong.
        """
        return self._resolver().of(reference)

    def _default(self) -> Located:
        store = os.environ.get("FLECHE_STORE")
        if store:
            try:
                return self._named(store, "FLECHE_STORE")
            except ConfigError as error:
                raise ConfigError(f"FLECHE_STORE: {error}") from None
        directory = os.environ.get("FLECHE_DIR")
        if directory:
            return _located(of_path(directory), "FLECHE_DIR")
        settings = self.settings()
        chosen = settings.default.get("cache")
        if chosen is not None:
            said = repr(shown_list(chosen)) if isinstance(chosen, str) else "{…}"
            why = f"[default] cache = {said} in {settings.origin['default']}"
            try:  # Here `default` cannot be meant by its own name.
                return _located(Resolver(lambda: settings).of(chosen), why)
            except ConfigError as error:
                raise ConfigError(f"{why}: {error}") from None
        import platformdirs

        return _located(
            of_path(platformdirs.user_cache_dir("fleche", appauthor=False), tag=True),
            "the cache directory of the platform",
        )

    def _named(self, name: str, why: str) -> Located:
        resolver = self._resolver(is_default=why == "FLECHE_STORE")
        parts = parts_of_list(name) if "," in name else [name]
        if len(parts) > 1:
            return _located({"type": "stack", "caches": [resolver.of(part) for part in parts]}, why)
        return _located(resolver.of(parts[0] if parts else name), why)

    def _resolver(self, *, is_default: bool = False) -> Resolver:
        return Resolver(self.settings, None if is_default else lambda: self._default().recipe)


def _located(recipe: Mapping[str, Any], why: str) -> Located:
    return Located(place_of(recipe), why, bool(recipe.get("tag")), recipe)


opener = Opener()
