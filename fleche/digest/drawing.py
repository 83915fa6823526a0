"""Who draws what this layer makes: a layer above, named here so that neither is imported for the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleche.digest.code import CodeTree

__all__ = ["DRAWING", "Drawing"]


class Drawing:
    """Draws as HTML.

    Attributes:
        tree: Draws a code tree; None until fleche is imported.
    """

    def __init__(self) -> None:
        self.tree: Callable[[CodeTree], str] | None = None


DRAWING = Drawing()
"""The one of this process; set once, when fleche is imported."""
