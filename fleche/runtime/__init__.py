"""The task runtime: functions that workers run, on the cache: what was computed is not computed again."""

from fleche.runtime.app import App, Pynenc
from fleche.runtime.arguments import Arguments
from fleche.runtime.task import Task

__all__ = ["App", "Arguments", "Pynenc", "Task"]
