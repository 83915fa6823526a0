"""The upward needs of lower layers, met in one place: who opens caches by name, and who reads the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleche.call.diffing import DIFFING
from fleche.digest.algorithm import set_configured
from fleche.digest.drawing import DRAWING
from fleche.digest.files import MEMO, Remembers
from fleche.digest.text import Digest
from fleche.memo.active import active_cache, defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fleche.caches import BaseCache
    from fleche.call import LazyCall, MetaData
    from fleche.digest.code import CodeTree
    from fleche.memo.explain import Diff

__all__ = ["connect"]


def connect() -> None:
    """Tell the lower layers whom to ask; done once, when fleche is imported."""
    defaults.open = _open
    defaults.gather = _metadata
    defaults.others = _others
    DIFFING.calls = _diff
    set_configured(_algorithm)
    Digest.set_default_cache(active_cache)
    DRAWING.tree = _draw_tree
    MEMO.beyond = _file_memo


def _open(name: str | None) -> BaseCache:
    from fleche.config import opener  # reading configuration is not needed before a cache is

    return opener(name)


def _metadata() -> tuple[MetaData, ...]:
    from fleche.config import opener

    return opener.metadata()


def _others(cache: BaseCache) -> Iterable[tuple[str, Callable[[], BaseCache]]]:
    from fleche.config.others import others

    return others(cache)


def _diff(old: LazyCall, new: LazyCall) -> Diff:
    from fleche.memo.explain import diff

    return diff(old, new)


def _algorithm() -> str | None:
    from fleche.config import opener

    return opener.algorithm()


def _file_memo() -> Remembers | None:
    from fleche.storage.file_memo import file_memo

    return file_memo()


def _draw_tree(tree: CodeTree) -> str:
    from fleche import display

    return display.drawn(lambda: display.tree_html(tree), str(tree))
