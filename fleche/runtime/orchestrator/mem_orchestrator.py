"""`MemOrchestrator`: orchestration in memory."""

from __future__ import annotations

from fleche.runtime.orchestrator.base_orchestrator import BaseOrchestrator

__all__ = ["MemOrchestrator"]


class MemOrchestrator(BaseOrchestrator):
    """The orchestrator of an app in this process."""

    engine_name = "memory"
