"""What a value is: its canonical encoding, and the digest of that."""

from typing import TYPE_CHECKING, Any

from fleche.lazy import face

if TYPE_CHECKING:
    from fleche.digest.hook import Hook
    from fleche.digest.hooks import add_hook, get_hooks, load_entry_points
    from fleche.digest.ordering import ordered
    from fleche.digest.text import Digest
    from fleche.digest.walk import D, digest, digest_class, register_digest
    from fleche.errors import Indigestible

    DIGEST_LENGTH: int

__all__ = [
    "DIGEST_LENGTH",
    "D",
    "Digest",
    "Hook",
    "Indigestible",
    "add_hook",
    "digest",
    "digest_class",
    "get_hooks",
    "load_entry_points",
    "ordered",
    "register_digest",
]

_defined = face(
    __name__,
    {
        "Digest": "text",
        "Hook": "hook",
        "Indigestible": "refusals",
        "ordered": "ordering",
        **dict.fromkeys(("D", "digest", "digest_class", "register_digest"), "walk"),
        **dict.fromkeys(("add_hook", "get_hooks", "load_entry_points"), "hooks"),
    },
)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "DIGEST_LENGTH":  # asking for it chooses the algorithm of this process
            from fleche.digest.algorithm import chosen

            return chosen().length
        return _defined(name)
