"""Two functions of one module and name, of which workers can find one only."""

from __future__ import annotations

import ast
import inspect
import linecache
import warnings
from collections.abc import Callable
from types import CodeType
from typing import Any

from fleche.errors import FlecheWarning
from fleche.frames import stack_level
from fleche.runtime.identifiers import TaskId

__all__ = ["warn_of_namesake"]


def warn_of_namesake(task_id: TaskId, known: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Warn where a function takes the place of another one, and not of an earlier state of itself.

    A module that is reloaded defines its functions again, perhaps at other lines: then its source has one of the name.
    """
    one, other = _code(known), _code(new)
    if one is None or other is None or not _are_two(one, other):
        return
    warnings.warn(
        FlecheWarning(
            f"task {task_id.key} is defined twice, at {_place(one)} and at {_place(other)}: workers run the latter "
            "for the calls of both; give one another name"
        ),
        stacklevel=stack_level(),
    )


def _code(function: Callable[..., Any]) -> CodeType | None:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code if isinstance(code, CodeType) else None


def _are_two(one: CodeType, other: CodeType) -> bool:
    if one.co_filename != other.co_filename:
        return True
    return one.co_firstlineno != other.co_firstlineno and _defined(other) > 1


def _defined(code: CodeType) -> int:
    """Return how many functions of a name the file of one defines, as it is now; 1 where that cannot be told."""
    linecache.checkcache(code.co_filename)
    try:
        tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    except (SyntaxError, ValueError):
        return 1
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return sum(isinstance(node, kinds) and node.name == code.co_name for node in tree.body)


def _place(code: CodeType) -> str:
    return f"{code.co_filename}:{code.co_firstlineno}"
