"""Binding: from the way a call is spelled to its arguments, one name each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin

__all__ = ["FunctionProfile", "Ignored", "Required", "bind", "marked"]

T = TypeVar("T")
Names = str | Iterable[str]


class _Marker:
    """What `Ignored` and `Required` leave in an annotation."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


_IGNORED = _Marker("Ignored")
_REQUIRED = _Marker("Required")

Ignored = Annotated[T, _IGNORED]
"""``Ignored[T]``: this parameter is in neither the key nor the record."""

Required = Annotated[T, _REQUIRED]
"""``Required[T]``: this parameter must be given by keyword, else the call runs uncached."""

_EMPTY = inspect.Parameter.empty
_Kind = inspect.Parameter


class FunctionProfile:
    """How one function's calls are bound: its parameters, and what each counts for.

    Args:
        function: The function as written, undecorated.
        ignore: Names of parameters that are in neither key nor record.
        require: Names of parameters that must be given by keyword.
        project: For some parameters, a function of the bound value whose result stands for it in key and record.

    Raises:
        TypeError: A name is no parameter of the function, or is both ignored and required or projected.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        ignore: Iterable[str] = (),
        require: Iterable[str] = (),
        project: Mapping[str, Callable[[Any], Any]] | None = None,
    ) -> None:
        self.function = function
        self.signature = inspect.signature(function, follow_wrapped=False)
        parameters = self.signature.parameters
        self.project = dict(project or {})
        self.ignored = frozenset(ignore)
        self.required = frozenset(require)
        self._varargs = _first(parameters, _Kind.VAR_POSITIONAL)
        self._varkw = _first(parameters, _Kind.VAR_KEYWORD)
        self._positional = tuple(
            p.name for p in parameters.values() if p.kind in (_Kind.POSITIONAL_ONLY, _Kind.POSITIONAL_OR_KEYWORD)
        )
        self._keyword = frozenset(
            p.name for p in parameters.values() if p.kind in (_Kind.KEYWORD_ONLY, _Kind.POSITIONAL_OR_KEYWORD)
        )
        self._order = tuple((p.name, p.default) for p in parameters.values() if p.name != self._varkw)
        self._check_names()
        self.settled = not any(p.annotation is not _EMPTY for p in parameters.values())

    @classmethod
    def of(cls, function: Callable[..., Any]) -> FunctionProfile:
        """Return the profile of a function as its own signature and annotations say."""
        return cls(function)

    def _check_names(self) -> None:
        parameters = self.signature.parameters
        for option, names in (("ignore", self.ignored), ("require", self.required), ("key", self.project)):
            for name in sorted(names):
                if name not in parameters and self._varkw is None:
                    raise TypeError(
                        f"{option}={name!r}: {self.function.__qualname__} has no parameter {name!r}; "
                        f"its parameters are {', '.join(parameters) or 'none'}"
                    )
        both = self.ignored & (self.required | self.project.keys())
        if both:
            raise TypeError(f"{', '.join(sorted(both))}: a parameter cannot be ignored and also required or projected")

    def settle(self) -> None:
        """Read the annotations, unless that is done."""
        if not self.settled:
            self._read_annotations()

    def _read_annotations(self) -> None:
        """Find `Ignored` and `Required` in annotations, at the first call, when every name they use exists."""
        found: dict[str, set[str]] = {"Ignored": set(), "Required": set()}
        for parameter in self.signature.parameters.values():
            annotation = parameter.annotation
            while isinstance(annotation, str):
                annotation = _evaluate(annotation, self.function)
            if get_origin(annotation) is Annotated:
                for extra in get_args(annotation)[1:]:
                    if isinstance(extra, _Marker):
                        found[extra.name].add(parameter.name)
        self.ignored |= found["Ignored"]
        self.required |= found["Required"]
        self._check_names()
        self.settled = True

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, defaults applied, in the order of the signature.

        ``*args`` is one argument, a tuple. ``**kwargs`` is flattened by name, sorted; entries whose name is also a
        parameter's stay together in a dict under the name of the ``**`` parameter. Ignored parameters are left
        out, projected ones replaced by their projection.

        Raises:
            TypeError: The function cannot be called so.
        """
        if not self.settled:
            self._read_annotations()
        arguments = self._bind_all(args, kwargs)
        for name in self.ignored:
            arguments.pop(name, None)
        for name, function in self.project.items():
            if name in arguments:
                arguments[name] = function(arguments[name])
        return arguments

    def _bind_all(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        positional = self._positional
        given = dict(zip(positional, args, strict=False))
        extra: dict[str, Any] = {}
        if len(args) > len(positional) and self._varargs is None:
            raise self._refusal(args, kwargs)
        for name, value in kwargs.items():
            if name in self._keyword:
                if name in given:
                    raise self._refusal(args, kwargs)
                given[name] = value
            elif self._varkw is not None:
                extra[name] = value
            else:
                raise self._refusal(args, kwargs)
        arguments: dict[str, Any] = {}
        for name, default in self._order:
            if name in given:
                arguments[name] = given[name]
            elif name == self._varargs:
                arguments[name] = args[len(positional) :]
            elif default is not _EMPTY:
                arguments[name] = default
            else:
                raise self._refusal(args, kwargs)
        if extra:
            self._flatten(arguments, extra)
        return arguments

    def _flatten(self, arguments: dict[str, Any], extra: dict[str, Any]) -> None:
        parameters = self.signature.parameters
        clashing = {name: value for name, value in extra.items() if name in parameters}
        for name in sorted(extra.keys() - clashing.keys()):
            arguments[name] = extra[name]
        if clashing:
            assert self._varkw is not None
            arguments[self._varkw] = clashing

    def _refusal(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> TypeError:
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as error:
            return TypeError(f"{self.function.__qualname__}() {error}")
        # `inspect` of some versions binds a positional-only name given by keyword, which no call does.
        return TypeError(f"{self.function.__qualname__}() got positional-only arguments passed as keyword arguments")

    def is_default(self, name: str, value: Any) -> bool:
        """Whether a value is the very object that a parameter has as its default."""
        parameter = self.signature.parameters.get(name)
        return parameter is not None and parameter.default is value

    def takes(self, name: str) -> bool:
        """Whether an argument can be given by this name."""
        return name in self._keyword or self._varkw is not None

    def missing(self, kwargs: Mapping[str, Any]) -> list[str]:
        """Return the required parameters that were not given by keyword."""
        if not self.settled:
            self._read_annotations()
        return [name for name in self.signature.parameters if name in self.required and name not in kwargs]

    def template(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return only the arguments that were given, for a query; a None among them matches anything.

        Raises:
            TypeError: More positional arguments, or other names, than the function takes.
        """
        if not self.settled:
            self._read_annotations()
        try:
            bound = self.signature.bind_partial(*args, **kwargs).arguments
        except TypeError as error:
            takes = ", ".join(self.signature.parameters) or "nothing"
            raise TypeError(f"{self.function.__qualname__}() {error}; it takes {takes}") from None
        extra = bound.pop(self._varkw, {}) if self._varkw else {}
        if extra:
            self._flatten(bound, dict(extra))
        return {
            name: self.project[name](value) if name in self.project and value is not None else value
            for name, value in bound.items()
            if name not in self.ignored
        }


def bind(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of one call by name, defaults applied.

    >>> def f(a, *rest, b=2): ...
    >>> bind(f, (1,), {})
    {'a': 1, 'rest': (), 'b': 2}

    Raises:
        TypeError: The function cannot be called so.
    """
    return FunctionProfile(function).bind(args, kwargs)


def marked(
    function: Callable[..., Any], ignore: Names | None = None, require: Names | None = None
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the ignored and of the required parameters of a function, by options and annotations.

    >>> def f(a, log: Ignored[list], seed: Required[int] = 0): ...
    >>> marked(f, ignore="a")[0] == {"a", "log"}, marked(f)[1]
    (True, frozenset({'seed'}))

    Raises:
        TypeError: A name is no parameter of the function, or is both ignored and required.
    """
    profile = FunctionProfile(function, ignore=_named(ignore), require=_named(require))
    profile.settle()
    return profile.ignored, profile.required


def _named(names: Names | None) -> Iterable[str]:
    return (names,) if isinstance(names, str) else names or ()


def _first(parameters: Mapping[str, inspect.Parameter], kind: Any) -> str | None:
    return next((p.name for p in parameters.values() if p.kind is kind), None)


def _evaluate(annotation: str, function: Callable[..., Any]) -> Any:
    """Evaluate one annotation written as text; None where its names exist for type checkers only."""
    try:
        return eval(annotation, getattr(function, "__globals__", {}))  # noqa: S307 - the function's own source
    except Exception:
        for marker in ("Ignored", "Required"):
            if f"{marker}[" in annotation:
                return Annotated[Any, _IGNORED if marker == "Ignored" else _REQUIRED]
        return None
