"""Settings: fields with defaults, files, environment variables."""

from fleche.runtime.conf.config_base import (
    ConfigBase,
    ConfigField,
    avoid_multi_inheritance_field_conflict,
    default_config_field_mapper,
    get_config_fields,
    get_env_key,
)
from fleche.runtime.conf.config_broker import ConfigBroker
from fleche.runtime.conf.config_client_data_store import ConfigClientDataStore
from fleche.runtime.conf.config_orchestrator import ConfigOrchestrator
from fleche.runtime.conf.config_pynenc import ArgumentPrintMode, ConfigPynenc
from fleche.runtime.conf.config_runner import ConfigRunner, ConfigThreadRunner
from fleche.runtime.conf.config_state_backend import ConfigStateBackend
from fleche.runtime.conf.config_task import ConcurrencyControlType, ConfigTask

__all__ = [
    "ArgumentPrintMode",
    "ConcurrencyControlType",
    "ConfigBase",
    "ConfigBroker",
    "ConfigClientDataStore",
    "ConfigField",
    "ConfigOrchestrator",
    "ConfigPynenc",
    "ConfigRunner",
    "ConfigStateBackend",
    "ConfigTask",
    "ConfigThreadRunner",
    "avoid_multi_inheritance_field_conflict",
    "default_config_field_mapper",
    "get_config_fields",
    "get_env_key",
]
