"""Why a call is a hit or a miss: what differs from what was stored; and what a whole grid of calls would cost."""

from typing import TYPE_CHECKING

from fleche.lazy import face

if TYPE_CHECKING:
    from fleche.memo.explain.differences import Difference, Differences
    from fleche.memo.explain.values import difference

__all__ = ["Difference", "Differences", "difference"]

if not TYPE_CHECKING:
    __getattr__ = face(__name__, {"Difference": "differences", "Differences": "differences", "difference": "values"})
