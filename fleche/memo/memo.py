"""What one function's memory does, step by step: seal a call, look it up, run the body, file what came of it.

The function classes string these steps together, each in its own way (plain, coroutine, generator).
"""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from fleche.caches import BaseCache, Filing
from fleche.call import ABSENT, Call, DigestedCall, FunctionProfile, Handle, MetaData, Outcome, PreparedCall
from fleche.call.key import call_prefix, lookup_key
from fleche.call.scalars import kind_of, scalar_fits
from fleche.clock import SYSTEM, to_micros
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.digest.code import CodeTree, CodeWatch, always_fingerprinted, function_identity
from fleche.digest.walk import examine
from fleche.errors import (
    ConfigError,
    DamagedError,
    DamagedWarning,
    FlecheWarning,
    Indigestible,
    MissError,
    UnknownDigestError,
    ValueNotStored,
)
from fleche.memo.active import Mode, active_cache, active_meta, defaults
from fleche.memo.degrade import Complaints
from fleche.memo.flight import HELD, MISSING, Contest
from fleche.memo.isolation import isolated
from fleche.memo.options import Options
from fleche.memo.references import ReferredTypes, resolved, unresolvable
from fleche.memo.statistics import Statistics
from fleche.storage.base import CodeRecord, Hit
from fleche.storage.leases import Lease

__all__ = ["Memo", "Sealed"]

log = logging.getLogger("fleche")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A call whose key is fixed.

    Attributes:
        key: The lookup key.
        arguments: The bound arguments that count, as values.
        digests: Their digests.
        code: The code fingerprint in the key, or None.
        refers: The names of the arguments that are a digest or have one inside, which the body must not see.
        types: The types of the objects in the arguments, whose methods are code that counts.
    """

    key: Digest
    arguments: Mapping[str, Any]
    digests: Mapping[str, Digest]
    code: Digest | None
    refers: AbstractSet[str]
    types: AbstractSet[type]


@dataclass(frozen=True, slots=True)
class Untouched:
    """Stands in a key for a default that has no digest, such as ``object()``, where no other value was given."""

    parameter: str


class Memo(ABC):
    """One cached function's memory.

    Args:
        function: The function as written.
        options: What `cached` was told.
        profile: How its calls are bound.
    """

    def __init__(self, function: Callable[..., Any], options: Options, profile: FunctionProfile) -> None:
        self.function = function
        self.options = options
        self.module, self.name = function_identity(function)
        self.label = f"{self.module}.{self.name}"
        self.profile = profile
        self.statistics = Statistics()
        self.complaints = Complaints(self.label, strict=options.strict)
        mode = options.code or ("own" if always_fingerprinted(function) else None)
        self.watch = (
            None
            if mode is None
            else CodeWatch(function, mode=mode, roots=options.code_roots, environment=options.environment)
        )
        self._prefix: tuple[Digest | None, bytes] | None = None
        self._told: set[tuple[int, Digest]] = set()
        self._referred = ReferredTypes()

    @abstractmethod
    def recall(self, mode: Mode, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return what a call returned before, or run the body and remember: each kind of function in its way."""

    def load(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the stored result of a call, and never run the body.

        Raises:
            KeyError: It is not stored.
        """
        sealed = self.seal(args, kwargs)
        found = self.look(self.cache(), sealed)
        if found is MISSING:
            raise UnknownDigestError(
                f"{self.label}: call {sealed.key[:12]} is not stored in {self.cache()}; calling it computes it"
            )
        self.hit(sealed)
        return found

    # -- the active state --------------------------------------------------------------------------------------

    def cache(self) -> BaseCache:
        """Return the cache that this function uses here and now."""
        chosen = self.options.cache
        if chosen is None:
            return active_cache()
        return defaults.named(chosen) if isinstance(chosen, str) else chosen

    def enter(
        self, mode: Mode, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[BaseCache | None, Sealed | None]:
        """Return the cache and the sealed call; a call without either runs uncached, and was warned of.

        Raises:
            TypeError: The function cannot be called so.
            MissError: The call cannot be keyed, and the mode is frozen.
            ConfigError: The configuration is wrong: no call should go on as if it were not.
        """
        cache = self._usable_cache()
        sealed = None if cache is None else self.try_seal(args, kwargs)
        if sealed is None:
            if mode is Mode.FROZEN:
                raise self.refuse_miss(None)
            self.statistics.uncached += 1
        return cache, sealed

    def _usable_cache(self) -> BaseCache | None:
        try:
            return self.cache()
        except ConfigError:
            raise
        except Exception as error:
            self.complaints.make(_reason("open", error), f"runs uncached: {error}", error)
            return None

    # -- sealing -----------------------------------------------------------------------------------------------

    def seal(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sealed:
        """Bind and digest the arguments, and fix the key.

        Raises:
            TypeError: The function cannot be called so.
            Indigestible: An argument has no digest.
            KeyError: An argument is a digest's prefix that names nothing.
        """
        arguments = self.profile.bind(args, kwargs)
        digests = {}
        refers = set()
        types: AbstractSet[type] = frozenset()
        for name, value in arguments.items():
            if isinstance(value, Digest) and len(value) != chosen().length:
                value = arguments[name] = self.cache().expand(value)
            try:
                digests[name], inside, brought = examine(value, name=name)
            except Indigestible:
                if not self.profile.is_default(name, value):
                    raise
                digests[name], inside, brought = examine(Untouched(name), name=name)
            if inside:
                refers.add(name)
                types |= self._referred.of(value, self.cache().load_value)
            types |= brought
        code = None if self.watch is None else self.watch.current(types)
        prefix = self._prefix  # read once: another thread may set it for other code meanwhile
        if prefix is None or prefix[0] != code:
            prefix = self._prefix = (code, call_prefix(self.module, self.name, self.options.version, code))
        return Sealed(lookup_key(prefix[1], digests), arguments, digests, code, refers, types)

    def try_seal(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sealed | None:
        """Seal a call, or warn once and return None where the call must run uncached.

        Raises:
            TypeError: The function cannot be called so; or it is strict and a required parameter is missing.
            Indigestible: An argument has no digest, and the function is strict.
        """
        missing = self.profile.missing(kwargs) if self.profile.required or not self.profile.settled else []
        if missing:
            names = ", ".join(missing)
            error = TypeError(f"{self.label}: required and not given by keyword: {names}")
            self.complaints.make(
                f"required {names}", f"runs uncached, since {names} must be given by keyword and was not", error
            )
            return None
        try:
            return self.seal(args, kwargs)
        except Indigestible as error:
            self.complaints.make(f"indigestible {error.type_name}", f"runs uncached: {error}", error)
            return None

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Return a call with its values, without running it."""
        arguments = self.profile.bind(args, kwargs)
        return Call(
            module=self.module,
            name=self.name,
            version=self.options.version,
            code=None if self.watch is None else self.watch.current(_types(arguments)),
            arguments=arguments,
        )

    # -- looking up --------------------------------------------------------------------------------------------

    def look(self, cache: BaseCache, sealed: Sealed) -> Any:
        """Return the stored result of a call, or ``MISSING``; raise the exception that a failed call kept.

        A store that cannot be read, and a value that is damaged or gone, are a miss and a warning.
        """
        hit = self.lookup(cache, sealed)
        return MISSING if hit is None else self.open(cache, sealed, hit)

    def lookup(self, cache: BaseCache, sealed: Sealed) -> Hit | None:
        """Return the record of a call if it would be a hit, with its value not yet loaded."""
        try:
            hit = cache.lookup(sealed.key)
        except Exception as error:
            self.complaints.make(_reason("read", error), f"was not looked up: {error}", error)
            return None
        return hit if hit is not None and self._counts(hit) else None

    def open(self, cache: BaseCache, sealed: Sealed, hit: Hit) -> Any:
        """Return the value of a record, or ``MISSING``; raise the exception that a failed call kept."""
        try:
            value = cache.open(hit)
        except Exception as error:
            lost = isinstance(error, DamagedError | ValueNotStored)
            kind: type[FlecheWarning] = DamagedWarning if lost else FlecheWarning
            self.complaints.make(
                "value lost" if lost else _reason("open", error),
                f"computes anew; the stored result of call {sealed.key[:12]} is of no use: {error}",
                error,
                kind=kind,
            )
            return MISSING
        if hit.outcome is Outcome.ERROR:
            if isinstance(value, self.options.errors):
                self.hit(sealed)
                raise value
            return MISSING
        return value if self._valid(cache, sealed) else MISSING

    def _counts(self, hit: Hit) -> bool:
        """Whether a record is a hit by its outcome and its age."""
        options = self.options
        if hit.outcome is Outcome.RESULT:
            ttl = options.ttl
        elif hit.outcome is Outcome.ERROR and options.errors and hit.result is not None:
            ttl = options.errors_ttl
        else:
            return False
        if ttl is None or hit.at is None:
            return True
        return to_micros(SYSTEM.now()) - hit.at < ttl * 1_000_000

    def stored(self, cache: BaseCache, sealed: Sealed, *, errors: bool = True) -> bool:
        """Whether a call would be a hit, without loading its result; ``errors``: whether a kept exception counts."""
        hit = cache.lookup(sealed.key)
        if hit is None or hit.envelope is None or not self._counts(hit):
            return False
        return self._valid(cache, sealed) if hit.outcome is Outcome.RESULT else errors

    def _valid(self, cache: BaseCache, sealed: Sealed) -> bool:
        """Whether the function's own check accepts a stored call."""
        return self.options.valid_if is None or bool(self.options.valid_if(cache.load(sealed.key)))

    def hit(self, sealed: Sealed) -> None:
        """Note a hit."""
        self.statistics.hits += 1
        if log.isEnabledFor(logging.DEBUG):
            log.debug("hit %s %s", sealed.key[:12], self.label)

    def refuse_miss(self, sealed: Sealed | None) -> MissError:
        """Return the error of frozen mode."""
        known = "the call has no key" if sealed is None else f"call {sealed.key[:12]} was never computed, or is gone"
        return MissError(
            f"{self.label}: {known}; mode 'frozen' computes nothing (mode 'on' would)",
            key="" if sealed is None else str(sealed.key),
            why=known,
        )

    # -- computing ---------------------------------------------------------------------------------------------

    def contest(self, cache: BaseCache, sealed: Sealed, *, refresh: bool = False) -> Contest:
        """Return this caller's contest for a key."""
        look: Callable[[], Any] = _never if refresh else partial(self.look, cache, sealed)
        options = self.options
        return Contest(
            self._leases(cache),
            sealed.key,
            self.label,
            look,
            on_wait=options.on_wait,
            limit=options.wait_limit,
            failed=self._unleased,
        )

    def _leases(self, cache: BaseCache) -> Any:
        try:
            return cache.leases
        except Exception as error:
            self._unleased(error)
            return None

    def _unleased(self, error: Exception) -> None:
        """Go on: at worst two compute at once. A store that fails altogether is said where the result is not stored."""
        log.warning("%s: is computed without a lease: %s", self.label, error)

    def loaded(
        self, cache: BaseCache | None, sealed: Sealed | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Return the arguments for the body: digests and handles replaced by their values.

        Raises:
            ValueNotStored: No store holds one of them.
        """
        if sealed is not None and not sealed.refers and not (self.profile.ignored or self.profile.project):
            return args, kwargs
        load = _no_store if cache is None else cache.load_value
        return tuple(resolved(a, load) for a in args), {name: resolved(a, load) for name, a in kwargs.items()}

    def begin(self, cache: BaseCache, sealed: Sealed, lease: Lease | None) -> Run | None:
        """Seal what will be filed, before the body runs; None (and a warning) where nothing can be filed."""
        self.statistics.misses += 1
        log.debug("miss %s %s", sealed.key[:12], self.label)
        for name in sealed.refers:
            value = sealed.arguments[name]
            if unresolvable(value):
                self.complaints.make(
                    f"reference in {name}",
                    f"is not stored: argument {name!r} holds a Digest in a {kind_of(value)}, where none is loaded; "
                    "pass it as an argument of its own, or in a list, tuple or dict",
                    TypeError(f"a Digest inside argument {name!r}"),
                )
                return None
        call = Call(
            module=self.module,
            name=self.name,
            version=self.options.version,
            code=sealed.code,
            arguments=sealed.arguments,
        )
        run = Run(self, cache, sealed, call)
        try:
            run.prepare(lease)
        except Exception as error:
            self.complaints.make(_reason("prepare", error), f"is not stored: {error}", error)
            return None
        return run

    def record(self, sealed: Sealed) -> DigestedCall:
        """Return the record of a sealed call, without its result."""
        arguments = sealed.arguments
        return DigestedCall(
            module=self.module,
            name=self.name,
            version=self.options.version,
            code=sealed.code,
            arguments=sealed.digests,
            scalars={name: value for name, value in arguments.items() if scalar_fits(value)},
            kinds={name: "" if isinstance(value, Digest) else kind_of(value) for name, value in arguments.items()},
        )

    def code_record(self, cache: BaseCache, sealed: Sealed) -> CodeRecord | None:
        """Return the code tree to file, the first time that a cache sees it from here."""
        code = sealed.code
        if code is None or self.watch is None or (id(cache), code) in self._told:
            return None
        tree: CodeTree = self.watch.tree(sealed.types)
        return CodeRecord(
            digest=code, kind=self.options.code or "own", tree=tree.to_json(), source=json.dumps(tree.source)
        )

    def told(self, cache: BaseCache, code: Digest | None) -> None:
        """Note that a cache has a code tree."""
        if code is not None:
            self._told.add((id(cache), code))

    def kinds(self) -> tuple[MetaData, ...]:
        """Return the metadata to gather: the default kinds, the function's own, and the active ones."""
        return (*defaults.meta, *self.options.meta, *active_meta())


class Run:
    """One execution of a body: its metadata, and the filing of its outcome."""

    def __init__(self, memo: Memo, cache: BaseCache, sealed: Sealed, call: Call) -> None:
        self._memo = memo
        self._cache = cache
        self._sealed = sealed
        self._call = call
        self._kinds: list[tuple[MetaData, dict[str, Any]]] = []
        self._prepared: PreparedCall | None = None

    def prepare(self, lease: Lease | None) -> None:
        """Seal the call and gather the metadata that comes before the body."""
        memo, options = self._memo, self._memo.options
        ttl = options.ttl
        held = HELD.get()
        inputs = (value.origin for value in self._sealed.arguments.values() if isinstance(value, Handle))
        filing = Filing(
            lease=lease,
            code=memo.code_record(self._cache, self._sealed),
            expires=None if ttl is None else partial(_after, ttl),
            parent=held[-1] if held else None,
            inputs=tuple(dict.fromkeys(key for key in inputs if key is not None)),
            store_arguments=options.store_arguments,
        )
        # The digest of what refers to a value is that of the value, which is not what there is to store.
        sealed = self._sealed
        values = {name: value for name, value in sealed.arguments.items() if name not in sealed.refers}
        self._prepared = self._cache.prepare(memo.record(sealed), filing, values=values)
        for kind in memo.kinds():
            pre = self._gather(kind, "pre", kind.pre, self._call)
            if pre is not None:
                self._kinds.append((kind, dict(pre)))

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Run a body as the one that computes this key: nested calls know their parent."""
        token = HELD.set((*HELD.get(), self._sealed.key))
        try:
            with isolated() if self._memo.options.isolate else _NOTHING:
                yield
        finally:
            HELD.reset(token)

    def commit(self, result: Any) -> None:
        """File a result; a failure is a warning that carries it."""
        self._file(result, Outcome.RESULT, {}, result)

    def fail(self, error: Exception) -> None:
        """File a failed call: type, message and traceback, and the exception itself where the function keeps it."""
        kept: Any = error if isinstance(error, self._memo.options.errors) else ABSENT
        told = {"error": _told(error)}
        self._file(kept, Outcome.ERROR, told, ABSENT)

    def file(self, value: Any, outcome: Outcome, metadata: Mapping[str, Mapping[str, Any]]) -> None:
        """File a value with an outcome and more metadata."""
        self._file(value, outcome, metadata, value)

    def abandon(self) -> None:
        """File nothing."""
        if self._prepared is not None:
            self._prepared.abandon()

    def _file(self, value: Any, outcome: Outcome, metadata: Mapping[str, Mapping[str, Any]], result: Any) -> None:
        memo, prepared = self._memo, self._prepared
        assert prepared is not None
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
                _reason("save", error), f"returned, and its result was not stored: {_why(error)}", error, result=value
            )
        else:
            memo.told(self._cache, self._sealed.code)

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


class _Nothing:
    """A context manager that does nothing; one object serves all."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


_NOTHING = _Nothing()


def _no_store(key: Digest) -> Any:
    raise ValueNotStored(f"value {key} cannot be loaded, since the store cannot be opened", digest=str(key))


def _types(arguments: Mapping[str, Any]) -> AbstractSet[type]:
    """Return the types of the objects in arguments; one that has no digest, and so no key, brings none."""
    try:
        return frozenset().union(*(examine(value)[2] for value in arguments.values()))
    except Indigestible:
        return frozenset()


def _never() -> Any:
    return MISSING


def _after(ttl: float, at: datetime) -> datetime:
    return at + timedelta(seconds=ttl)


def _reason(step: str, error: BaseException) -> str:
    return f"{step} {type(error).__qualname__}"


def _why(error: Exception) -> str:
    """Return why a result was not stored: the ways out that the digest names are those of an argument."""
    if not isinstance(error, Indigestible):
        return str(error)
    return (
        f"{error.path} is a {error.type_name}, which has no digest: it {error.reason}. Return something that has a "
        f"content of its own, leave the function undecorated, or say what identifies it with a method __digest__ of "
        f"its class or fleche.digest.register_digest"
    )


def _told(error: Exception) -> dict[str, str]:
    import traceback

    text = "".join(traceback.format_exception(error, limit=-50))
    return {
        "type": f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."),
        "message": str(error),
        "traceback": text[-20_000:],
    }
