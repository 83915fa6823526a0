"""`CachedFunction`: a plain function that remembers its calls, and what every cached function can do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar, overload

from fleche.call.binding import FunctionProfile
from fleche.errors import StoreError
from fleche.memo.active import Mode, active_mode, mode
from fleche.memo.bound import BoundCall, applied
from fleche.memo.engine import Engine
from fleche.memo.options import NOTHING, Options, check_added

if TYPE_CHECKING:
    from datetime import datetime

    from fleche.call import Call, Forgetting, Handle
    from fleche.digest import Digest
    from fleche.digest.code import CodeTree
    from fleche.memo.acceptance import AcceptedEdits, Proposal
    from fleche.memo.explain import Plan, Why
    from fleche.memo.explain.grid import Grid
    from fleche.memo.memo import Memo
    from fleche.query import QueryIterator

__all__ = ["BoundCachedFunction", "CachedFunction", "Code", "Info"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

_COPIED = ("__code__", "__defaults__", "__kwdefaults__", "__type_params__")  # so that `inspect` agrees


@dataclass(frozen=True, kw_only=True)
class Info:
    """How a cached function stands.

    Attributes:
        function: Its module and name.
        hits: Calls answered from the cache, in this process.
        misses: Calls whose body ran and was to be stored, in this process.
        uncached: Calls whose body ran outside the cache, in this process.
        stored: Calls of it that returned a result and are stored, or None where the store cannot be asked.
        code: The fingerprint of its code now, or None where code is not in the key.
        cache: The cache that it uses here and now, or why there is none.
    """

    function: str
    hits: int
    misses: int
    uncached: int
    stored: int | None
    code: Digest | None
    cache: str


class Code:
    """The code that counts for a function's key.

    Attributes:
        digest: Its fingerprint now, or None where code is not in the key.
    """

    def __init__(self, memo: Memo) -> None:
        self._watch = memo.watch
        self.digest: Digest | None = None if memo.watch is None else memo.watch.current()

    def tree(self) -> CodeTree | None:
        """Return what was walked, and why each part counts; printing it draws it. None where code is not in the key."""
        return None if self._watch is None else self._watch.tree()

    def __repr__(self) -> str:
        return "code is not in the key" if self._watch is None else str(self._watch.tree())

    def _repr_html_(self) -> str | None:
        tree = self.tree()
        return None if tree is None else tree._repr_html_()


class CachedFunction(Generic[P, R]):
    """A function that remembers its calls. Made by `cached`; used like the function itself.

    It is a descriptor, so that it works as a method. It carries the function's name, documentation, signature and
    code attributes, and the function itself as ``__wrapped__``. Safe for use by many threads.

    Args:
        function: The function as written.
        options: What `cached` was told.
    """

    __wrapped__: Callable[P, R]
    __self__: Any

    _kind: ClassVar[str] = "plain.PlainMemo"  # where its memory is made

    def __init__(self, function: Callable[P, R], options: Options) -> None:
        functools.update_wrapper(self, function)
        for name in _COPIED:
            if hasattr(function, name):
                setattr(self, name, getattr(function, name))
        check_added(function, options)
        profile = FunctionProfile(function, ignore=options.ignore, require=options.require, project=options.key)
        self._engine = Engine(self._kind, function, options, profile)
        self._receiver: tuple[Any, ...] = ()

    @property
    def _memo(self) -> Memo:
        return self._engine.memo

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the call returned before, or run the body and remember."""
        mode = active_mode()
        everything = (*self._receiver, *args) if self._receiver else args
        engine = self._engine
        if mode is Mode.OFF:
            return engine.function(*everything, **kwargs)  # type: ignore[no-any-return]
        return engine.memo.recall(mode, everything, kwargs)  # type: ignore[no-any-return]

    # -- methods -----------------------------------------------------------------------------------------------

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> BoundCachedFunction[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return self._bound_to(instance, BoundCachedFunction)

    def _bound_to(self, instance: Any, kind: type) -> Any:
        bound: Any = object.__new__(kind)
        receiver = (*self._receiver, instance)
        bound.__dict__.update(self.__dict__, _receiver=receiver, __self__=instance, __func__=self)
        return bound

    # -- the verbs ---------------------------------------------------------------------------------------------

    def key(self, /, *args: P.args, **kwargs: P.kwargs) -> Digest:
        """Return the key of a call, without running it.

        Raises:
            Indigestible: An argument has no digest.
            TypeError: The function cannot be called so.
        """
        return self._memo.seal((*self._receiver, *args), kwargs).key

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Return a call with its bound arguments, without running it.

        Raises:
            TypeError: The function cannot be called so.
        """
        return self._memo.call((*self._receiver, *args), kwargs)

    def contains(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Whether a call would be a hit: its result is stored, or an exception that the function keeps.

        Raises:
            Indigestible: An argument has no digest.
            TypeError: The function cannot be called so.
        """
        sealed = self._memo.seal((*self._receiver, *args), kwargs)
        return self._memo.stored(self._memo.cache(), sealed)

    def load(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the stored result of a call; never run the body.

        Raises:
            KeyError: The result is not stored.
            Indigestible: An argument has no digest.
            TypeError: The function cannot be called so.
        """
        return self._memo.load((*self._receiver, *args), kwargs)  # type: ignore[no-any-return]

    def query(
        self, /, *args: Any, metadata: Mapping[str, Mapping[str, Any] | None] = NOTHING, **kwargs: Any
    ) -> QueryIterator:
        """Return the stored calls of this function that have these arguments, of whatever code and version.

        Those under the names that ``was`` gives are among them.

        Args:
            *args: Arguments by position. None, and an argument that is not given, matches anything;
                ``digest(None)`` asks for None itself.
            metadata: Entries by namespace, matched exactly.
            **kwargs: Arguments by name.

        Raises:
            TypeError: The function has no such arguments.
        """
        from fleche.call import QueryCall
        from fleche.query import QueryIterator

        memo = self._memo
        arguments = memo.profile.template((*self._receiver, *args), kwargs)
        template = QueryCall(module=memo.module, name=memo.name, arguments=arguments, metadata=metadata)
        if memo.options.was:
            from fleche.memo.everywhere import Everywhere

            return QueryIterator(Everywhere(memo.cache(), memo.adoption.filed_places), template)
        return QueryIterator(memo.cache(), template)

    @property
    def calls(self) -> QueryIterator:
        """The stored calls of this function, of whatever code and version, oldest first."""
        return self.query()

    def why(self, /, *args: P.args, **kwargs: P.kwargs) -> Why:
        """Return why a call is a hit or a miss: what differs from the nearest stored call, and where.

        No body runs, and nothing is written. Of a miss the stored calls of this function are looked at, through the
        index: the latest 200, and 20 each of those that share all arguments, all but one, or a single one; where there
        are none, those of functions of its name, its module, or with these arguments. Arguments are compared by value
        where they are stored, by sketches where those were kept, else by digest; code part by part.

        Args:
            *args: The arguments of the call by position.
            **kwargs: The arguments by name.

        Returns:
            Printed, it says what a person wants to know; its fields hold the same as data.

        Raises:
            TypeError: The function cannot be called so.
            KeyError: An argument is a digest's prefix that names nothing.

        >>> import fleche
        >>> @fleche.cached(cache="memory", version=7)
        ... def fit(layers, lr=0.1):
        ...     return sum(layers) * lr
        >>> fit([64, 64])
        12.8
        >>> fit.why([64, 64]).hit
        True
        >>> print(fit.why([64, 128]).causes[0])
        layers[1]: 64 -> 128
        """
        from fleche.memo.explain.why import explain

        return explain(self._memo, (*self._receiver, *args), kwargs)

    def plan(self, grid: Grid, /) -> Plan:
        """Return what many calls would cost, and why, before anything runs.

        Nothing is executed and nothing written. Each call is keyed and looked up; misses are grouped by their cause,
        one comparison for each earlier version of the code. The time is estimated: for a sample of the misses, the
        median time of the five stored calls that share most arguments, among the latest 500. A hundred thousand calls
        take some seconds.

        Args:
            grid: A mapping of names to values stands for every combination. Otherwise an iterable of calls: a tuple is
                arguments by position, a dict by name, a `Call` its own, anything else the one argument.

        Raises:
            TypeError: A call cannot be made so, or the grid is none.
            ConfigError: The configuration is wrong.
            StoreError: The cache cannot be opened or read.

        >>> import fleche
        >>> @fleche.cached(cache="memory", version=8)
        ... def fit(lr, seed=0):
        ...     return lr * seed
        >>> fit(0.1)
        0.0
        >>> plan = fit.plan({"lr": [0.1, 0.2], "seed": [0, 1]})
        >>> plan.hits, plan.misses
        (1, 3)
        """
        from fleche.memo.explain.planning import planned

        return planned(self._memo, self._receiver, grid)

    def rerun(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the body whatever is stored, and store what it returns."""
        with mode(Mode.REFRESH):
            return self(*args, **kwargs)

    @overload
    def forget(self, /, *args: P.args, **kwargs: P.kwargs) -> bool: ...
    @overload
    def forget(self, /, *args: Any, downstream: Literal[True], **kwargs: Any) -> Forgetting: ...
    def forget(self, /, *args: Any, **kwargs: Any) -> Any:
        """Remove the record of a call, and return whether there was one. Its values stay in the store.

        So that the next call computes, the records go too that would answer it under a name that the function had, or
        of code that was accepted.

        Args:
            *args: The arguments of the call.
            **kwargs: The arguments of the call by name. ``downstream=True``, where the function takes no such argument,
                means every call that depends on this one too: then nothing is removed, and what would be is returned;
                its ``confirm()`` does it.

        Raises:
            Indigestible: An argument has no digest.
            TypeError: The function cannot be called so.
            Rejected: The cache is read-only.
        """
        if "downstream" in kwargs and not self._memo.profile.takes("downstream"):
            return self._forget(args, kwargs)
        memo = self._memo
        sealed = memo.seal((*self._receiver, *args), kwargs)
        cache = memo.cache()
        there = False
        for each in (sealed, *memo.elsewhere(cache, sealed)):
            if cache.lookup(each.key) is not None:
                there = True
                cache.evict(each.key)
        return there

    def _forget(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool | Forgetting:
        """Forget a call, downstream too if the arguments say so."""
        from fleche.call import Forgetting

        given = dict(kwargs)
        downstream = bool(given.pop("downstream"))
        memo = self._memo
        cache = memo.cache()
        sealed = memo.seal((*self._receiver, *args), given)
        keys = [each.key for each in (sealed, *memo.elsewhere(cache, sealed))]
        forgetting = Forgetting(chain.from_iterable(map(cache.find_key, keys)), cache, downstream=downstream)
        return forgetting if downstream else forgetting.confirm() > 0

    def ref(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle:
        """Return a handle on the result of a call, computed if need be; a stored result is not loaded.

        A handle given to a cached function stands for its value, which is not digested again for the key; it is not
        even loaded, unless it holds objects of classes whose code may count.

        Raises:
            ValueNotStored: The call ran, and its result could not be stored.
            Indigestible: An argument has no digest.
        """
        sealed = self._memo.seal((*self._receiver, *args), kwargs)
        cache = self._memo.cache()
        found = self._memo.where(cache, sealed, errors=False)
        if found is None:
            self(*args, **kwargs)
            found = self._memo.where(cache, sealed, errors=False) or sealed
        self._memo.used(found)
        return cache.load(found.key).ref()

    @overload
    def bind(self, /) -> BoundCall[P, R]: ...
    @overload
    def bind(self, /, *args: Any, **kwargs: Any) -> BoundCall[..., R]: ...
    def bind(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return a callable that carries the cache, mode, metadata and tags that are active here and now.

        It can be given to threads and, where the cache is not in memory, pickled into other processes.

        Args:
            *args: Arguments that come before those of the call.
            **kwargs: Arguments that the call can replace.
        """
        cache = self._memo.cache() if self._engine.options.cache is None else None
        return BoundCall(applied(self, args, kwargs), cache)

    def info(self) -> Info:
        """Return counts of this process, and how many calls are stored.

        Raises:
            ConfigError: The configuration is wrong.
        """
        memo = self._memo
        counts = memo.statistics
        stored: int | None = None
        try:
            cache = repr(memo.cache())
            stored = self.calls.count()
        except StoreError as error:
            cache = str(error)
        return Info(
            function=memo.label,
            hits=counts.hits,
            misses=counts.misses,
            uncached=counts.uncached,
            stored=stored,
            code=None if memo.watch is None else memo.watch.current(),
            cache=cache,
        )

    @property
    def code(self) -> Code:
        """The code that counts for the key, as ``f.code.digest`` and ``f.code.tree()``."""
        return Code(self._memo)

    # -- calls of code that was edited -------------------------------------------------------------------------

    def accept(self, /, *names: str, since: datetime | None = None) -> Proposal:
        """Say that the edits since stored calls were computed change no result, so that these calls are hits again.

        Nothing is done before ``.confirm()`` of what is returned, which shows the calls by the code that they were
        computed with, what was edited since, and how many each edit brings back. An acceptance holds for one
        fingerprint before and today's: the next edit misses again, and may be accepted in its turn, which brings back
        the calls of both. It is recorded in the store with who says so and when, counts for everyone who uses the
        store, and can be withdrawn; the stored calls themselves are not touched. Calls under the names that ``was``
        gives are among them, and calls that lack parameters that ``added`` gives.

        Args:
            *names: Only code of which nothing else was edited since: the last parts of the names of functions, classes
                or constants, such as ``"utils.clean"``.
            since: Only code of which a call started then or later.

        Raises:
            StoreError: The store cannot be read.

        >>> import fleche
        >>> @fleche.cached(cache="memory")
        ... def add(a, b):
        ...     return a + b
        >>> add.accept().calls
        0
        """
        from fleche.memo.acceptance import propose

        return propose(self._memo, names, since)

    @property
    def accepted(self) -> AcceptedEdits:
        """The edits that were accepted for this function and not withdrawn: who, when, and which fingerprints."""
        from fleche.memo.acceptance import accepted

        return accepted(self._memo)

    def withdraw(self, /, *codes: str) -> int:
        """Take back what was accepted for this function: the calls miss again, as they did before.

        Args:
            *codes: The first characters of fingerprints, before or after the edit; without any, everything is.

        Returns:
            How many acceptances were withdrawn.

        Raises:
            Rejected: The cache is read-only.
            StoreError: The store cannot be written.
        """
        from fleche.memo.acceptance import withdraw

        return withdraw(self._memo, codes)

    # -- by the names of version 0 -----------------------------------------------------------------------------

    def digest(self, /, *args: P.args, **kwargs: P.kwargs) -> Digest:
        """Return the key of a call; the earlier name of `key`."""
        return self.key(*args, **kwargs)

    @property
    def fleche(self) -> Self:
        """The function itself: existing code spells its verbs ``f.fleche.load(...)``."""
        return self

    # -- being an object ---------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<cached {self._engine.label}>"

    def _repr_html_(self) -> str:
        from fleche.display import drawn
        from fleche.memo.picture import function_picture

        return drawn(lambda: function_picture(self, self._memo, self.calls), repr(self))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __digest__(self) -> Any:
        """Return what counts of it as a value: the function that it wraps, and what that is bound to."""
        return functools.reduce(MethodType, self._receiver, self.__wrapped__)

    def __reduce__(self) -> Any:
        from fleche.memo.carry import reduce_function

        return reduce_function(self, self._receiver, self._engine.options)


class BoundCachedFunction(CachedFunction[P, R]):
    """A cached method of one object: the object is its first argument, and counts by value."""

    __func__: CachedFunction[Any, R]

    def __repr__(self) -> str:
        from fleche.display import value_preview

        return f"<cached method {self._engine.label} of {value_preview(self.__self__, 80)}>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, BoundCachedFunction)
            and self.__func__ is other.__func__
            and self.__self__ is other.__self__
        )

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))
