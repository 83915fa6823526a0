"""`Run`: one execution of a body, its metadata, and the filing of what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from fleche.caches import BaseCache, Filing
from fleche.call import ABSENT, Call, DigestedCall, MetaData, Outcome, PreparedCall
from fleche.digest import Digest, digest
from fleche.errors import FileChanged, FileUnreadable, FlecheWarning, StoreWarning
from fleche.frames import is_ours
from fleche.memo.degrade import reason
from fleche.memo.flight import HELD
from fleche.memo.isolation import isolated
from fleche.memo.lineage import MADE, Made, given_to, inputs_of, note_result
from fleche.storage.envelope import Envelope
from fleche.storage.leases import Lease

if TYPE_CHECKING:
    from fleche.digest.trace import Trace
    from fleche.memo.memo import Memo, Sealed

__all__ = ["Run"]

log = logging.getLogger("fleche")


class Run:
    """One execution of a body: its metadata, and the filing of its outcome."""

    def __init__(self, memo: Memo, cache: BaseCache, sealed: Sealed, call: Call) -> None:
        self._memo = memo
        self._cache = cache
        self._sealed = sealed
        self._call = call
        self._kinds: list[tuple[MetaData, dict[str, Any]]] = []
        self._prepared: PreparedCall | None = None
        self._made = Made(sealed.key)
        self._given: frozenset[bytes] | None = None

    def prepare(self, lease: Lease | None) -> None:
        """Seal the call and gather the metadata that comes before the body."""
        memo, options = self._memo, self._memo.options
        ttl = options.ttl
        around = MADE.get()
        filing = Filing(
            lease=lease,
            code=memo.code_record(self._cache, self._sealed),
            expires=None if ttl is None else partial(_after, ttl),
            parent=None if around is None else around.key,
            inputs=self._inputs(),
            made=self._made,
            told=self._note_origin,
            store_arguments=options.store_arguments,
        )
        # The digest of what refers to a value is that of the value, which is not what there is to store.
        sealed = self._sealed
        values = {name: value for name, value in sealed.arguments.items() if name not in sealed.refers}
        self._prepared = self._cache.prepare(memo.record(sealed), filing, values=values)
        for kind in reversed(memo.kinds()):  # the first is nearest to the body: the runtime is not that of other kinds
            asks = getattr(kind.pre, "__func__", None) is not MetaData.pre
            pre = self._gather(kind, "pre", kind.pre, self._call) if asks else {}
            if pre is not None:
                self._kinds.insert(0, (kind, dict(pre)))

    def _inputs(self) -> tuple[Digest, ...]:
        """Return the calls whose results came in; that these are not known is no failure of the call."""
        if not self._cache.writable:
            return ()
        try:
            self._given = given_to(self._sealed)
            return inputs_of(self._sealed, self._cache)
        except Exception as error:
            log.warning("%s: where its arguments came from is not recorded: %s", self._memo.label, error)
            return ()
        finally:
            self._sealed.traces.clear()  # which keep the parts of the arguments alive

    def _note_origin(self, record: DigestedCall, value: Any, trace: Trace | None) -> None:
        """Note, once the call is filed, that its result came from here, and what is in the result too."""
        if record.outcome is Outcome.RESULT:
            note_result(self._cache.origins, value, record, self._sealed.key, trace, self._given)

    def inside(self) -> AbstractContextManager[None]:
        """Run a body as the one that computes this key: nested calls know their parent."""
        inside = _Inside(self._sealed.key, self._made)
        return _isolated(inside) if self._memo.options.isolate else inside

    def commit(self, result: Any) -> None:
        """File a result; a failure is a warning that carries it."""
        self._file(result, Outcome.RESULT, {}, result)

    def fail(self, error: Exception) -> None:
        """File a failed call: type, message and traceback, and the exception itself where the function keeps it.

        That a file among the arguments cannot be read says nothing of the call, so nothing is filed.
        """
        if isinstance(error, FileUnreadable):
            self.abandon()
            return
        kept: Any = error if isinstance(error, self._memo.options.errors) and self._can_keep(error) else ABSENT
        told = {"error": _told(error)}
        self._file(kept, Outcome.ERROR, told, ABSENT)

    def _can_keep(self, error: Exception) -> bool:
        """Whether an exception can be stored; if not, that it was raised is recorded all the same."""
        try:
            digest(error, name="exception")
            Envelope.pack(error)
        except Exception as refusal:  # whatever pickling raises
            log.warning("%s: an exception cannot be kept, so the call will run again: %s", self._memo.label, refusal)
            return False
        return True

    def file(self, value: Any, outcome: Outcome, metadata: Mapping[str, Mapping[str, Any]]) -> None:
        """File a value with an outcome and more metadata."""
        self._file(value, outcome, metadata, value)

    def abandon(self) -> None:
        """File nothing."""
        prepared = self._taken()
        if prepared is not None:
            prepared.abandon()

    def _taken(self) -> PreparedCall | None:
        """Return what was prepared, and let go of it: it knows this run, and would keep arguments and result alive."""
        prepared, self._prepared = self._prepared, None
        return prepared

    def _file(self, value: Any, outcome: Outcome, metadata: Mapping[str, Mapping[str, Any]], result: Any) -> None:
        memo, prepared = self._memo, self._taken()
        assert prepared is not None
        changed = [look.path for look in self._sealed.looks if not look.still_holds()]
        if changed:
            # Whether the body read what was there before or after, nothing tells.
            prepared.abandon()
            if outcome is not Outcome.ERROR:
                text = f"{changed[0]} changed while it ran"
                error = FileChanged(text, path=changed[0])
                memo.complaints.make(text, f"returned, and its result was not stored: {text}", error, result=value)
            return
        call = self._call if result is ABSENT else self._call.returned(result)
        gathered = dict(metadata)
        for kind, pre in self._kinds:
            post = self._gather(kind, "post", kind.post, pre, call)
            if post:
                gathered[kind.name] = {**gathered.get(kind.name, {}), **post}
        try:
            prepared.commit(value, gathered, outcome=outcome)
        except Exception as error:
            if outcome is Outcome.ERROR:
                log.warning("%s: the failed call was not recorded: %s", memo.label, error)
                return
            memo.complaints.make(
                reason("save", error), f"returned, and its result was not stored: {error}", error, result=value
            )
        else:
            memo.told(self._cache, self._sealed.code)
            if value is not ABSENT:
                self._check_readable(value)

    def _check_readable(self, value: Any) -> None:
        """Say at the first save, and not at a read, that a store will not give a result back."""
        refusal = self._cache.refuses(value)
        if refusal is not None:
            self._memo.complaints.make(
                f"untrusted {refusal.type_name}",
                f"its result is stored, and will not be read back: {refusal}",
                refusal,
                kind=StoreWarning,
                result=value,
            )

    def _gather(self, kind: MetaData, step: str, function: Callable[..., Any], *args: Any) -> dict[str, Any] | None:
        try:
            return function(*args) or {}
        except Exception as error:
            self._memo.complaints.make(
                f"metadata {kind.name} {step}",
                f"its metadata {kind.name!r} was not noted: {error!r}",
                kind=FlecheWarning,
            )
            return None


class _Inside:
    """The block in which a body runs that computes a key."""

    __slots__ = ("_key", "_made", "_making", "_token")

    def __init__(self, key: Digest, made: Made) -> None:
        self._key = key
        self._made = made

    def __enter__(self) -> None:
        self._token = HELD.set((*HELD.get(), self._key))
        self._making = MADE.set(self._made)

    def __exit__(self, *_: object) -> None:
        MADE.reset(self._making)
        HELD.reset(self._token)


@contextmanager
def _isolated(inside: _Inside) -> Iterator[None]:
    with inside, isolated():
        yield


def _after(ttl: float, at: datetime) -> datetime:
    return at + timedelta(seconds=ttl)


def _told(error: Exception) -> dict[str, str]:
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and is_ours(trace.tb_frame):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace, limit=-50))
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."),
        "message": str(error),
        "traceback": text[-20_000:],
    }
