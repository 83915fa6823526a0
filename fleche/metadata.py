"""The kinds of metadata, where existing code imports them from."""

from fleche.call.metadata import (
    CONFIGURABLE,
    Environment,
    Git,
    JSONValue,
    MetaData,
    Runtime,
    Tags,
    configurable,
)

__all__ = ["CONFIGURABLE", "Environment", "Git", "JSONValue", "MetaData", "Runtime", "Tags", "configurable"]
