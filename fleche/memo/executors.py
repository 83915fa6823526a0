"""`wrap_executor`: executors that carry the active cache to their workers, and answer hits at once."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

from fleche.memo.active import Mode, active_cache, active_mode
from fleche.memo.bound import BoundCall
from fleche.memo.flight import MISSING
from fleche.memo.function import BoundCachedFunction, CachedFunction
from fleche.memo.futures import revived

__all__ = ["Submit", "wrap_executor"]

E = TypeVar("E", bound=Executor)


def wrap_executor(executor: E) -> E:
    """Make an executor carry the active cache, mode, metadata and tags to its workers.

    Its ``submit``, and so its ``map``, changes in place:

    - a cached function whose result is stored is not submitted: the future that ``submit`` returns is done already
      (plain functions, not coroutines and generators);
    - any other cached function runs in the worker with what is active where it was submitted;
    - so does any other callable, for the cached functions that it calls, if the active cache can travel: a cache in
      memory reaches threads, and no other process.

    Wrapping twice does nothing more.

    Args:
        executor: A thread pool, a process pool, or what has the ``submit`` of `concurrent.futures.Executor`, such as
            executors of loky, Dask and executorlib.

    Returns:
        The same executor.

    >>> import fleche
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> @fleche.cached
    ... def square(x):
    ...     return x * x
    >>> with fleche.cache("memory"), ThreadPoolExecutor(1) as pool:
    ...     print(wrap_executor(pool).submit(square, 5).result())
    ...     print(pool.submit(square, 5).done())
    25
    True
    """
    if not isinstance(executor.submit, Submit):
        executor.submit = Submit(executor.submit, threads=isinstance(executor, ThreadPoolExecutor))  # type: ignore[method-assign]
    return executor


class Submit:
    """The ``submit`` of a wrapped executor.

    Args:
        submit: The executor's own.
        threads: Whether its workers are threads of this process.
    """

    def __init__(self, submit: Callable[..., Future[Any]], *, threads: bool) -> None:
        self._submit = submit
        self._threads = threads

    def __call__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call, unless its result is stored."""
        if isinstance(function, BoundCall):
            return self._submit(function, *args, **kwargs)
        if not isinstance(function, CachedFunction):
            bound = BoundCall.bind(function) if self._carries() else function
            return self._submit(bound, *args, **kwargs)
        return stored(function, args, kwargs) or self._submit(function.bind(), *args, **kwargs)

    def _carries(self) -> bool:
        """Whether the active cache can reach the workers."""
        if self._threads:
            return True
        try:
            pickle.dumps(active_cache())
        except Exception:  # whatever the reason, the callable runs as it would without us
            return False
        return True


def stored(function: CachedFunction[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Future[Any] | None:
    """Return a future that has the stored result of a call, or None where the call is to be run.

    What is wrong with a call is not said here: whoever runs it meets it again.
    """
    if type(function) not in (CachedFunction, BoundCachedFunction) or active_mode() in (Mode.OFF, Mode.REFRESH):
        return None
    memo = function._memo  # noqa: SLF001 - of this package
    future: Future[Any] = Future()
    try:
        sealed = memo.try_seal((*function._receiver, *args), kwargs)  # noqa: SLF001
        found = MISSING if sealed is None else memo.look(memo.cache(), sealed)
    except memo.options.errors as error:  # one that the function keeps
        future.set_exception(error)
        return future
    except Exception:
        return None
    if sealed is None or found is MISSING:
        return None
    memo.hit(sealed)
    future.set_result(revived(found))
    return future
