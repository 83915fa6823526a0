"""`RunnerContext`: which runner, in which process and thread; and of which other runner it is a child."""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["ApplicationContext", "RunnerContext"]


class ApplicationContext:
    """An empty class, kept for code that names it."""


@dataclass(frozen=True, kw_only=True)
class RunnerContext:
    """Where something runs.

    Attributes:
        runner_cls: The name of the runner's class.
        runner_id: Its id.
        parent_ctx: The runner that made it, or None.
        pid: The process.
        hostname: The host.
        thread_id: The thread.
    """

    runner_cls: str
    runner_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    parent_ctx: RunnerContext | None = None
    pid: int = field(default_factory=os.getpid)
    hostname: str = field(default_factory=socket.gethostname)
    thread_id: int = field(default_factory=threading.get_ident)

    @property
    def root_runner_id(self) -> str:
        """The id of the outermost runner."""
        return self.runner_id if self.parent_ctx is None else self.parent_ctx.root_runner_id

    @property
    def root_runner_cls(self) -> str:
        """The class of the outermost runner."""
        return self.runner_cls if self.parent_ctx is None else self.parent_ctx.root_runner_cls

    def new_child_context(self, runner_cls: str) -> Self:
        """Return the context of a runner that this one makes."""
        return type(self)(runner_cls=runner_cls, parent_ctx=self)

    def to_json(self) -> str:
        """Return it as JSON, keys sorted."""
        return json.dumps(self._plain(), sort_keys=True)

    def _plain(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in ("runner_cls", "runner_id", "pid", "hostname", "thread_id")}
        return {**plain, "parent_ctx": None if self.parent_ctx is None else self.parent_ctx._plain()}  # noqa: SLF001 - one of its own

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the context of a JSON text.

        Raises:
            ValueError: It is none.
        """
        try:
            return cls._of(json.loads(text))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{text[:80]!r} is no runner context: {error}") from error

    @classmethod
    def _of(cls, plain: dict[str, Any]) -> Self:
        parent = plain.pop("parent_ctx")
        return cls(**plain, parent_ctx=None if parent is None else cls._of(parent))
