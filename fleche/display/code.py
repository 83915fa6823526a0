"""The code that counts for a function, as an HTML tree that folds."""

from __future__ import annotations

import re

from fleche.digest.code import CodeTree
from fleche.display import page

__all__ = ["tree_html"]

_OPEN = 2  # levels that are unfolded
_DEEPEST = 40  # levels that are shown
_MOST = 400  # nodes that are shown

_TONES = {"function": "blue", "class": "blue", "constant": "good", "state": "warn", "opaque": "warn", "unbound": "bad"}
_HOW = {
    "source": "by its source, without comments, docstrings and layout",
    "bytecode": "by its compiled code, since no source is known that would compile to it",
    "by value": "by its value, looked at again at each call",
    "by binding": "by its value when the name was bound: it is large, and changing it in place is not noticed",
    "by name": "only its name counts",
    "by version": "by the version of its package",
    "by type": "only its type counts: it has no digest",
}
_ZEROS = re.compile(r"\b0+(?=\d)")  # labels are padded, to be sorted
_WARNED = frozenset({"bytecode", "by binding", "by type"})


def tree_html(tree: CodeTree) -> str:
    """Return a code tree: kind, name, digest, and how each part counts; parts that reach others fold."""
    parts: list[str] = []
    # What is to be written, from the last: a closing tag, or a node with its depth and the label that leads to it.
    todo: list[str | tuple[int, str, CodeTree]] = [(0, "", tree)]
    shown = left = 0
    while todo:
        at = todo.pop()
        if isinstance(at, str):
            parts.append(at)
            continue
        depth, label, node = at
        if shown >= _MOST or depth > _DEEPEST:
            left += 1
            continue
        shown += 1
        if not node.children:
            parts.append(f'<div class="fleche-node fleche-leaf">{_node(label, node)}</div>')
            continue
        unfolded = " open" if depth < _OPEN else ""
        parts.append(f'<details{unfolded}><summary class="fleche-node">{_node(label, node)}</summary>')
        parts.append('<div class="fleche-tree">')
        todo.append("</div></details>")
        todo.extend((depth + 1, name, child) for name, child in reversed(node.children))
    more = f"<div>{page.note(f'and {left:,} more; print(f.code.tree()) shows all')}</div>" if left else ""
    return page.box("".join(parts), more)


def _node(label: str, node: CodeTree) -> str:
    via = page.note(f"{_ZEROS.sub('', label)} →") if label else ""
    how = page.chip(node.how, "warn" if node.how in _WARNED else "plain", _HOW.get(node.how, ""))
    kind = page.chip(node.kind, _TONES.get(node.kind, "plain"))
    return f"{kind}{via} <b>{page.plain(node.name, 120)}</b> {page.digest(node.digest)} {how}"
