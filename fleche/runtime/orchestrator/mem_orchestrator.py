"""`MemOrchestrator`: orchestration in memory, and the names of its parts that existing code imports."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.orchestrator.base_orchestrator import BaseOrchestrator
from fleche.runtime.orchestrator.blocking_control import BaseBlockingControl
from fleche.runtime.orchestrator.cycle_control import BaseCycleControl

if TYPE_CHECKING:
    from fleche.runtime.app import App
    from fleche.runtime.task import Task

__all__ = ["ArgPair", "MemBlockingControl", "MemCycleControl", "MemOrchestrator", "TaskInvocationCache"]


class MemOrchestrator(BaseOrchestrator):
    """The orchestrator of an app in this process."""

    engine_name = "memory"


class MemBlockingControl(BaseBlockingControl):
    """Blocking control of an app in this process.

    Args:
        app: The app.
    """

    def __init__(self, app: App) -> None:
        super().__init__(app.engine, app.invocation_of)


class MemCycleControl(BaseCycleControl):
    """Cycle control of an app in this process.

    Args:
        app: The app.
    """

    def __init__(self, app: App) -> None:
        super().__init__(app.engine, app.invocation_of)


class ArgPair:
    """The name and the value of an argument; equal and hashed by both, whatever the value's type.

    Args:
        key: The name.
        value: The value; one that cannot be hashed or compared counts by its pickle.
    """

    __slots__ = ("key", "value")

    def __init__(self, key: str, value: Any) -> None:
        self.key, self.value = key, value

    def __hash__(self) -> int:
        try:
            return hash((self.key, self.value))
        except TypeError:
            return hash((self.key, pickle.dumps(self.value)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArgPair) or self.key != other.key:
            return False
        try:
            return bool(self.value == other.value)
        except Exception:
            return pickle.dumps(self.value) == pickle.dumps(other.value)

    def __str__(self) -> str:
        return f"{self.key}:{self.value}"

    def __repr__(self) -> str:
        return f"ArgPair({self})"


class TaskInvocationCache:
    """The invocations of one task, as a view of the app's engine.

    Args:
        app: The app.
        task: The task; None for those of all tasks.
    """

    def __init__(self, app: App, task: Task[Any, Any] | None = None) -> None:
        self._app = app
        self._task = task

    def get_invocations(
        self, key_arguments: Mapping[str, str] | None = None, status: InvocationStatus | None = None
    ) -> list[DistributedInvocation[Any, Any]]:
        """Return the invocations with some serialized arguments and in a status; all without either."""
        orchestrator = self._app.orchestrator
        if self._task is not None:
            return list(orchestrator.get_existing_invocations(self._task, key_arguments, status))
        engine = self._app.engine
        wanted = None if status is None else {status}
        found = [
            self._app.invocation_of(engine.info(each)) for each in engine.listed(None, wanted, limit=engine.count())
        ]
        wanted_texts = (key_arguments or {}).items()
        return [each for each in found if all(each.serialized_arguments.get(k) == text for k, text in wanted_texts)]

    def get_status(self, invocation_id: InvocationId) -> InvocationStatus:
        """Return the status of an invocation."""
        return self._app.orchestrator.get_invocation_status(invocation_id)

    def set_status(self, invocation_id: InvocationId, status: InvocationStatus) -> None:
        """Set the status of an invocation; see `BaseOrchestrator.set_invocation_status`."""
        self._app.orchestrator.set_invocation_status(invocation_id, status)

    def set_pending_status(self, invocation_id: InvocationId) -> None:
        """Let an invocation be pending.

        Raises:
            PendingInvocationLockError: Someone else has it already.
        """
        self.set_status(invocation_id, InvocationStatus.PENDING)

    def clean_pending_status(self, invocation_id: InvocationId) -> None:
        """Give an invocation back that is pending."""
        if self.get_status(invocation_id) is InvocationStatus.PENDING:
            self.set_status(invocation_id, InvocationStatus.REROUTED)

    def get_retries(self, invocation_id: InvocationId) -> int:
        """Return how often an invocation was run again."""
        return self._app.orchestrator.get_invocation_retries(invocation_id)

    def increase_retries(self, invocation_id: InvocationId) -> int:
        """Count a retry, and return how many there are."""
        return self._app.orchestrator.increment_invocation_retries(invocation_id)

    def set_up_invocation_auto_purge(self, invocation_id: InvocationId) -> None:
        """Do nothing: an invocation that ends is stamped by the engine."""

    def auto_purge(self) -> int:
        """Forget the invocations that ended long ago; return how many."""
        return self._app.orchestrator.auto_purge()

    def clean_up_invocation(self, invocation_id: InvocationId) -> None:
        """Forget an invocation that has ended, with all that is known of it."""
        self._app.engine.forget(invocation_id)
