"""Refusals: values whose content cannot be told, and the error that names the path to them."""

from __future__ import annotations

from fleche.errors import Indigestible

__all__ = ["Refusal", "indigestible", "qualified"]


class Refusal(Exception):
    """A handler cannot encode a value; the walk, which knows the path, turns it into `Indigestible`.

    Args:
        reason: Why, in a few words that continue "it ...".
        advice: What to pass instead, if there is a usual answer.
        path: What to add to the path, where the handler looked deeper than the walk.
    """

    def __init__(self, reason: str, advice: str = "", *, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice
        self.path = path


def qualified(cls: type) -> str:
    """Return a type's module and qualified name, as people write it."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def indigestible(path: str, cls: type, refusal: Refusal) -> Indigestible:
    """Return the error for a value of type ``cls`` at ``path``."""
    name = qualified(cls)
    root = path.partition(".")[0].partition("[")[0]
    where = f"{path} is a {name}, which has no digest: it {refusal.reason}."
    instead = f" {refusal.advice}." if refusal.advice else ""
    ways = (
        f' Leave it out with ignore=("{root}",), put something smaller in its place with'
        f' key={{"{root}": lambda {root}: ...}}, or say what identifies a {cls.__name__} with'
        f" fleche.digest.register_digest({cls.__name__}, function) or a method __digest__."
    )
    return Indigestible(where + instead + ways, path=path, type_name=name, reason=refusal.reason)
