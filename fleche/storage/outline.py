"""The type of a pickled value, read from its stream without building anything."""

from __future__ import annotations

import pickletools

__all__ = ["root_type"]

_PLAIN = {
    "EMPTY_LIST": "list",
    "EMPTY_DICT": "dict",
    "EMPTY_SET": "set",
    "EMPTY_TUPLE": "tuple",
    "MARK": "tuple",
}
_SKIPPED = frozenset({"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT"})
_MOST = 40  # steps that are read


def root_type(stream: bytes) -> str:
    """Return the type of the value that a pickle stream builds, or what makes it, or nothing where that is not plain.

    Args:
        stream: The pickle; it may be hostile.

    >>> import pickle, fractions
    >>> root_type(pickle.dumps(fractions.Fraction(1, 2))), root_type(pickle.dumps([1, 2]))
    ('fractions.Fraction', 'list')
    """
    texts: list[str] = []
    try:
        for count, (step, argument, _) in enumerate(pickletools.genops(stream)):
            if step.name == "STACK_GLOBAL" and len(texts) >= 2:
                return ".".join(texts[-2:])
            if step.name == "GLOBAL":
                return str(argument).replace(" ", ".")
            if not texts and step.name in _PLAIN:
                return _PLAIN[step.name]
            if "UNICODE" in step.name:
                texts.append(str(argument))
            elif step.name not in _SKIPPED or count > _MOST:
                return ""
    except Exception:  # of a stream that is none
        return ""
    return ""
