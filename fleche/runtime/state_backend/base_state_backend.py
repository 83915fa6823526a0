"""What is kept of invocations: their calls, histories, results and exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from fleche.clock import from_micros
from fleche.digest import Digest
from fleche.errors import FlecheError
from fleche.runtime.conf.config_state_backend import ConfigStateBackend
from fleche.runtime.engine.base import Engine, Entry, Outcome
from fleche.runtime.exceptions import InvocationHasNoResultError, InvocationNotFoundError
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation, id_of
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.invocation.status import InvocationStatus, InvocationStatusRecord

if TYPE_CHECKING:
    from fleche.runtime.app import App

__all__ = ["BaseStateBackend", "InvocationHistory"]


@dataclass
class InvocationHistory:
    """One line of the history of an invocation.

    Attributes:
        invocation_id: Of which invocation.
        status: The status that it came to; None where the line only says something.
        execution_context: What there is to say, or None.
        status_record: The status with its owner, where it is known.
        registered_by_inv_id: At the first line, the invocation in whose body the call was made, or None.
    """

    invocation_id: str
    _timestamp: datetime = field(init=False, default_factory=lambda: datetime.now(UTC))
    status: InvocationStatus | None = None
    execution_context: Any = None
    status_record: InvocationStatusRecord | None = None
    registered_by_inv_id: str | None = None

    @property
    def timestamp(self) -> datetime:
        """When it was, aware, in UTC."""
        return self._timestamp

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "invocation_id": self.invocation_id,
            "_timestamp": self._timestamp.isoformat(),
            "status": None if self.status is None else self.status.value,
            "execution_context": self.execution_context,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the line of plain data, of this or of the later form of the reference system.

        A time without a zone is in UTC.
        """
        record = InvocationStatusRecord.from_json(data["status_record"]) if data.get("status_record") else None
        text = data.get("status")
        line = cls(
            data["invocation_id"],
            InvocationStatus(text) if text else None if record is None else record.status,
            data.get("execution_context", data.get("runner_context_id")),
            record,
            data.get("registered_by_inv_id"),
        )
        moment = datetime.fromisoformat(data["_timestamp"])
        line._timestamp = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return line

    @classmethod
    def of(cls, invocation_id: InvocationId, entry: Entry, parent: InvocationId | None) -> Self:
        """Return the line of what an engine keeps."""
        record = entry.record
        line = cls(
            invocation_id,
            None if record is None else record.status,
            entry.note if entry.note is not None else entry.registrar,
            record,
            parent if entry.registrar is not None else None,
        )
        line._timestamp = from_micros(entry.at)
        return line


class BaseStateBackend:
    """What is kept of invocations. Every write is done when the method returns.

    A result that the cache holds is not kept twice: the invocation names the call record.

    Args:
        app: The app, whose engine keeps the invocations.
    """

    def __init__(self, app: App) -> None:
        self.conf = ConfigStateBackend(app.config_values, app.config_filepath)
        self._engine: Engine = app.engine
        self._data = app.client_data_store
        self._exceptions = app.exceptions
        self._invocation_of = app.invocation_of
        self._task = app.get_task
        self._app = app

    def upsert_invocation(self, invocation: DistributedInvocation[Any, Any]) -> None:
        """Keep an invocation, registered; one that is there already stays as it is."""
        self._upsert_invocation(invocation)

    def get_invocation(self, invocation_id: InvocationId | str) -> DistributedInvocation[Any, Any]:
        """Return an invocation.

        Raises:
            InvocationNotFoundError: There is none of this id.
            TaskNotFoundError: Its task cannot be imported.
        """
        found = self._get_invocation(InvocationId(invocation_id))
        if found is None:
            raise InvocationNotFoundError(invocation_id, "there is no such invocation")
        return found

    def add_history(
        self,
        invocation: BaseInvocation[Any, Any] | InvocationId,
        status: InvocationStatus | None = None,
        execution_context: Any = None,
    ) -> None:
        """Add a line to a history. A change of status adds its own line, so ``status`` is only said again.

        Raises:
            InvocationNotFoundError: There is none of this id.
        """
        line = InvocationHistory(id_of(invocation), status, execution_context)
        self._add_history(line)

    def get_history(self, invocation: BaseInvocation[Any, Any] | InvocationId) -> list[InvocationHistory]:
        """Return the history of an invocation, oldest first; nothing where there is none of this id."""
        return self._get_history(id_of(invocation))

    def set_result(self, invocation: BaseInvocation[Any, Any] | InvocationId, result: Any) -> None:
        """Keep a result.

        Raises:
            TypeError: It cannot be serialized.
            InvocationNotFoundError: There is none of this id.
        """
        self._set_result(id_of(invocation), self._data.serialize(result))

    def get_result(self, invocation: BaseInvocation[Any, Any] | InvocationId) -> Any:
        """Return a result; the caller's own.

        Raises:
            KeyError: There is none, or what holds it is gone.
        """
        invocation_id = id_of(invocation)
        info = self._engine.info(invocation_id)
        record = None if info.outcome is None else info.outcome.record
        if record is None:
            return self._data.resolve(self._get_result(invocation_id))
        try:
            return self._task(info.call.call_id.task_id).results.load(record)
        except (KeyError, FlecheError) as error:
            raise InvocationHasNoResultError(invocation_id, self._lost(record, error)) from error

    def _lost(self, record: Digest, error: Exception) -> str:
        """Return why the result of a record cannot be had here, and what to do."""
        text = f"its result is call {record}, and the cache that is used here does not give it: {error}"
        if self._app.cache is not None:
            return f"{text}. It was removed since, or the worker used another cache than this app does"
        return (
            f"{text}. It was removed since, or the worker's active cache is another one: give both the same, by "
            "App(cache=...)"
        )

    def set_exception(self, invocation: BaseInvocation[Any, Any] | InvocationId, exception: BaseException) -> None:
        """Keep an exception.

        Raises:
            InvocationNotFoundError: There is none of this id.
        """
        self._set_exception(id_of(invocation), self._exceptions.encode(exception))

    def get_exception(self, invocation: BaseInvocation[Any, Any] | InvocationId) -> BaseException:
        """Return an exception, as it was raised as far as that can be; it can be raised.

        Raises:
            KeyError: There is none.
        """
        return self._exceptions.decode(self._get_exception(id_of(invocation)))

    def wait_for_all_async_operations(self) -> None:
        """Return when every write is done: they are done when they return."""

    def wait_for_invocation_async_operations(self, invocation_id: InvocationId | str) -> None:
        """Return when every write of an invocation is done: they are done when they return."""

    def purge(self) -> None:
        """Forget every invocation of the app, with its history, result and exception."""
        self._engine.clear()

    # -- by the engine -----------------------------------------------------------------------------------------

    def _upsert_invocation(self, invocation: DistributedInvocation[Any, Any]) -> None:
        try:
            self._engine.status(invocation.invocation_id)
        except InvocationNotFoundError:
            self._app.orchestrator.register_invocation(invocation)

    def _get_invocation(self, invocation_id: InvocationId) -> DistributedInvocation[Any, Any] | None:
        try:
            return self._invocation_of(self._engine.info(invocation_id))
        except InvocationNotFoundError:
            return None

    def _add_history(self, line: InvocationHistory) -> None:
        said = [str(part) for part in (line.status, line.execution_context) if part is not None]
        self._engine.note(InvocationId(line.invocation_id), ": ".join(said))

    def _get_history(self, invocation_id: InvocationId) -> list[InvocationHistory]:
        entries = self._engine.history(invocation_id)
        parent = self._engine.info(invocation_id).parent if entries else None
        return [InvocationHistory.of(invocation_id, entry, parent) for entry in entries]

    def _outcome(self, invocation_id: InvocationId) -> Outcome:
        return self._engine.info(invocation_id).outcome or Outcome()

    def _set_result(self, invocation_id: InvocationId, text: str) -> None:
        self._engine.keep(invocation_id, Outcome(result=text))

    def _get_result(self, invocation_id: InvocationId) -> str:
        text = self._outcome(invocation_id).result
        if text is None:
            raise InvocationHasNoResultError(invocation_id, "it has no result")
        return text

    def _set_exception(self, invocation_id: InvocationId, text: str) -> None:
        self._engine.keep(invocation_id, Outcome(exception=text))

    def _get_exception(self, invocation_id: InvocationId) -> str:
        text = self._outcome(invocation_id).exception
        if text is None:
            raise InvocationHasNoResultError(invocation_id, "it has no exception")
        return text
