"""Engines: where the invocations of an app are kept, and the atomic steps that all policy is made of."""

from fleche.runtime.engine.base import (
    Change,
    Claimed,
    Engine,
    Entry,
    Info,
    Join,
    NewInvocation,
    Outcome,
    RunnerRecord,
    Slots,
    Watch,
)
from fleche.runtime.engine.memory import MemoryEngine

__all__ = [
    "Change",
    "Claimed",
    "Engine",
    "Entry",
    "Info",
    "Join",
    "MemoryEngine",
    "NewInvocation",
    "Outcome",
    "RunnerRecord",
    "Slots",
    "Watch",
]
