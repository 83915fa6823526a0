"""Functions that remember their calls."""

from typing import TYPE_CHECKING

from fleche.lazy import face
from fleche.memo.active import Mode, cache, defaults, meta, mode, project, set_default_cache, tags
from fleche.memo.bound import BoundCall
from fleche.memo.coroutine import AsyncCachedFunction, BoundAsyncCachedFunction
from fleche.memo.decorator import cached
from fleche.memo.earlier import fleche
from fleche.memo.function import BoundCachedFunction, CachedFunction, Info
from fleche.memo.generator import AsyncCachedGenerator, BoundAsyncCachedGenerator, BoundCachedGenerator, CachedGenerator

__all__ = [
    "AsyncCachedFunction",
    "AsyncCachedGenerator",
    "BoundAsyncCachedFunction",
    "BoundAsyncCachedGenerator",
    "BoundCachedFunction",
    "BoundCachedGenerator",
    "BoundCall",
    "CachedFunction",
    "CachedGenerator",
    "Info",
    "Mode",
    "cache",
    "cached",
    "defaults",
    "fleche",
    "meta",
    "migrate",
    "mode",
    "project",
    "set_default_cache",
    "tags",
    "wrap_executor",
]

if TYPE_CHECKING:
    from fleche.memo.executors import wrap_executor
    from fleche.memo.migration import migrate
else:
    __getattr__ = face(__name__, {"migrate": "migration", "wrap_executor": "executors"})
