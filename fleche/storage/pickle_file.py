"""Values and records as files, where existing code imports them from."""

from typing import TYPE_CHECKING, Any

_NAMES = frozenset({"CallPickleFile", "PickleFileBackend", "ValuePickleFile"})

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _NAMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fleche.storage import file

        return getattr(file, name)
