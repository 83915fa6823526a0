"""What a serializer is: values to text and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["BaseSerializer"]


class BaseSerializer(ABC):
    """Turns arguments and results into text, and back. Safe for use by many threads."""

    @abstractmethod
    def serialize(self, obj: Any) -> str:
        """Return a value as text.

        Raises:
            TypeError: It has a type that this serializer does not take.
            ValueError: It has a content that it does not take, such as a cycle.
        """

    @abstractmethod
    def deserialize(self, obj: str) -> Any:
        """Return the value of a text, the caller's own.

        Raises:
            ValueError: The text is not what `serialize` returns.
        """
