"""Code objects: an encoding of what one does, by which two are compared, and which stands in where no source is known.

Positions, file names and docstrings are left out. The encoding is stable within a minor version of Python only.
"""

from __future__ import annotations

import importlib.util
from types import CodeType

from fleche.digest.code.frames import constant, text, word

__all__ = ["MAGIC", "encode_code", "nested"]

MAGIC = importlib.util.MAGIC_NUMBER
_HAS_DOCSTRING = 0x4000000  # a flag since 3.13


def nested(code: CodeType) -> list[CodeType]:
    """Return the code objects directly inside a code object, in their order."""
    return [const for const in code.co_consts if isinstance(const, CodeType)]


def encode_code(code: CodeType) -> bytes:
    """Return what a code object does: instructions with the constants that they load, names and variables."""
    return b"".join(
        (
            text(code.co_name),
            word(code.co_argcount),
            word(code.co_posonlyargcount),
            word(code.co_kwonlyargcount),
            word(code.co_flags & ~_HAS_DOCSTRING),
            *(_names(names) for names in (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars)),
            text(code.co_exceptiontable),
            text(_instructions(code)),
        )
    )


def _names(names: tuple[str, ...]) -> bytes:
    return word(len(names)) + b"".join(map(text, names))


def _instructions(code: CodeType) -> bytes:
    # Constants are written where they are loaded: a docstring takes a slot that nothing loads, or shifts the others.
    # co_code is the code as compiled, without what the interpreter has specialised since.
    from opcode import EXTENDED_ARG, hasconst

    parts, high = [], 0
    raw = code.co_code
    for at in range(0, len(raw), 2):
        operation, argument = raw[at], raw[at + 1] | high
        if operation == EXTENDED_ARG:
            high = argument << 8
            continue
        high = 0
        if operation in hasconst:
            parts.append(bytes((operation,)) + text(_const(code.co_consts[argument])))
        else:
            parts.append(bytes((operation,)) + word(argument))
    return b"".join(parts)


def _const(value: object) -> bytes:
    return b"C" + encode_code(value) if isinstance(value, CodeType) else constant(value)
