"""`Arguments`: the arguments of a task call, by name."""

from __future__ import annotations

import copyreg
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fleche.digest import digest

__all__ = ["Arguments"]

_KIND = inspect.Parameter


class Arguments:
    """The arguments of a call by the names of the parameters, defaults applied.

    ``*args`` is one argument, a tuple, and ``**kwargs`` is one, a dict, each under the name of its parameter.

    Args:
        kwargs: The arguments by name, in the order of the signature.
    """

    __slots__ = ("kwargs",)

    def __init__(self, kwargs: Mapping[str, Any] | None = None) -> None:
        self.kwargs: dict[str, Any] = dict(kwargs or {})

    @classmethod
    def from_call(cls, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Arguments:
        """Return the arguments of a call as it is spelled.

        Raises:
            TypeError: The function cannot be called so.

        >>> def f(a, *rest, b=2): ...
        >>> Arguments.from_call(f, 1)
        Arguments({'a': 1, 'rest': (), 'b': 2})
        """
        return cls.bound(inspect.signature(func), args, kwargs)

    @classmethod
    def bound(cls, signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """Return the arguments of a call of a known signature.

        Raises:
            TypeError: The function cannot be called so.
        """
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return cls(bound.arguments)

    def own(self, signature: inspect.Signature) -> Arguments:
        """Return the arguments as the function itself knows them: a sentinel among its defaults is that very object.

        Functions compare sentinels, such as ``MISSING = object()``, by identity, which does not travel.
        """
        given = self.kwargs
        found = {
            name: parameter.default
            for name, parameter in signature.parameters.items()
            if name in given and _stands_for(given[name], parameter.default)
        }
        return Arguments({**given, **found}) if found else self

    def spelled(self, signature: inspect.Signature) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments as a call takes them: positional ones and those by keyword.

        Raises:
            TypeError: A name is no parameter, or one is missing.
        """
        positional: list[Any] = []
        keyword: dict[str, Any] = {}
        given = dict(self.kwargs)
        by_place = True
        for name, parameter in signature.parameters.items():
            if name not in given:
                by_place = by_place and parameter.kind is _KIND.KEYWORD_ONLY
                if parameter.default is _KIND.empty and parameter.kind not in (_KIND.VAR_POSITIONAL, _KIND.VAR_KEYWORD):
                    raise TypeError(f"missing argument {name!r}")
                continue
            value = given.pop(name)
            if parameter.kind is _KIND.VAR_POSITIONAL:
                positional += value
            elif parameter.kind is _KIND.VAR_KEYWORD:
                keyword |= value
            elif parameter.kind is _KIND.KEYWORD_ONLY or not (by_place or parameter.kind is _KIND.POSITIONAL_ONLY):
                keyword[name] = value
            else:
                positional.append(value)
        if given:
            raise TypeError(f"there is no parameter {next(iter(given))!r}")
        return tuple(positional), keyword

    @property
    def args_id(self) -> str:
        """The fleche digest of the arguments, or ``no_args`` where there are none.

        Raises:
            Indigestible: One has no digest.
        """
        return str(digest(self.kwargs)) if self.kwargs else "no_args"

    def shown(self, mode: str, length: int) -> str:
        """Return the arguments as a log shows them.

        Args:
            mode: ``full``, ``keys``, ``truncated`` or ``hidden``.
            length: Characters of each argument where they are truncated; 0 for all.
        """
        if mode == "hidden":
            return "<arguments hidden>"
        if not self.kwargs:
            return "<no_args>"
        if mode == "keys":
            return f"{{{', '.join(self.kwargs)}}}"
        cut = length if mode == "truncated" else 0
        return f"{{{', '.join(f'{name}:{_cut(value, cut)}' for name, value in self.kwargs.items())}}}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Arguments):
            return NotImplemented
        return self.kwargs.keys() == other.kwargs.keys() and self.args_id == other.args_id

    def __hash__(self) -> int:
        return hash(self.args_id)

    def __repr__(self) -> str:
        return f"Arguments({self.kwargs!r})"


def _stands_for(value: Any, default: Any) -> bool:
    """Whether a value is what a default becomes on its way: an object that has nothing but its identity."""
    kind: Any = type(default)
    if type(value) is not kind or getattr(kind, "__eq__", None) is not object.__eq__:
        return False
    bare = (copyreg.__newobj__, (kind,), None, None, None)  # type: ignore[attr-defined]
    try:
        return bool(value.__reduce_ex__(4) == bare and default.__reduce_ex__(4) == bare)
    except Exception:
        return False


def _cut(value: Any, length: int) -> str:
    text = str(value)
    return text if not length or len(text) <= length else text[:length] + "..."
