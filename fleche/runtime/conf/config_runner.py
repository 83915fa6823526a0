"""The settings of runners."""

from __future__ import annotations

from fleche.runtime.conf.config_base import ConfigBase, ConfigField

__all__ = ["ConfigRunner", "ConfigThreadRunner"]


class ConfigRunner(ConfigBase):
    """The settings of runners. Nothing waits by looking again: the sleep times bound how long an event may be missed.

    Attributes:
        invocation_wait_results_sleep_time_sec: Seconds between two looks of a client that waits, where nothing
            calls it.
        runner_loop_sleep_time_sec: Seconds between two looks of a runner for what it was not told of.
        min_parallel_slots: How many invocations run at once, at least.
        heartbeat_seconds: Seconds between two signs of life.
        stop_timeout_seconds: Seconds that a stopping runner waits for bodies to end before it hands them back.
    """

    invocation_wait_results_sleep_time_sec = ConfigField(0.1)
    runner_loop_sleep_time_sec = ConfigField(1.0)
    min_parallel_slots = ConfigField(1)
    heartbeat_seconds = ConfigField(15.0)
    stop_timeout_seconds = ConfigField(2.0)


class ConfigThreadRunner(ConfigRunner):
    """The settings of `ThreadRunner`.

    Attributes:
        min_threads: How many invocations run at once, at least.
        max_threads: How many run at once; 0 for the number of processors.
    """

    min_threads = ConfigField(1)
    max_threads = ConfigField(0)
