"""Brokers: the queue of invocations that wait for a worker."""

from fleche.runtime.broker.base_broker import BaseBroker
from fleche.runtime.broker.mem_broker import MemBroker

__all__ = ["BaseBroker", "MemBroker"]
