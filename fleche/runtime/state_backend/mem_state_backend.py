"""`MemStateBackend`: what is kept of invocations, in memory."""

from __future__ import annotations

from fleche.runtime.state_backend.base_state_backend import BaseStateBackend

__all__ = ["MemStateBackend"]


class MemStateBackend(BaseStateBackend):
    """What is kept of the invocations of an app in this process."""
