"""Recovery: giving back what nobody will move on."""

from __future__ import annotations

import logging

from fleche.runtime.conf.config_pynenc import ConfigPynenc
from fleche.runtime.engine.base import Change, Engine, Info
from fleche.runtime.exceptions import FlecheRuntimeError
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.status import RULES, InvocationStatus

__all__ = ["Recovery"]

log = logging.getLogger("fleche.runtime")

_S = InvocationStatus
_MINUTE = 60_000_000  # microseconds
_SECOND = 1_000_000


class Recovery:
    """Gives back invocations whose runner is dead, that were not started in time, or that rest between two steps.

    Args:
        engine: Keeps invocations.
        conf: Says when a runner is dead, when a claim is too old, and when to give up.
    """

    def __init__(self, engine: Engine, conf: ConfigPynenc) -> None:
        self._engine = engine
        self._conf = conf

    def sweep(self) -> list[InvocationId]:
        """Give back, or give up, what nobody will move on; return those. One that fails does not hinder the others."""
        now = self._engine.now()
        orphans = self._engine.orphans(dead_before=self._dead_before(now), pending_before=now - self.patience)
        return [info.id for info in orphans if self._tried(info)]

    def _tried(self, info: Info) -> bool:
        try:
            return self.one(info)
        except Exception:
            log.exception("invocation %s was not recovered; it is tried again", info.id)
            return False

    @property
    def patience(self) -> int:
        """How long a claim may be pending, in microseconds."""
        return round(self._conf.max_pending_seconds * _SECOND)

    def _dead_before(self, now: int) -> int:
        return now - round(self._conf.runner_considered_dead_after_minutes * _MINUTE)

    def _died(self, info: Info) -> bool:
        """Whether an invocation was owned by a runner that is dead; one that is pending may only have been slow."""
        status = info.record.status
        if status is not _S.PENDING:
            return status in RULES.owned
        alive = self._engine.runners(self._dead_before(self._engine.now()))
        return all(runner.owner != info.record.runner_id for runner in alive)

    def one(self, info: Info) -> bool:
        """Give an invocation back, or up if its workers died too often; return whether it still was as it was."""
        changes = []
        status = info.record.status
        died = self._died(info)
        if status is _S.PENDING:
            changes.append(Change(id=info.id, status=_S.PENDING_RECOVERY, attempt=info.attempt, recoveries=int(died)))
        elif died:
            changes.append(Change(id=info.id, status=_S.RUNNING_RECOVERY, attempt=info.attempt, recoveries=1))
        deaths = info.recoveries + died
        if deaths > self._conf.max_recoveries:
            note = f"given up: its worker died {deaths} times"
            changes.append(Change(id=info.id, status=_S.DEAD_LETTER, note=note))
        else:
            changes.append(Change(id=info.id, status=_S.REROUTED))
        answers, _ = self._engine.step("", changes)
        refused = [answer for answer in answers if isinstance(answer, FlecheRuntimeError)]
        for error in refused:
            log.info("invocation %s was not recovered: %s", info.id, error)
        return not refused
