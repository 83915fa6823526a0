"""`Arguments`: the arguments of a task call by name; `Binding`: how a function takes them."""

from __future__ import annotations

import copyreg
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fleche.digest import digest

__all__ = ["Arguments", "Binding"]

_KIND = inspect.Parameter
_BY_PLACE = (_KIND.POSITIONAL_ONLY, _KIND.POSITIONAL_OR_KEYWORD)
_BY_NAME = (_KIND.POSITIONAL_OR_KEYWORD, _KIND.KEYWORD_ONLY)


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
        return Binding(inspect.signature(func)).bind(args, kwargs)

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


class Binding:
    """How the calls of one function are bound to its parameters, and spelled for it again.

    A call is bound as the function itself would bind it.

    Args:
        signature: The signature of the function.
    """

    def __init__(self, signature: inspect.Signature) -> None:
        self._signature = signature
        parameters = signature.parameters.values()
        self._by_place = tuple(each.name for each in parameters if each.kind in _BY_PLACE)
        self._by_name = frozenset(each.name for each in parameters if each.kind in _BY_NAME)
        self._kinds = frozenset(each.kind for each in parameters)
        self._sentinels = {each.name: each.default for each in parameters if _is_sentinel(each.default)}

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """Return the arguments of a call by name, defaults applied.

        Raises:
            TypeError: The function cannot be called so.
        """
        bound = self._bound(args, kwargs)
        if bound is None:
            self._signature.bind(*args, **kwargs)  # tells what is wrong
            raise TypeError("it cannot be called so")
        return Arguments(bound)

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the arguments of a call by name, or None where the function cannot be called so.

        `inspect` of some versions refuses a name of a positional-only parameter among those that ``**kwargs`` takes.
        """
        given = dict(zip(self._by_place, args, strict=False))
        rest = args[len(self._by_place) :]
        named = {name: value for name, value in kwargs.items() if name in self._by_name}
        more = {name: value for name, value in kwargs.items() if name not in self._by_name}
        if (rest and _KIND.VAR_POSITIONAL not in self._kinds) or (more and _KIND.VAR_KEYWORD not in self._kinds):
            return None
        if not given.keys().isdisjoint(named):
            return None
        given |= named
        found: dict[str, Any] = {}
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is _KIND.VAR_POSITIONAL:
                found[name] = rest
            elif parameter.kind is _KIND.VAR_KEYWORD:
                found[name] = more
            elif name in given:
                found[name] = given[name]
            elif parameter.default is _KIND.empty:
                return None
            else:
                found[name] = parameter.default
        return found

    def own(self, arguments: Arguments) -> Arguments:
        """Return arguments as the function itself knows them: a sentinel among its defaults is that very object.

        Functions compare sentinels, such as ``MISSING = object()``, by identity, which does not travel.
        """
        given = arguments.kwargs
        found = {
            name: default
            for name, default in self._sentinels.items()
            if name in given and type(given[name]) is type(default) and _is_sentinel(given[name])
        }
        return Arguments({**given, **found}) if found else arguments

    def spelled(self, arguments: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return arguments as a call takes them: positional ones and those by keyword.

        Raises:
            TypeError: A name is no parameter, or one is missing.
        """
        given = dict(arguments.kwargs)
        positional: list[Any] = []
        keyword: dict[str, Any] = {}
        for name, parameter in self._signature.parameters.items():
            kind = parameter.kind
            if name in given:
                value = given.pop(name)
            elif kind in (_KIND.VAR_POSITIONAL, _KIND.VAR_KEYWORD):
                continue
            elif parameter.default is _KIND.empty:
                raise TypeError(f"missing argument {name!r}")
            else:
                value = parameter.default  # without which those that come after it would take its place
            if kind is _KIND.VAR_POSITIONAL:
                positional += value
            elif kind is _KIND.VAR_KEYWORD:
                keyword |= value
            elif kind is _KIND.KEYWORD_ONLY:
                keyword[name] = value
            else:
                positional.append(value)
        if given:
            raise TypeError(f"there is no parameter {next(iter(given))!r}")
        return tuple(positional), keyword


def _is_sentinel(value: Any) -> bool:
    """Whether a value is an object that has nothing but its identity."""
    kind: Any = type(value)
    if value is None or getattr(kind, "__eq__", None) is not object.__eq__:
        return False
    try:
        return bool(value.__reduce_ex__(4) == (copyreg.__newobj__, (kind,), None, None, None))  # type: ignore[attr-defined]
    except Exception:
        return False


def _cut(value: Any, length: int) -> str:
    text = str(value)
    return text if not length or len(text) <= length else text[:length] + "..."
