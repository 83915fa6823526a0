"""Paths and URLs of stores, as text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit, urlunsplit

from fleche.errors import ConfigError

__all__ = ["absolute_url", "is_path", "of_path", "of_url", "parts_of_list", "shown_list", "shown_url"]

_SQLITE = ("sqlite", "sqlite+pysqlite")
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")


def is_path(text: str) -> bool:
    """Whether a text that is no URL is a path, and not a name."""
    return text.startswith((".", "~")) or "/" in text or os.sep in text


def of_path(path: str | Path, *, tag: bool = False) -> dict[str, Any]:
    """Return the table of a directory."""
    table: dict[str, Any] = {"type": "directory", "root": str(Path(path).expanduser().absolute())}
    return table | {"tag": True} if tag else table


def of_url(url: str) -> dict[str, Any]:
    """Return the table of a cache that a URL names.

    >>> of_url("postgresql://ada@db/science?schema=lab")["schema"]
    'lab'

    Raises:
        ConfigError: It is of no store that is built in.
    """
    parts = urlsplit(url)
    if parts.scheme in ("memory", "void"):
        return {"type": parts.scheme}
    if parts.scheme in ("file", "files") and parts.path and parts.netloc in ("", "localhost"):
        return of_path(unquote(parts.path)) | ({"layout": "files"} if parts.scheme == "files" else {})
    if parts.scheme in _SQLITE:
        return {"type": "sql", "url": absolute_url(url, Path.cwd())}
    if parts.scheme in _POSTGRESQL:
        options = parse_qs(parts.query, keep_blank_values=True)
        schema = options.pop("schema", None)
        bare = urlunsplit(parts._replace(query=urlencode(options, doseq=True)))
        return {"type": "sql", "url": bare} | ({} if schema is None else {"schema": schema[-1]})
    raise ConfigError(
        f"{shown_url(url)}: no store of this kind is built in; give a path, file:///path, files:///path, "
        f"sqlite:///path, postgresql://user@host/db, memory:// or void://"
    )


def absolute_url(url: str, base: Path) -> str:
    """Return a URL whose path, where it is a file's, does not depend on the working directory."""
    scheme, colon, rest = url.partition(":///")
    if scheme not in _SQLITE or not colon:
        return url
    path, mark, query = rest.partition("?")
    if not path or path == ":memory:" or path.startswith("file:"):
        return url
    return f"{scheme}:///{(base / Path(path).expanduser()).absolute()}{mark}{query}"


def shown_url(url: str) -> str:
    """Return a URL without password and options, for messages.

    >>> shown_url("postgresql://ada:secret@db/science?password=x")
    'postgresql://ada@db/science'
    """
    scheme, mark, rest = url.partition("://")
    place = rest.partition("?")[0]
    authority, slash, path = place.partition("/")
    user, at, host = authority.rpartition("@")
    return f"{scheme}{mark}{user.partition(':')[0]}{at}{host}{slash}{path}"


def parts_of_list(text: str) -> list[str]:
    """Return the names, paths and URLs of a list with commas between."""
    return [part.strip() for part in text.split(",") if part.strip()]


def shown_list(text: str) -> str:
    """Return names, paths and URLs without passwords, for messages."""
    return ",".join(shown_url(part) if "://" in part else part for part in text.split(","))
