"""From names, paths and URLs to caches: the one place that knows every backend."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from fleche.caches import BaseCache, Cache
from fleche.call import CONFIGURABLE, Environment, MetaData, Runtime
from fleche.config.files import Settings, nearest, read_settings
from fleche.errors import ConfigError

__all__ = ["Located", "Opener", "opener"]


@dataclass(frozen=True, slots=True)
class Located:
    """Where a cache is, and why there.

    Attributes:
        place: A directory, or ``memory`` or ``void``.
        why: What decided it, for people.
        tag: Whether a directory is a cache in the system's sense, which backups may leave out.
    """

    place: str
    why: str
    tag: bool = False

    @property
    def made(self) -> bool:
        """Whether something is at the place already; whether it is a store is told when it is opened."""
        if self.place in ("memory", "void"):
            return True
        try:
            with os.scandir(self.place) as entries:
                return next(entries, None) is not None
        except FileNotFoundError:
            return False
        except OSError:
            return True


class Opener:
    """Opens caches by name, path or URL; each place once per process."""

    def __init__(self) -> None:
        self._open: dict[str, BaseCache] = {}
        self._lock = threading.RLock()

    def __call__(self, name: str | None) -> BaseCache:
        """Return the cache of a name, path or URL; None is the default one.

        Raises:
            ConfigError: There is no such cache, or a configuration file is wrong.
            StoreError: The store cannot be opened.
        """
        located = self.locate(name)
        with self._lock:
            if located.place not in self._open:
                self._open[located.place] = _build(located)
            return self._open[located.place]

    def locate(self, name: str | None = None) -> Located:
        """Return where a cache is, without opening it.

        Raises:
            ConfigError: There is no such cache, or a configuration file is wrong.
        """
        if name is None or name == "default":
            return self._default()
        return self._named(name, f"asked for by name: {name!r}")

    def settings(self) -> Settings:
        """Return what the configuration files say for the working directory."""
        return read_settings(Path.cwd())

    def metadata(self) -> tuple[MetaData, ...]:
        """Return the metadata that is noted of every call."""
        names = self.settings().default.get("metadata")
        if names is None:
            return Runtime(), Environment()
        unknown = [name for name in names if name not in CONFIGURABLE]
        if unknown:
            raise ConfigError(f"[default] metadata: there is no {unknown[0]!r}{nearest(str(unknown[0]), CONFIGURABLE)}")
        return tuple(CONFIGURABLE[name]() for name in names)

    def algorithm(self) -> str | None:
        """Return the digest algorithm that the configuration names, or None."""
        return self.settings().default.get("digest")

    def _default(self) -> Located:
        store = os.environ.get("FLECHE_STORE")
        if store:
            return self._named(store, "FLECHE_STORE")
        directory = os.environ.get("FLECHE_DIR")
        if directory:
            return Located(str(Path(directory).expanduser().absolute()), "FLECHE_DIR")
        settings = self.settings()
        chosen = settings.default.get("cache")
        if chosen is not None:
            return self._named(
                str(chosen), f"[default] cache = {str(chosen)!r} in {settings.origin['default']}", settings
            )
        import platformdirs

        return Located(
            platformdirs.user_cache_dir("fleche", appauthor=False), "the cache directory of the platform", tag=True
        )

    def _named(self, name: str, why: str, settings: Settings | None = None) -> Located:
        if name in ("memory", "void"):
            return Located(name, why)
        if "://" in name:
            return _of_url(name, why)
        if name.startswith((".", "~")) or "/" in name or os.sep in name:
            return Located(str(Path(name).expanduser().absolute()), why)
        settings = settings or self.settings()
        table = settings.cache(name)
        if table is None:
            raise ConfigError(
                f"there is no cache {name!r}{nearest(name, settings.caches)} (known: {', '.join(settings.caches)}; "
                f"a path needs a '/', such as './{name}')"
            )
        return Located(table["root"] if table["type"] == "directory" else table["type"], why)


def _of_url(url: str, why: str) -> Located:
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    if parts.scheme in ("memory", "void"):
        return Located(parts.scheme, why)
    if parts.scheme == "file" and parts.path:
        return Located(unquote(parts.path), why)
    raise ConfigError(f"{url}: no store of this kind is built in; give a path, file:///path, memory:// or void://")


def _build(located: Located) -> BaseCache:
    if located.place == "memory":
        from fleche.storage.memory import MemoryStore

        memory = MemoryStore()
        return Cache(memory.values, memory.calls)
    if located.place == "void":
        from fleche.storage.void import VoidStore

        void = VoidStore()
        return Cache(void.values, void.calls)
    from fleche.storage.embedded import EmbeddedStore

    store = EmbeddedStore(located.place, cachedir_tag=located.tag)
    return Cache(store.values, store.calls)


opener = Opener()
