"""`wrap_executor`, where existing code imports it from."""

from fleche.memo.executors import wrap_executor

__all__ = ["wrap_executor"]
