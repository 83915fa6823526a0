"""Why a call is a hit or a miss: what differs from what was stored; and what a whole grid of calls would cost."""

from typing import TYPE_CHECKING

from fleche.lazy import face

if TYPE_CHECKING:
    from fleche.memo.explain.code import CodeChange
    from fleche.memo.explain.differences import Difference, Differences
    from fleche.memo.explain.pairs import Diff, diff
    from fleche.memo.explain.plan import Group, Plan, Planned, Status
    from fleche.memo.explain.reasons import Cause, Reason, Why
    from fleche.memo.explain.values import difference

__all__ = [
    "Cause",
    "CodeChange",
    "Diff",
    "Difference",
    "Differences",
    "Group",
    "Plan",
    "Planned",
    "Reason",
    "Status",
    "Why",
    "diff",
    "difference",
]

if not TYPE_CHECKING:
    __getattr__ = face(
        __name__,
        {
            "CodeChange": "code",
            "Diff": "pairs",
            "diff": "pairs",
            **dict.fromkeys(("Difference", "Differences"), "differences"),
            **dict.fromkeys(("Group", "Plan", "Planned", "Status"), "plan"),
            **dict.fromkeys(("Cause", "Reason", "Why"), "reasons"),
            "difference": "values",
        },
    )
