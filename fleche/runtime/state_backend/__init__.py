"""State backends: what is kept of invocations."""

from fleche.runtime.state_backend.base_state_backend import BaseStateBackend, InvocationHistory
from fleche.runtime.state_backend.mem_state_backend import MemStateBackend

__all__ = ["BaseStateBackend", "InvocationHistory", "MemStateBackend"]
