"""`Why`: why a call is a hit or a miss, as data and as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NoReturn

from fleche.caches import Cache
from fleche.call import DigestedCall, LazyCall, Outcome, Version
from fleche.digest import Digest
from fleche.display import ago, arguments, duration, short
from fleche.errors import ValueNotStored
from fleche.memo.explain.code import CodeChange
from fleche.memo.explain.differences import Differences
from fleche.memo.explain.texts import printable
from fleche.storage.void import VoidStore

__all__ = ["Cause", "Reason", "Why"]

_CAUSES = 8  # that are told
_ARGUMENTS = 100  # characters of the arguments of the nearest call


class Cause(StrEnum):
    """Why a call is a hit or a miss.

    ``hit``: it is stored. ``never``: no call of the function is stored. ``argument``, ``code``, ``version``,
    ``environment``: what differs from the nearest stored call. ``name``: the same code, or arguments, are stored for
    another name or module. ``expired``, ``refused`` (by ``valid_if``), ``failed``, ``partial``: there is a record, and
    it is no hit. ``damaged``, ``gone``, ``unreadable``: its result cannot be given. ``elsewhere``: another store has
    it. ``running``: another computes it now. ``forgotten``: it was there, and was removed. ``unstored``: a call ran
    before, and was not stored. ``no key``: an argument has no digest, or a required one was not given by keyword.
    ``mode``: the active mode does not look, or does not keep. ``store``: the cache cannot be opened or read.
    """

    HIT = "hit"
    NEVER = "never"
    ARGUMENT = "argument"
    CODE = "code"
    VERSION = "version"
    ENVIRONMENT = "environment"
    NAME = "name"
    EXPIRED = "expired"
    REFUSED = "refused"
    FAILED = "failed"
    PARTIAL = "partial"
    DAMAGED = "damaged"
    GONE = "gone"
    UNREADABLE = "unreadable"
    ELSEWHERE = "elsewhere"
    RUNNING = "running"
    FORGOTTEN = "forgotten"
    UNSTORED = "unstored"
    NO_KEY = "no key"
    MODE = "mode"
    STORE = "store"


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause, in words.

    Attributes:
        kind: What kind of cause.
        text: A sentence that says it, without a full stop.
    """

    kind: Cause
    text: str

    def __str__(self) -> str:
        return self.text


_COMPARED = frozenset({Cause.ARGUMENT, Cause.CODE, Cause.VERSION, Cause.ENVIRONMENT})
_NO_ARGUMENTS: Mapping[str, Differences] = {}
_NO_PACKAGES: Mapping[str, tuple[str | None, str | None]] = {}


@dataclass(frozen=True, kw_only=True, repr=False)
class Why:
    """Why a call is a hit or a miss. Printing it says so; a notebook draws it. It pickles.

    Attributes:
        function: The module and name of the function.
        hit: Whether calling it here and now would be answered from the cache.
        key: The key of the call, or None where it has none.
        causes: What decides, the most telling first; at least one.
        nearest: The stored call that was compared: that of the key itself, else the nearest other; or None.
        arguments: What differs from the arguments of the nearest, by name; only those that differ.
        code: What differs from the code of the nearest; what was edited first.
        version: The version of the nearest and that of the function, where they differ.
        environment: The packages and interpreters named by ``environment=`` that differ, with their version at the
            nearest call, or None where that is not known, and now.
    """

    function: str
    hit: bool
    key: Digest | None = None
    causes: tuple[Reason, ...] = ()
    nearest: LazyCall | None = None
    arguments: Mapping[str, Differences] = field(default_factory=lambda: _NO_ARGUMENTS)
    code: tuple[CodeChange, ...] = ()
    version: tuple[Version, Version] | None = None
    environment: Mapping[str, tuple[str | None, str | None]] = field(default_factory=lambda: _NO_PACKAGES)

    @property
    def cause(self) -> Cause:
        """The kind of the most telling cause."""
        return self.causes[0].kind

    def brief(self) -> str:
        """Return the true cause in one line: what differs, and from which call."""
        told = "; ".join(reason.text.partition("\n")[0] for reason in self.causes[:3])
        more = len(self.causes) - 3
        told += f" (and {more:,} more)" if more > 0 else ""
        if self.nearest is not None and not self.hit and self.nearest.key != self.key:
            told += f" (nearest: call {short(self.nearest.key)}{_when(self.nearest, ', ')})"
        return printable(told)

    def __str__(self) -> str:
        head = f"{'hit' if self.hit else 'miss'}: {self.function}"
        lines = [head + (f"  key {short(self.key)}" if self.key is not None else "")]
        compared = self.nearest is not None and not self.hit
        told = [reason for reason in self.causes if not compared or reason.kind not in _COMPARED]
        for reason in told[:_CAUSES]:
            lines += [f"  {each}" for each in reason.text.splitlines()]
        if compared and self.nearest is not None:
            own = self.nearest.key == self.key
            lines.append(f"  {'its record' if own else 'nearest'}: {_named(self.nearest)}")
            lines += [f"    {each}" for each in self._compared()]
            lines += [f"    all else is equal: {each}" for each in [self._equal()] if each and not own]
            lines += [f"  {each}" for each in [self._advice(self.nearest)] if each]
        return "\n".join(map(printable, lines))

    def _compared(self) -> Iterator[str]:
        """Yield what differs from the nearest call, line by line, as the causes have it, with all that is known."""
        for reason in self.causes:
            if reason.kind in (Cause.VERSION, Cause.ENVIRONMENT):
                yield reason.text
        for differences in self.arguments.values():
            yield from str(differences).splitlines()
        yield from (reason.text for reason in self.causes if reason.kind is Cause.ARGUMENT and not self.arguments)
        for change in self.code:
            if not change.follows:
                yield str(change)
                yield from (f"  {each}" for each in change.diff.splitlines())
        yield from (reason.text for reason in self.causes if reason.kind is Cause.CODE and not self.code)

    def _advice(self, near: LazyCall) -> str:
        """Return what to say of an edit that changes no result; empty text where more than code differs."""
        kinds = {reason.kind for reason in self.causes}
        if self.code and kinds == {Cause.CODE}:
            return f"if this edit changes no result: {self.function.rpartition('.')[2]}.accept()"
        names = [name for name in self.arguments if name not in near.record.arguments]
        if names and kinds <= {Cause.CODE, Cause.ARGUMENT} and len(names) == len(self.arguments):
            told = ", ".join(f"{name!r}: ..." for name in names)
            return f"if all calls before it meant one value: @cached(added={{{told}}})"
        return ""

    def _equal(self) -> str:
        """Return which parts of the key are equal, in words."""
        assert self.nearest is not None
        names = [name for name in self.nearest.record.arguments if name not in self.arguments]
        told = [", ".join(names[:6]) + (", …" if len(names) > 6 else "")] if names else []
        if not self.code and not self.environment and not any(each.kind is Cause.CODE for each in self.causes):
            told.append("code")
        return "; ".join(told)

    def __repr__(self) -> str:
        return str(self)

    def json(self) -> dict[str, Any]:
        """Return everything, as plain data."""
        return {
            "function": self.function,
            "hit": self.hit,
            "key": None if self.key is None else str(self.key),
            "causes": [{"kind": str(reason.kind), "text": reason.text} for reason in self.causes],
            "nearest": None if self.nearest is None else str(self.nearest.key),
            "arguments": {name: differences.json() for name, differences in self.arguments.items()},
            "code": [change.json() for change in self.code],
            "version": None if self.version is None else list(self.version),
            "environment": {name: list(versions) for name, versions in self.environment.items()},
        }

    def _repr_html_(self) -> str:
        from fleche.display import drawn
        from fleche.memo.explain.picture import why_picture

        return drawn(lambda: why_picture(self), str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        fields["nearest"] = None if self.nearest is None else self.nearest.record
        return _revived, (fields,)


def _revived(fields: dict[str, Any]) -> Why:
    record: DigestedCall | None = fields.pop("nearest")
    made = Why(**fields)
    return made if record is None else replace(made, nearest=LazyCall(record, _NoSource()))


class _NoSource(Cache):
    """Stands for the cache of a call that came from another process."""

    def __init__(self) -> None:
        store = VoidStore()
        super().__init__(store.values, store.calls)

    def load_value(self, key: Digest | str, form: str | None = None) -> NoReturn:  # noqa: ARG002
        raise ValueNotStored(f"value {key} is in the cache of the process that this came from", digest=str(key))

    def open_result(self, record: DigestedCall) -> NoReturn:
        raise ValueNotStored(f"the result of call {record.key} is in another process's cache", digest="")


def _named(call: LazyCall) -> str:
    failed = " [failed]" if call.outcome is Outcome.ERROR else ""
    told = f"call {short(call.key)} {call.name}({arguments(call.record, _ARGUMENTS)}){failed}"
    return f"{told}{_when(call, ', ')}{_took(call)}"


def _when(call: LazyCall, before: str = "") -> str:
    told = ago(call.at, datetime.now(UTC))
    return f"{before}{told}" if told else ""


def _took(call: LazyCall) -> str:
    return f", took {duration(call.walltime)}" if isinstance(call.walltime, int | float) else ""
