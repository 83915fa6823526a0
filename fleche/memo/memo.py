"""What one function's memory does, step by step: seal a call, look it up, run the body, file what came of it.

The function classes string these steps together, each in its own way (plain, coroutine, generator).
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from fleche.caches import BaseCache
from fleche.call import Call, DigestedCall, FunctionProfile, MetaData, Outcome
from fleche.call.key import call_prefix, lookup_key
from fleche.call.scalars import kind_of, scalar_fits
from fleche.clock import SYSTEM, to_micros
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.digest.code import CodeTree, CodeWatch, always_fingerprinted, function_identity
from fleche.digest.files import LOOKS, Look
from fleche.digest.trace import Trace
from fleche.digest.walk import examine, traced
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
from fleche.memo.degrade import Complaints, reason
from fleche.memo.flight import MISSING, Contest
from fleche.memo.lineage import note_made
from fleche.memo.options import Options
from fleche.memo.references import ReferredTypes, resolved, unresolvable
from fleche.memo.run import Run
from fleche.memo.statistics import Statistics
from fleche.storage.base import CodeRecord, Hit
from fleche.storage.leases import Lease

if TYPE_CHECKING:
    from fleche.memo.adoption import Adoption

__all__ = ["Memo", "Sealed", "is_decided"]

log = logging.getLogger("fleche")


class Sealed(NamedTuple):
    """A call whose key is fixed.

    Attributes:
        key: The lookup key.
        arguments: The bound arguments that count, as values.
        digests: Their digests.
        code: The code fingerprint in the key, or None.
        refers: The names of the arguments that are a digest or have one inside, which the body must not see.
        types: The types of the objects in the arguments, whose methods are code that counts.
        traces: What each argument that is no scalar holds, which may be the result of another call; emptied after use.
        looks: What the files were that count for the key.
    """

    key: Digest
    arguments: Mapping[str, Any]
    digests: Mapping[str, Digest]
    code: Digest | None
    refers: AbstractSet[str]
    types: AbstractSet[type]
    traces: MutableMapping[str, Trace]
    looks: Sequence[Look]


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
        module, self.name = function_identity(function)
        self.module = module if options.module else ""
        self.label = f"{module}.{self.name}"
        self.profile = profile
        self.statistics = Statistics()
        self.complaints = Complaints(self.label, strict=options.strict)
        mode = options.code or ("own" if always_fingerprinted(function) else None)
        self.watch = (
            None
            if mode is None
            else CodeWatch(function, mode=mode, roots=options.code_roots, environment=options.environment)
        )
        self._adoption: Adoption | None = None
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
                raise self.refuse_miss(None, args, kwargs)
            self.statistics.uncached += 1
        return cache, sealed

    def _usable_cache(self) -> BaseCache | None:
        try:
            return self.cache()
        except ConfigError:
            raise
        except Exception as error:
            self.complaints.make(reason("open", error), f"runs uncached: {error}", error)
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
        looks = LOOKS.taken
        if looks:
            looks.clear()
        digests = {}
        refers = set()
        types: AbstractSet[type] = frozenset()
        traces = {}
        for name, value in arguments.items():
            if isinstance(value, Digest) and len(value) != chosen().length:
                value = arguments[name] = self.cache().expand(value)
            try:
                digests[name], inside, brought, trace = traced(value, name=name)
            except Indigestible:
                if not self.profile.is_default(name, value):
                    raise
                digests[name], inside, brought, trace = traced(Untouched(name), name=name)
            if trace is not None:
                traces[name] = trace
            if inside:
                refers.add(name)
                types |= self._referred.of(value, self.cache().load_value)
            types |= brought
        code = None if self.watch is None else self.watch.current(types)
        prefix = self._prefix  # read once: another thread may set it for other code meanwhile
        if prefix is None or prefix[0] != code:
            prefix = self._prefix = (code, call_prefix(self.module, self.name, self.options.version, code))
        return Sealed(lookup_key(prefix[1], digests), arguments, digests, code, refers, types, traces, tuple(looks))

    def try_seal(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sealed | None:
        """Seal a call, or warn once and return None where the call must run uncached.

        Raises:
            TypeError: The function cannot be called so; or it is strict and a required parameter is missing.
            Indigestible: An argument has no digest, and the function is strict.
        """
        missing = self.profile.missing(kwargs) if self.profile.required or not self.profile.settled else []
        if missing:
            self.profile.bind(args, kwargs)  # a call that is wrong altogether is a TypeError, and no more
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
        hit = self._read(cache, sealed)
        found = self._opened(cache, sealed, hit)
        if found is not MISSING or is_decided(hit):
            return found
        for other in self.elsewhere(cache, sealed):
            found = self.look_here(cache, other)
            if found is not MISSING:
                log.debug("%s: call %s is answered by %s", self.label, sealed.key[:12], other.key[:12])
                return found
        return MISSING

    def look_here(self, cache: BaseCache, sealed: Sealed) -> Any:
        """Return the stored result of a call that was filed under its own key, or ``MISSING``; as `look`."""
        return self._opened(cache, sealed, self._read(cache, sealed))

    def _opened(self, cache: BaseCache, sealed: Sealed, hit: Hit | None) -> Any:
        return MISSING if hit is None or not self.counts(hit) else self.open(cache, sealed, hit)

    @property
    def adoption(self) -> Adoption:
        """What the function's calls may have been filed under before it was renamed, moved, extended or accepted."""
        if self._adoption is None:
            from fleche.memo.adoption import Adoption  # only a miss needs it

            self._adoption = Adoption(self)
        return self._adoption

    def elsewhere(self, cache: BaseCache, sealed: Sealed) -> Iterator[Sealed]:
        """Yield a call under the other keys that it may have been filed under; a failure here is none of the call."""
        try:
            for key in self.adoption.keys(cache, sealed):
                yield sealed._replace(key=key)
        except Exception as error:
            self.complaints.make(reason("adopt", error), f"was not looked up as it was before: {error}", error)

    def lookup(self, cache: BaseCache, sealed: Sealed) -> Hit | None:
        """Return the record of a call if it would be a hit, with its value not yet loaded."""
        hit = self._read(cache, sealed)
        return hit if hit is not None and self.counts(hit) else None

    def _read(self, cache: BaseCache, sealed: Sealed) -> Hit | None:
        """Return the record of a call, whatever it is, with its value not yet loaded."""
        try:
            return cache.lookup(sealed.key)
        except Exception as error:
            self.complaints.make(reason("read", error), f"was not looked up: {error}", error)
            return None

    def open(self, cache: BaseCache, sealed: Sealed, hit: Hit) -> Any:
        """Return the value of a record, or ``MISSING``; raise the exception that a failed call kept."""
        try:
            value = cache.open(hit)
        except Exception as error:
            lost = isinstance(error, DamagedError | ValueNotStored)
            kind: type[FlecheWarning] = DamagedWarning if lost else FlecheWarning
            self.complaints.make(
                "value lost" if lost else reason("open", error),
                f"computes anew; the stored result of call {sealed.key[:12]} is of no use: {error}",
                error,
                kind=kind,
            )
            return MISSING
        if hit.outcome is Outcome.ERROR:
            if isinstance(value, self.options.errors):
                self.hit(sealed)
                self.used(sealed)
                raise value
            return MISSING
        if not self.valid(cache, sealed):
            return MISSING
        cache.origins.note(value, hit.result, sealed.key)
        self.used(sealed)
        return value

    def counts(self, hit: Hit) -> bool:
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
        return self.where(cache, sealed, errors=errors) is not None

    def where(self, cache: BaseCache, sealed: Sealed, *, errors: bool = True) -> Sealed | None:
        """Return the call under the key of the record that would be its hit, or None; see `stored`."""
        hit = cache.lookup(sealed.key)
        if self._is_hit(cache, sealed, hit, errors=errors):
            return sealed
        if is_decided(hit):
            return None
        others = self.elsewhere(cache, sealed)
        return next((other for other in others if self._is_here(cache, other, errors=errors)), None)

    def _is_here(self, cache: BaseCache, sealed: Sealed, *, errors: bool) -> bool:
        return self._is_hit(cache, sealed, cache.lookup(sealed.key), errors=errors)

    def _is_hit(self, cache: BaseCache, sealed: Sealed, hit: Hit | None, *, errors: bool) -> bool:
        if hit is None or hit.envelope is None or not self.counts(hit):
            return False
        return self.valid(cache, sealed) if hit.outcome is Outcome.RESULT else errors

    def valid(self, cache: BaseCache, sealed: Sealed) -> bool:
        """Whether the function's own check accepts a stored call."""
        return self.options.valid_if is None or bool(self.options.valid_if(cache.load(sealed.key)))

    def hit(self, sealed: Sealed) -> None:
        """Note a hit."""
        self.statistics.hits += 1
        if log.isEnabledFor(logging.DEBUG):
            log.debug("hit %s %s", sealed.key[:12], self.label)

    def used(self, sealed: Sealed) -> None:
        """Note, for a body that makes this call, that it did: under the key of the record that answers it."""
        note_made(sealed.key)

    def refuse_miss(
        self, sealed: Sealed | None, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = {}
    ) -> MissError:
        """Return the error of frozen mode, with the cause of the miss; a call that is not sealed by its arguments."""
        from fleche.memo.explain.why import explain, explain_sealed  # which needs this module

        key = "" if sealed is None else str(sealed.key)
        why: Any
        try:
            why = explain(self, args, kwargs) if sealed is None else explain_sealed(self, self.cache(), sealed)
            told = why.brief()
        except Exception as error:  # the miss is what is told, whatever else fails
            why = told = f"why is not known: {type(error).__name__}: {error}"
        call = f"call {key[:12]}" if key else "the call"
        return MissError(
            f"{self.label}: {call} is a miss: {told}; mode 'frozen' computes nothing (mode 'on' would)",
            key=key,
            why=why,
        )

    def tell_miss(self, cache: BaseCache, sealed: Sealed) -> None:
        """Log why a call is a miss, where ``FLECHE_WHY`` asks for it; a failure to find out costs no call."""
        if not (defaults.tells and log.isEnabledFor(logging.INFO)):
            return
        try:
            from fleche.memo.explain.why import explain_sealed

            why = explain_sealed(self, cache, sealed, computing=True)
            log.info("miss %s %s: %s", sealed.key[:12], self.label, why.brief())
        except Exception as error:
            log.info("miss %s %s, and why is not known: %s", sealed.key[:12], self.label, error)

    # -- computing ---------------------------------------------------------------------------------------------

    def contest(self, cache: BaseCache, sealed: Sealed, *, refresh: bool = False) -> Contest:
        """Return this caller's contest for a key."""
        look: Callable[[], Any] = _never if refresh else partial(self.look_here, cache, sealed)
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
        if defaults.tells:
            self.tell_miss(cache, sealed)
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
            self.complaints.make(reason("prepare", error), f"is not stored: {error}", error)
            return None
        self.used(sealed)
        return run

    def record(self, sealed: Sealed) -> DigestedCall:
        """Return the record of a sealed call, without its result."""
        arguments = sealed.arguments
        return DigestedCall.keyed(
            sealed.key,
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
        return CodeRecord(digest=code, kind=self.options.code or "own", tree=tree.to_json(), source=tree.source_json())

    def told(self, cache: BaseCache, code: Digest | None) -> None:
        """Note that a cache has a code tree."""
        if code is not None:
            self._told.add((id(cache), code))

    def kinds(self) -> tuple[MetaData, ...]:
        """Return the metadata to gather: the default kinds, the function's own, and the active ones."""
        return (*defaults.meta, *self.options.meta, *active_meta())


def is_decided(hit: Hit | None) -> bool:
    """Whether a call's own record says that it returned, so that no older record counts, even if this one does not."""
    return hit is not None and hit.outcome is Outcome.RESULT and hit.envelope is not None


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
