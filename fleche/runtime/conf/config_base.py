"""Configuration: fields with defaults, and where their values come from.

From weakest to strongest: the field's default, ``[tool.fleche.runtime]`` of the working directory's ``pyproject.toml``,
a file given to the constructor, the file that ``FLECHE__FILEPATH`` (then ``FLECHE__<CLASS>__FILEPATH``) names, values
given to the constructor or the decorator, and environment variables. Everything that is said to a class beats
everything that is said to its parents.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

from fleche.clock import seconds
from fleche.runtime.exceptions import ConfigError, ConfigMultiInheritanceError
from fleche.runtime.util.files import load_config_from_toml, load_file
from fleche.runtime.util.subclasses import get_all_subclasses

__all__ = [
    "ConfigBase",
    "ConfigField",
    "avoid_multi_inheritance_field_conflict",
    "default_config_field_mapper",
    "get_config_fields",
    "get_env_key",
    "seconds_mapper",
    "unknown_settings",
]

T = TypeVar("T")
Mapper = Callable[[Any, type], Any]

PREFIX = "FLECHE__"
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def default_config_field_mapper(value: Any, expected_type: type) -> Any:
    """Return a value as the type that a field has.

    Text becomes a number, a bool (``true false yes no on off 1 0``), or a tuple, list or set (split at commas).

    Raises:
        TypeError: It cannot be that type.
    """
    if isinstance(value, expected_type) and not (expected_type is int and isinstance(value, bool)):
        return value
    if expected_type is bool:
        return _truth(value)
    if expected_type in (tuple, list, set, frozenset) and isinstance(value, str):
        return expected_type(part.strip() for part in value.split(",") if part.strip())
    if value is None or (expected_type is int and isinstance(value, float) and not value.is_integer()):
        raise TypeError(f"Invalid type: {value!r} is no {expected_type.__name__}")
    try:
        return expected_type(value)
    except (ValueError, TypeError) as error:
        if issubclass(expected_type, Enum):
            known = ", ".join(repr(member.value) for member in expected_type)
            raise TypeError(f"Invalid type: {value!r} is none of {known}") from error
        raise TypeError(f"Invalid type: {value!r} is no {expected_type.__name__}") from error


def seconds_mapper(value: Any, expected_type: type) -> Any:
    """Return a duration, a timedelta or a number, as a number of seconds.

    Raises:
        TypeError: It is neither.
    """
    return default_config_field_mapper(seconds(value) if isinstance(value, timedelta) else value, expected_type)


def _truth(value: Any) -> bool:
    text = str(value).strip().lower() if isinstance(value, (str, int)) else None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise TypeError(f"Invalid type: {value!r} is no bool; say true or false")


class ConfigField(Generic[T]):
    """One setting: a descriptor that gives the value of its object, or its default.

    Args:
        default_value: The default; its type is that of the field.
        mapper: Turns what was set into the value, given that and the type; by default `default_config_field_mapper`.
    """

    def __init__(self, default_value: T, mapper: Mapper = default_config_field_mapper) -> None:
        self.default_value = default_value
        self.mapper = mapper
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> T: ...
    @overload
    def __get__(self, instance: ConfigBase, owner: type) -> T: ...
    def __get__(self, instance: ConfigBase | None, owner: type) -> T:
        if instance is None:
            return self.default_value
        value: T = instance.__dict__.get(self.name, self.default_value)
        return value

    def __set__(self, instance: ConfigBase, value: Any) -> None:
        try:
            instance.__dict__[self.name] = self.mapper(value, type(self.default_value))
        except TypeError as error:
            raise TypeError(f"{type(instance).__name__}.{self.name}: {error}") from error


def get_config_fields(cls: type) -> dict[str, ConfigField[Any]]:
    """Return the fields that a class itself declares, by name."""
    return {name: value for name, value in vars(cls).items() if isinstance(value, ConfigField)}


def get_env_key(field: str, config: type | None = None) -> str:
    """Return the name of the environment variable of a field: of every class, or of one.

    >>> get_env_key("max_retries")
    'FLECHE__MAX_RETRIES'
    """
    return f"{PREFIX}{config.__name__.upper()}__{field.upper()}" if config else f"{PREFIX}{field.upper()}"


def avoid_multi_inheritance_field_conflict(cls: type, config_cls_to_fields: dict[str, set[str]]) -> dict[str, str]:
    """Return the parent that each inherited field comes from.

    Args:
        cls: The class.
        config_cls_to_fields: Is filled with the fields of each class that was seen.

    Raises:
        ConfigMultiInheritanceError: Two parents, at any level, declare the same field.
    """
    origin: dict[str, str] = {}
    for parent in cls.__mro__[1:]:
        fields = set(get_config_fields(parent))
        if not fields:
            continue
        config_cls_to_fields[parent.__name__] = fields
        for name in fields:
            if name in origin and not issubclass(_named(cls, origin[name]), parent):
                raise ConfigMultiInheritanceError(
                    f"{cls.__name__}: both {origin[name]} and {parent.__name__} define {name!r}; rename one of them"
                )
            origin.setdefault(name, parent.__name__)
    return origin


def _named(cls: type, name: str) -> type:
    return next(parent for parent in cls.__mro__ if parent.__name__ == name)


class ConfigBase:
    """Settings of one part. Subclasses declare `ConfigField`s; the name without ``Config`` is their section.

    Args:
        config_values: Values by field, and sections of them by name; beats files.
        config_filepath: A file of them: ``.yaml``, ``.yml``, ``.json`` or ``.toml``.

    Raises:
        ConfigMultiInheritanceError: Two parents declare the same field.
        ConfigError: A section has a key that is no field.
        TypeError: A value has the wrong type.

    >>> class ConfigKitchen(ConfigBase):
    ...     ovens = ConfigField(1)
    >>> ConfigKitchen({"kitchen": {"ovens": "2"}}).ovens
    2
    """

    TASK_KEYS: ClassVar[bool] = False
    """Whether sections may hold sections of their own."""

    def __init__(
        self, config_values: Mapping[str, Any] | None = None, config_filepath: str | os.PathLike[str] | None = None
    ) -> None:
        avoid_multi_inheritance_field_conflict(type(self), {})
        self.config_values = config_values
        self.config_filepath = config_filepath
        self.init_config_values(type(self), config_values, config_filepath)

    @classmethod
    def config_fields(cls) -> list[str]:
        """Return the names of all fields, those of parents too."""
        return [name for kind in reversed(cls.__mro__) for name in get_config_fields(kind)]

    @property
    def all_fields(self) -> list[str]:
        """The names of all fields, those of parents too."""
        return self.config_fields()

    @staticmethod
    def get_config_id(config_cls: type) -> str:
        """Return the name of a class's section: its own name in lower case, without ``Config``."""
        return config_cls.__name__.replace("Config", "").lower()

    def init_config_values(
        self,
        config_cls: type,
        config_values: Mapping[str, Any] | None,
        config_filepath: str | os.PathLike[str] | None,
    ) -> None:
        """Take what is said to a class and, before that, to its parents."""
        for kind in reversed(config_cls.__mro__):
            if issubclass(kind, ConfigBase) and kind is not ConfigBase:
                self.init_parent_values(kind, config_values, config_filepath)

    def init_parent_values(
        self,
        config_cls: type[ConfigBase],
        config_values: Mapping[str, Any] | None,
        config_filepath: str | os.PathLike[str] | None,
    ) -> None:
        """Take what is said to one class, from the weakest source to the strongest."""
        config_id = self.get_config_id(config_cls)
        for source, mapping in _sources(config_cls, config_values, config_filepath):
            self._init_from(config_cls, source, config_id, mapping)
        self.init_config_value_from_env_vars(config_cls)

    def _init_from(self, config_cls: type, source: str, config_id: str, mapping: Mapping[str, Any]) -> None:
        own = get_config_fields(config_cls)
        for name in own:
            self.init_config_value_key_from_mapping(source, config_id, name, mapping)
        section = mapping.get(config_id)
        if isinstance(section, Mapping):
            self.init_config_value_from_mapping(source, config_id, section)

    def init_config_value_from_mapping(self, source: str, config_id: str, mapping: Mapping[str, Any]) -> None:
        """Take the values of a section.

        Raises:
            ConfigError: A key of it is no field.
        """
        known = self.config_fields()
        for name, value in mapping.items():
            if name in known:
                self.init_config_value_key_from_mapping(source, config_id, name, mapping)
            elif not (self.TASK_KEYS and isinstance(value, Mapping)):
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"
                raise ConfigError(f"{source}, section {config_id!r}: there is no setting {name!r}; {hint}")

    def init_config_value_key_from_mapping(
        self, source: str, config_id: str, key: str, mapping: Mapping[str, Any]
    ) -> None:
        """Take one value of a mapping, if it is there."""
        if key in mapping:
            try:
                setattr(self, key, mapping[key])
            except TypeError as error:
                raise TypeError(f"{source}, {config_id}: {error}") from error

    def init_config_value_from_env_vars(self, config_cls: type[ConfigBase]) -> None:
        """Take the environment variables of a class: those of its own fields, then those that name the class."""
        for name in get_config_fields(config_cls):
            self._from_env(name, get_env_key(name))
        for name in self.config_fields():
            self._from_env(name, get_env_key(name, config_cls))

    def _from_env(self, name: str, key: str) -> None:
        if key in os.environ:
            try:
                setattr(self, name, os.environ[key])
            except TypeError as error:
                raise TypeError(f"{key}: {error}") from error

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.config_fields())
        return f"{type(self).__name__}({values})"

    def evolve(self, **changes: Any) -> Self:
        """Return a copy with other values."""
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        for name, value in changes.items():
            setattr(copy, name, value)
        return copy


def _sources(
    config_cls: type, config_values: Mapping[str, Any] | None, config_filepath: str | os.PathLike[str] | None
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    project = Path("pyproject.toml")
    if project.is_file():
        yield str(project), load_config_from_toml(project)
    if config_filepath:
        yield str(config_filepath), load_file(config_filepath)
    for key in (get_env_key("filepath"), get_env_key("filepath", config_cls)):
        if os.environ.get(key):
            yield f"{key}={os.environ[key]}", load_file(os.environ[key])
    if config_values:
        yield "config_values", config_values


def unknown_settings(
    config_cls: type, config_values: Mapping[str, Any] | None, config_filepath: str | os.PathLike[str] | None
) -> list[str]:
    """Return all that is said at the top and that no class knows, each with where it is said and a hint.

    Args:
        config_cls: A class that reads them; each of its sources is looked at, and the environment.
        config_values: As for `ConfigBase`.
        config_filepath: As for `ConfigBase`.
    """
    kinds = get_all_subclasses(ConfigBase)
    names = {name for kind in kinds for name in (ConfigBase.get_config_id(kind), *kind.config_fields())}
    found = [
        f"{source}: there is no setting or section {name!r}{_hint(name, names)}"
        for source, mapping in _sources(config_cls, config_values, config_filepath)
        for name in sorted(mapping.keys() - names)
    ]
    return found + _unknown_variables(kinds)


def _unknown_variables(kinds: Iterable[type[ConfigBase]]) -> list[str]:
    known = {get_env_key("filepath")}
    tasks: set[tuple[str, str]] = set()  # how the variables of one task begin and end
    for kind in kinds:
        fields = kind.config_fields()
        known |= {get_env_key(name) for name in fields}
        known |= {get_env_key(name, kind) for name in (*fields, "filepath")}
        if kind.TASK_KEYS:
            tasks |= {(f"{PREFIX}{kind.__name__.upper()}__", f"__{name.upper()}") for name in fields}
    found = []
    for key in sorted(os.environ.keys() - known):
        full = key if key.startswith(PREFIX) else key.replace("FLECHE_", PREFIX, 1)
        of_task = any(key.startswith(begin) and key.endswith(end) for begin, end in tasks)
        if not of_task and (key.startswith(PREFIX) or (key.startswith("FLECHE_") and full in known)):
            found.append(f"environment: there is no setting {key}{_hint(full.upper(), known)}")
    return found


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
