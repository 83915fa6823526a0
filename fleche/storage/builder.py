"""What builds the values of a store: everything where only its owner can have written, else plain types only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fleche.errors import UntrustedError
from fleche.storage.loader import TRUSTED, Loader
from fleche.storage.packing import Packing
from fleche.storage.trust import Trust

__all__ = ["Builder"]


class Builder:
    """The loader of a store in files, chosen when it is first needed.

    Args:
        loader: The loader, where the user names one.
        trust: Looks at who can write to the store; asked once, and only where no loader is named.
    """

    def __init__(self, loader: Loader | None, trust: Callable[[], Trust]) -> None:
        self._loader = loader
        self._is_named = loader is not None
        self._trust = trust

    @property
    def loader(self) -> Loader:
        """What builds values."""
        return self._loader or self._choose()

    @property
    def trusted(self) -> bool:
        """Whether every type is built; see `RecordStore.trusted`."""
        return self.loader is TRUSTED

    def trust(self) -> Trust:
        """Return whether every type is built, and why, for people."""
        if not self._is_named:
            return self._trust()
        return Trust(self.trusted, f"opened {'with' if self.trusted else 'without'} trust, whoever can write there")

    def refuses(self, value: Any, packing: Packing) -> UntrustedError | None:
        """Return why a value will not be built once it is stored; None where it will: always, if it is trusted."""
        loader = self.loader
        if loader is TRUSTED or packing.keys:
            return None
        try:
            replace(packing, parts=None).pack(value).load(loader)  # parts are built by the same rules as the whole
        except UntrustedError as error:
            return error
        return None

    def _choose(self) -> Loader:
        loader = TRUSTED
        if not self._trust().trusted:
            from fleche.storage.safe_loader import SAFE

            loader = SAFE
        self._loader = loader  # set once: no other thread may meet the trusted one meanwhile
        return loader
