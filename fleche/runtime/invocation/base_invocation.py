"""What an invocation is, and a group of them."""

from __future__ import annotations

import os
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

from fleche.clock import Seconds
from fleche.runtime.identifiers import CallId, InvocationId
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.types import Params, Result

if TYPE_CHECKING:
    from fleche.runtime.app import App
    from fleche.runtime.arguments import Arguments
    from fleche.runtime.call import Call
    from fleche.runtime.task import Task

__all__ = ["BaseInvocation", "BaseInvocationGroup", "id_of", "new_invocation_id"]


class _RandomIds:
    """Random UUIDs, as text (RFC 9562, version 4).

    The system's randomness is the seed only: to ask for it lets other threads have the interpreter, each time.
    """

    _MARK = 0x4000_8000000000000000  # the version and the variant
    _FREE = ~(0xF000_C000000000000000)

    def __init__(self) -> None:
        self._random = random.Random()  # noqa: S311 - an id is no secret
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._random.seed)

    def __call__(self) -> InvocationId:
        text = f"{self._random.getrandbits(128) & self._FREE | self._MARK:032x}"
        return InvocationId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


_random_id = _RandomIds()


def new_invocation_id() -> InvocationId:
    """Return an id that no other invocation has."""
    return _random_id()


class BaseInvocation(ABC, Generic[Params, Result]):
    """One execution of a call.

    Args:
        call: The call.
        invocation_id: Its id; a new one if not given.
    """

    def __init__(self, call: Call[Params, Result], invocation_id: InvocationId | None = None) -> None:
        self.call = call
        self.invocation_id = invocation_id or new_invocation_id()

    @property
    def app(self) -> App:
        """The app."""
        return self.call.app

    @property
    def task(self) -> Task[Params, Result]:
        """The task."""
        return self.call.task

    @property
    def call_id(self) -> CallId:
        """The id of the call."""
        return self.call.call_id

    @property
    def arguments(self) -> Arguments:
        """The arguments."""
        return self.call.arguments

    @property
    def serialized_arguments(self) -> Mapping[str, str]:
        """The arguments as texts."""
        return self.call.serialized_arguments

    @property
    @abstractmethod
    def status(self) -> InvocationStatus:
        """How it stands."""

    @property
    @abstractmethod
    def result(self) -> Result:
        """What the task returned, waited for if need be.

        Raises:
            Exception: Whatever the task raised.
        """

    @abstractmethod
    def get(self, timeout: Seconds | None = None) -> Result:
        """Return what the task returned, as `result` does, waited for at most so many seconds.

        Raises:
            InvocationTimeoutError: It is not done; it goes on.
            Exception: Whatever the task raised.
        """

    @abstractmethod
    def wait(self, timeout: Seconds | None = None) -> bool:
        """Wait until it is final, at most so many seconds; return whether it is."""

    @abstractmethod
    def cancel(self) -> bool:
        """Cancel it, and return whether that was in time."""

    def __await__(self) -> Generator[Any, Any, Result]:
        return self.async_result().__await__()

    @property
    @abstractmethod
    def num_retries(self) -> int:
        """How often it was run again."""

    @abstractmethod
    def to_json(self) -> str:
        """Return it as JSON."""

    @classmethod
    @abstractmethod
    def from_json(cls, app: App, serialized: str) -> BaseInvocation[Any, Any]:
        """Return the invocation of a JSON text, for an app."""

    @abstractmethod
    async def async_result(self) -> Result:
        """Return what the task returned, as `result` does; the event loop goes on meanwhile."""

    def __hash__(self) -> int:
        return hash(self.invocation_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseInvocation) and self.invocation_id == other.invocation_id

    def __digest__(self) -> str:
        """Return what identifies it where it is an argument: its id, not its result."""
        return self.invocation_id

    def __str__(self) -> str:
        return f"{type(self).__name__}(invocation_id={self.invocation_id}, {self.call})"

    __repr__ = __str__


class BaseInvocationGroup(ABC, Generic[Params, Result]):
    """Invocations of one task, in order.

    Args:
        task: The task.
        invocations: The invocations; one that was joined several times is there several times.
    """

    def __init__(self, task: Task[Params, Result], invocations: Sequence[BaseInvocation[Params, Result]]) -> None:
        self.task = task
        self.invocations = list(invocations)

    def __repr__(self) -> str:
        count = len(self.invocations)
        return f"<{type(self).__name__}: {count:,} invocation{'' if count == 1 else 's'} of {self.task.task_id.key}>"

    @property
    def app(self) -> App:
        """The app."""
        return self.task.app

    @property
    def invocation_map(self) -> dict[InvocationId, BaseInvocation[Params, Result]]:
        """The invocations by id."""
        return {each.invocation_id: each for each in self.invocations}

    @property
    @abstractmethod
    def results(self) -> Iterator[Result]:
        """What the task returned, one result for each invocation."""

    @abstractmethod
    def async_results(self) -> AsyncIterator[Result]:
        """Return what `results` does, without blocking the event loop."""

    @abstractmethod
    def collect(self, *, return_exceptions: bool = False, timeout: Seconds | None = None) -> list[Any]:
        """Return what the task returned, in the order of the calls.

        Args:
            return_exceptions: Return what was raised in its place, instead of raising the first.
            timeout: Seconds (or a timedelta) to wait at most for all.

        Raises:
            InvocationTimeoutError: Some are not done.
            Exception: Whatever the first that failed raised.
        """

    def __digest__(self) -> list[str]:
        """Return what identifies it where it is an argument: the ids of its invocations."""
        return [each.invocation_id for each in self.invocations]

    def __iter__(self) -> Iterator[BaseInvocation[Params, Result]]:
        return iter(self.invocations)

    def __len__(self) -> int:
        return len(self.invocations)


def id_of(invocation: BaseInvocation[Any, Any] | InvocationId) -> InvocationId:
    """Return the id of an invocation, of which there may be the id alone."""
    return invocation if isinstance(invocation, str) else invocation.invocation_id
