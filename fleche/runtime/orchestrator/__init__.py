"""Orchestrators: the policy of the runtime over an engine."""

from fleche.runtime.orchestrator.base_orchestrator import BaseOrchestrator
from fleche.runtime.orchestrator.mem_orchestrator import MemOrchestrator

__all__ = ["BaseOrchestrator", "MemOrchestrator"]
