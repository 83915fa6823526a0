"""What `@cached` is told: one frozen object, checked when it is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from fleche.clock import Seconds, seconds

if TYPE_CHECKING:
    from fleche.caches import BaseCache
    from fleche.call import LazyCall, MetaData, Version

__all__ = ["NOTHING", "CodeMode", "Names", "OnWait", "Options", "Size", "check_added", "parse_size"]

CodeMode = Literal["deep", "own"]
OnWait = Literal["wait", "compute", "raise"]
Names = str | Iterable[str]
Size = int | str

NOTHING: Mapping[str, Any] = MappingProxyType({})

_UNITS = {"": 1, "b": 1}
_UNITS |= {f"{letter}b": 1000 ** (i + 1) for i, letter in enumerate("kmgtp")}
_UNITS |= {f"{letter}ib": 1024 ** (i + 1) for i, letter in enumerate("kmgtp")}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of one cached function; `cached` documents each.

    Attributes:
        module: Whether the name of the module is in key and record; only the decorator `fleche` ever leaves it out.
    """

    version: Version = None
    ignore: frozenset[str] = frozenset()
    require: frozenset[str] = frozenset()
    key: Mapping[str, Callable[[Any], Any]] = field(default_factory=lambda: NOTHING)
    code: CodeMode | None = "deep"
    code_roots: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    was: tuple[str, ...] = ()
    added: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    ttl: float | None = None
    valid_if: Callable[[LazyCall], bool] | None = None
    errors: tuple[type[Exception], ...] = ()
    errors_ttl: float | None = None
    meta: tuple[MetaData, ...] = ()
    strict: bool = False
    on_wait: OnWait = "wait"
    wait_limit: float | None = None
    isolate: bool = False
    cache: BaseCache | str | None = None
    store_arguments: int | None = 1 << 20  # bytes; None stores all
    module: bool = True

    @classmethod
    def parse(
        cls,
        *,
        version: Version,
        ignore: Names,
        require: Names,
        key: Mapping[str, Callable[[Any], Any]],
        code: CodeMode | None,
        code_roots: Names,
        environment: Names,
        was: Names,
        added: Mapping[str, Any],
        ttl: Seconds | None,
        valid_if: Callable[[LazyCall], bool] | None,
        errors: type[Exception] | tuple[type[Exception], ...],
        errors_ttl: Seconds | None,
        meta: Sequence[MetaData],
        strict: bool,
        on_wait: OnWait,
        wait_limit: Seconds | None,
        isolate: bool,
        cache: BaseCache | str | None,
        store_arguments: Size,
    ) -> Options:
        """Return options from what a user may write.

        Raises:
            TypeError: An option is of the wrong type.
            ValueError: An option has an impossible value.
        """
        if isinstance(version, bool) or not isinstance(version, str | int | None):
            raise TypeError(f"version={version!r}: give a string, an integer or None")
        _one_of("code", code, (*get_args(CodeMode), None))
        _one_of("on_wait", on_wait, get_args(OnWait))
        for name, function in dict(key).items():
            if not callable(function):
                raise TypeError(f"key={{{name!r}: ...}}: give a function of the bound value, not {function!r}")
        kept = errors if isinstance(errors, tuple) else (errors,)
        if not all(isinstance(e, type) and issubclass(e, Exception) for e in kept):
            raise TypeError(f"errors={errors!r}: give exception types, such as (ValueError,)")
        _check_meta(meta)
        _check_cache(cache)
        return cls(
            version=version,
            ignore=frozenset(_names(ignore)),
            require=frozenset(_names(require)),
            key=dict(key),
            code=code,
            code_roots=_names(code_roots),
            environment=_names(environment),
            was=_former(was),
            added=_added(added),
            ttl=_duration("ttl", ttl),
            valid_if=valid_if,
            errors=kept,
            errors_ttl=_duration("errors_ttl", errors_ttl),
            meta=tuple(meta),
            strict=bool(strict),
            on_wait=on_wait,
            wait_limit=_duration("wait_limit", wait_limit),
            isolate=bool(isolate),
            cache=cache,
            store_arguments=_limit(store_arguments),
        )


def check_added(function: Callable[..., Any], options: Options) -> None:
    """Check that what was added to a function are parameters of it that count.

    Raises:
        TypeError: One is none: a name that ``**kwargs`` swallows is as old as that.
    """
    if not options.added:
        return
    import inspect

    parameters = inspect.signature(function, follow_wrapped=False).parameters
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for name in options.added:
        if name not in parameters or parameters[name].kind in several:
            raise TypeError(
                f"added={{{name!r}: ...}}: {function.__qualname__} has no parameter {name!r} of its own; its "
                f"parameters are {', '.join(parameters) or 'none'}"
            )
        if name in options.ignore:
            raise TypeError(f"added={{{name!r}: ...}}: it is ignored, so it is in no key: leave it out of added")


def parse_size(size: Size) -> int:
    """Return a size in bytes.

    >>> parse_size("20 GB"), parse_size("1 MiB"), parse_size(7)
    (20000000000, 1048576, 7)

    Raises:
        ValueError: It is negative, or not a number with a unit of bytes.
    """
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", size.lower()) if isinstance(size, str) else None
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{size!r} is not a size: give bytes as an int, or text such as '20 GB' or '1 MiB'")
    return int(float(match[1]) * _UNITS[match[2]])


def _check_meta(meta: Sequence[MetaData]) -> None:
    if meta:
        from fleche.call import MetaData

        if not all(isinstance(kind, MetaData) for kind in meta):
            raise TypeError(f"meta={meta!r}: give metadata objects, such as (Git(),)")


def _check_cache(cache: BaseCache | str | None) -> None:
    if cache is not None and not isinstance(cache, str):
        from fleche.caches import BaseCache

        if not isinstance(cache, BaseCache):
            raise TypeError(f"cache={cache!r}: give a cache, the name of one, or a URL")


def _names(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _former(names: Names) -> tuple[str, ...]:
    found = _names(names)
    for name in found:
        parts = re.split("[.:]", name) if isinstance(name, str) else [""]
        if not all(part.isidentifier() or part in ("<locals>", "<lambda>") for part in parts):
            raise ValueError(
                f"was={name!r}: give the name that the function had, such as 'old_pkg.model.train', or 'train' if it "
                f"was in this module"
            )
    return found


def _added(added: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(added, Mapping):
        raise TypeError(f"added={added!r}: give what old calls meant by name, such as {{'seed': 42}}")
    return dict(added)


def _one_of(option: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{option}={value!r}: give one of {', '.join(map(repr, allowed))}")


def _duration(option: str, value: Seconds | None) -> float | None:
    if value is None:
        return None
    length = seconds(value)
    if not length >= 0:
        raise ValueError(f"{option}={value!r}: give a duration of zero seconds or more")
    return None if length == float("inf") else length


def _limit(size: Size) -> int | None:
    if size == "all":
        return None
    return -1 if size == "none" else parse_size(size)
