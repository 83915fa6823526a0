"""The settings of an app."""

from __future__ import annotations

from enum import StrEnum

from fleche.runtime.conf.config_base import ConfigBase, ConfigField

__all__ = ["ArgumentPrintMode", "ConfigPynenc"]


class ArgumentPrintMode(StrEnum):
    """How arguments are shown in logs: whole, names only, each cut to a length, or not at all."""

    FULL = "full"
    KEYS = "keys"
    TRUNCATED = "truncated"
    HIDDEN = "hidden"


class ConfigPynenc(ConfigBase):
    """The settings of an app.

    Attributes:
        app_id: Names the app: apps of different ids never see each other's invocations.
        cache: The cache of results: a name or URL as `fleche.cache` takes it; empty for the active one.
        orchestrator_cls: The class of the orchestrator, by name; it says where invocations are kept.
        broker_cls: The class of the broker, by name.
        state_backend_cls: The class of the state backend, by name.
        serializer_cls: The class of the serializer, by name.
        client_data_store_cls: The class of the client data store, by name.
        runner_cls: The class of the runner, by name.
        dev_mode_force_sync_tasks: Run every task at once where it is called; nothing is stored or queued.
        max_pending_seconds: Seconds that a worker may take from getting an invocation to starting it.
        logging_level: The level of the app's logger.
        print_arguments: Whether arguments are shown.
        truncate_arguments_length: Characters of each argument that are shown; 0 for all.
        argument_print_mode: How they are shown.
        cached_status_time: Seconds for which a status that is not final may be remembered.
        runner_considered_dead_after_minutes: Minutes without a sign of life after which a runner counts as dead.
        recover_interval_seconds: Seconds between two looks for invocations whose runner is dead.
        max_recoveries: How often an invocation is run again after its worker died, before it is given up.
    """

    app_id = ConfigField("fleche")
    cache = ConfigField("")
    orchestrator_cls = ConfigField("MemOrchestrator")
    broker_cls = ConfigField("MemBroker")
    state_backend_cls = ConfigField("MemStateBackend")
    serializer_cls = ConfigField("FlecheSerializer")
    client_data_store_cls = ConfigField("MemClientDataStore")
    runner_cls = ConfigField("DummyRunner")
    dev_mode_force_sync_tasks = ConfigField(False)
    max_pending_seconds = ConfigField(5.0)
    logging_level = ConfigField("info")
    print_arguments = ConfigField(True)
    truncate_arguments_length = ConfigField(32)
    argument_print_mode = ConfigField(ArgumentPrintMode.TRUNCATED)
    cached_status_time = ConfigField(0.1)
    runner_considered_dead_after_minutes = ConfigField(10.0)
    recover_interval_seconds = ConfigField(60.0)
    max_recoveries = ConfigField(3)
