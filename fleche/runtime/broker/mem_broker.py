"""`MemBroker`: the queue in memory."""

from __future__ import annotations

from fleche.runtime.broker.base_broker import BaseBroker

__all__ = ["MemBroker"]


class MemBroker(BaseBroker):
    """The queue of an app in this process."""
