"""Types that annotations use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

__all__ = ["Args", "Func", "Params", "Result"]

Params = ParamSpec("Params")
Result = TypeVar("Result")
Func: TypeAlias = Callable[Params, Result]
Args: TypeAlias = dict[str, Any]
