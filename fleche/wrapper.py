"""The decorator and the markers of parameters, where existing code imports them from."""

from fleche.call.binding import Ignored, Required
from fleche.call.binding import marked as process_ignore_required_args
from fleche.memo.earlier import fleche

__all__ = ["Ignored", "Required", "fleche", "process_ignore_required_args"]
