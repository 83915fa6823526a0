"""What a broker is: the queue of invocations that wait for a worker, as a face of the table of statuses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fleche.runtime.conf.config_broker import ConfigBroker
from fleche.runtime.engine.base import Change, Engine
from fleche.runtime.exceptions import FlecheRuntimeError
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.invocation.status import RULES, InvocationStatus

if TYPE_CHECKING:
    from fleche.runtime.app import App
    from fleche.runtime.call import Call

__all__ = ["BaseBroker"]


class BaseBroker:
    """The queue. There is none beside the statuses: what waits for a worker is what has such a status.

    Args:
        app: The app, whose engine keeps the invocations.
    """

    def __init__(self, app: App) -> None:
        self.conf = ConfigBroker(app.config_values, app.config_filepath)
        self._engine: Engine = app.engine
        self._app = app

    def route_call(self, call: Call[Any, Any]) -> DistributedInvocation[Any, Any]:
        """Return a new invocation of a call, which waits for a worker.

        It is new in any case: neither answered by the cache nor joined to another, as `BaseOrchestrator.route_call`
        would do. Its running slots are those of any other.

        Raises:
            SerializationError: An argument cannot be sent.
        """
        return DistributedInvocation(call)

    def route_invocation(self, invocation: DistributedInvocation[Any, Any]) -> None:
        """Let an invocation wait for a worker; one that does already, keeps its place.

        Raises:
            InvocationStatusError: It cannot, such as one that has ended.
        """
        self._app.state_backend.upsert_invocation(invocation)
        if self._engine.status(invocation.invocation_id).status in RULES.available:
            return
        owner = self._app.runner.runner_id
        change = Change(id=invocation.invocation_id, status=InvocationStatus.REROUTED, owner=owner)
        (answer,), _ = self._engine.step(owner, [change])
        if isinstance(answer, FlecheRuntimeError):
            raise answer

    def route_invocations(self, invocations: Iterable[DistributedInvocation[Any, Any]]) -> None:
        """Let invocations wait for a worker, in order."""
        for invocation in invocations:
            self.route_invocation(invocation)

    def retrieve_invocation(self) -> DistributedInvocation[Any, Any] | None:
        """Return the invocation that is first in the queue, pending for the app's runner from now on; or None."""
        _, claimed = self._engine.step(self._app.runner.runner_id, limit=1, blockers=False)
        return self._app.invocation_of(self._engine.info(claimed[0].id)) if claimed else None

    def count_invocations(self) -> int:
        """Return how many invocations wait for a worker."""
        return self._engine.count(None, RULES.available)

    def purge(self) -> None:
        """Cancel every invocation that waits for a worker."""
        waiting = self._engine.listed(None, RULES.available, limit=self.count_invocations())
        self._engine.step(
            "", [Change(id=invocation_id, status=InvocationStatus.CANCELLED) for invocation_id in waiting]
        )
