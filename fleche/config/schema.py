"""What may stand in configuration files and in the environment, as data: checks, errors and documentation read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = [
    "CACHES",
    "CALLS",
    "DEFAULT",
    "RESERVED_CACHES",
    "RESERVED_TABLES",
    "VALUES",
    "VARIABLES",
    "Key",
    "Kind",
    "Table",
    "Variable",
    "find",
]


class Kind(StrEnum):
    """What a setting is; the text of each is shown to people."""

    TEXT = "text"
    PATH = "path"
    URL = "URL"
    FLAG = "true or false"
    NUMBER = "whole number"
    NAMES = "list of texts"
    SECRET = "hexadecimal text, or a list of such"  # noqa: S105 - the kind, not a secret
    CACHE = "name, path or URL of a cache, or a table"
    CACHES = "list of names, paths, URLs or tables"
    STORAGE = "table"


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One setting of a table.

    Attributes:
        name: How it is written.
        kind: What it is.
        meaning: What it does, for people.
        default: What holds where it is not given, for people; empty is nothing.
        choices: The texts that it may be; none are all.
        required: Whether it must be given.
    """

    name: str
    kind: Kind
    meaning: str
    default: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One kind of table.

    Attributes:
        name: The ``type``, or the name of the table.
        meaning: What it is, for people.
        keys: Its settings.
        aliases: Other texts for the type.
    """

    name: str
    meaning: str
    keys: tuple[Key, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def by_name(self) -> dict[str, Key]:
        """Its settings by name."""
        return {key.name: key for key in self.keys}


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """One environment variable.

    Attributes:
        name: How it is written.
        meaning: What it does, for people.
        default: What holds where it is not set, for people.
        secret: Whether its value is never shown.
    """

    name: str
    meaning: str
    default: str = ""
    secret: bool = field(default=False)


RESERVED_TABLES = frozenset({"default", "runtime"})
"""Names of tables that are no caches."""
RESERVED_CACHES = frozenset({"memory", "void", "default"})
"""Names of caches that need no table."""

DEFAULT = Table(
    name="default",
    meaning="what holds where nothing narrower is said",
    keys=(
        Key(
            name="cache",
            kind=Kind.CACHE,
            meaning="the default cache",
            default="a directory in your user's cache directory",
        ),
        Key(
            name="metadata",
            kind=Kind.NAMES,
            meaning="what is noted of every call: `Runtime`, `Environment`, `Git`, or what you register",
            default='["Runtime", "Environment"]',
        ),
        Key(
            name="digest",
            kind=Kind.TEXT,
            meaning="the hash, if `FLECHE_DIGEST` names none",
            default='"xxh3-128"',
            choices=("xxh3-128", "sha256"),
        ),
        Key(name="root", kind=Kind.FLAG, meaning="read no files of directories above this one", default="false"),
    ),
)

_TYPE = Key(name="type", kind=Kind.TEXT, meaning="what the cache is", default='"directory"')
_TEMPLATE = Key(
    name="template", kind=Kind.TEXT, meaning="the table whose settings hold where this one does not say others"
)
_COMPRESS = Key(
    name="compress",
    kind=Kind.FLAG,
    meaning="compress what shrinks by it; needs `fleche[zstd]`",
    default="false",
)
_SECRET = Key(
    name="secret_key",
    kind=Kind.SECRET,
    meaning="what signs values and records, the first of several",
    default="`FLECHE_SECRET_KEY`",
)
_PARTS = Key(
    name="parts",
    kind=Kind.NUMBER,
    meaning="what large containers hold, from so many bytes on, is stored under digests of its own, and so once",
    default="none",
)
_TRUST = Key(
    name="trust",
    kind=Kind.FLAG,
    meaning="build every type, since all who can write there may run code here",
    default="only what nobody else can write to",
)
_CACHE = Key(name="cache", kind=Kind.CACHE, meaning="the cache behind")
_VALUES = Key(name="values", kind=Kind.STORAGE, meaning="where values live, instead of `cache`")
_CALLS = Key(name="calls", kind=Kind.STORAGE, meaning="where records live, instead of `cache`")
_MEMBERS = (
    Key(name="caches", kind=Kind.CACHES, meaning="the members, nearest first"),
    Key(name="stack", kind=Kind.CACHES, meaning="the same by another name"),
)


def _cache(name: str, meaning: str, *keys: Key, aliases: tuple[str, ...] = ()) -> Table:
    return Table(name=name, meaning=meaning, keys=(_TYPE, _TEMPLATE, *keys), aliases=aliases)


CACHES: Mapping[str, Table] = {
    table.name: table
    for table in (
        _cache(
            "directory",
            "one directory",
            Key(name="root", kind=Kind.PATH, meaning="the directory", required=True),
            Key(
                name="layout",
                kind=Kind.TEXT,
                meaning="`index` for a local disk, `files` for a network file system; `auto` is that of the store "
                "that is there, else the one that suits the file system",
                default='"auto"',
                choices=("auto", "index", "files"),
            ),
            _COMPRESS,
            _PARTS,
            _SECRET,
            _TRUST,
            Key(
                name="verify",
                kind=Kind.TEXT,
                meaning="when large values are verified: `changed` files, or `always`",
                default='"changed"',
                choices=("changed", "always"),
            ),
        ),
        _cache("memory", "one in memory, the same in the whole process"),
        _cache("void", "one that keeps nothing"),
        _cache(
            "sql",
            "a database",
            Key(name="url", kind=Kind.URL, meaning="`postgresql://user@host/db` or `sqlite:///path`", required=True),
            Key(name="schema", kind=Kind.TEXT, meaning="the PostgreSQL schema", default='"fleche"'),
            _COMPRESS,
            _PARTS,
            _SECRET,
            _TRUST,
            aliases=("postgresql", "postgres", "sqlite"),
        ),
        _cache(
            "cache",
            "a value storage and a call storage of their own; the type of a table that has `values` and `calls`",
            Key(name="values", kind=Kind.STORAGE, meaning="where values live", required=True),
            Key(name="calls", kind=Kind.STORAGE, meaning="where records live", required=True),
        ),
        _cache(
            "stack",
            "caches one behind the other",
            *_MEMBERS,
            Key(
                name="write",
                kind=Kind.TEXT,
                meaning="where new calls go",
                default='"first"',
                choices=("first", "through", "behind"),
            ),
        ),
        _cache("pool", "several caches read as one", *_MEMBERS[:1]),
        _cache("readonly", "a view that takes nothing", _CACHE, _VALUES, _CALLS, aliases=("read_only",)),
        _cache("refreshing", "a view in which every call is computed anew", _CACHE, _VALUES, _CALLS),
        _cache(
            "filtered",
            "a read-only view of some calls",
            _CACHE,
            _VALUES,
            _CALLS,
            Key(name="where", kind=Kind.TEXT, meaning="the condition, as of `fleche ls --where`", required=True),
        ),
        _cache(
            "size_limited",
            "so many calls, of which the oldest go first",
            _CACHE,
            _VALUES,
            _CALLS,
            Key(name="max_size", kind=Kind.NUMBER, meaning="how many calls are kept", required=True),
        ),
    )
}
"""Tables of caches by type."""

_ROOT = Key(name="root", kind=Kind.PATH, meaning="the directory", required=True)
_SERIALIZER = Key(
    name="serializer",
    kind=Kind.TEXT,
    meaning="read and not needed: `pickle`, and `cloudpickle` for what it refuses",
    choices=("pickle", "cloudpickle", "dill"),
)
_PICKLES = ("pickle", "cloudpickle", "dill")


def _storage(name: str, meaning: str, *keys: Key, aliases: tuple[str, ...] = ()) -> Table:
    kind = Key(name="type", kind=Kind.TEXT, meaning="what the storage is", required=True)
    return Table(name=name, meaning=meaning, keys=(kind, *keys), aliases=aliases)


VALUES: Mapping[str, Table] = {
    "file": _storage("file", "a file per value", _ROOT, _COMPRESS, _SECRET, _SERIALIZER, aliases=_PICKLES),
    "memory": _storage("memory", "in memory"),
    "void": _storage("void", "nowhere"),
}
"""Tables of value storages by type."""

CALLS: Mapping[str, Table] = {
    "file": _storage("file", "a file per record", _ROOT, _COMPRESS, _SECRET, _SERIALIZER, aliases=_PICKLES),
    "sql": _storage(
        "sql",
        "a table of a database",
        Key(name="url", kind=Kind.URL, meaning="as of the cache `sql`", default="one in memory"),
        aliases=("postgresql", "postgres", "sqlite"),
    ),
    "memory": _storage("memory", "in memory"),
    "void": _storage("void", "nowhere"),
}
"""Tables of call storages by type."""

VARIABLES = (
    Variable(
        name="FLECHE_STORE",
        meaning="the default cache: a name, a path with a `/` in it, or a URL; several with commas between are "
        "a stack, nearest first",
    ),
    Variable(name="FLECHE_DIR", meaning="the directory of the default cache"),
    Variable(name="FLECHE_MODE", meaning="`on`, `off`, `read`, `refresh`, `frozen`", default="`on`"),
    Variable(
        name="FLECHE_WHY",
        meaning="`1`: each miss is logged with its cause, as `INFO` of the logger `fleche`",
        default="`0`",
    ),
    Variable(name="FLECHE_DIGEST", meaning="the hash of this process: `xxh3-128`, `sha256`", default="`xxh3-128`"),
    Variable(
        name="FLECHE_SECRET_KEY",
        meaning="what signs values and records, in hexadecimal, with colons between several",
        secret=True,
    ),
)
"""Environment variables that count."""


def find(tables: Mapping[str, Table], kind: str) -> Table | None:
    """Return the table of a type or of one of its other names, or None."""
    known = kind.replace("-", "_")
    return tables.get(known) or next((table for table in tables.values() if known in table.aliases), None)
