"""The code that counts for a function, as a page: how much there is, what to know of it, and a tree that folds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from fleche.digest.code import CodeTree
from fleche.display import page

__all__ = ["tree_html"]

_OPEN = 2  # levels that are unfolded
_DEEPEST = 40  # levels that are shown
_MOST = 400  # nodes that are shown
_SOURCE = 4000  # characters of a source text

_TONES = {"function": "blue", "class": "blue", "constant": "good", "state": "warn", "opaque": "warn", "unbound": "bad"}
_MANY = {"class": "classes", "opaque": "things without digest", "state": "names of state", "unbound": "unbound names"}
_ZEROS = re.compile(r"\b0+(?=\d)")  # labels are padded, to be sorted
_BY_OTHERS = frozenset({"builtin", "module"})  # what is of somebody else: told in one line
_WARNED = {
    "bytecode": "counts by its compiled code: no source is known that compiles to it",
    "by binding": "is large: a change in place is not noticed, a new binding is",
    "by type": "has no digest: only its type counts",
}


def tree_html(tree: CodeTree) -> str:
    """Return a code tree: counts, what to know, and each part with why it counts; parts that reach others fold."""
    sources = dict(tree.source)
    parts: list[str] = []
    # What is to be written, from the last: a closing tag, or a node with its depth and the label that leads to it.
    todo: list[str | tuple[int, str, CodeTree]] = [(0, "", tree)]
    shown = left = 0
    every: list[CodeTree] = []
    while todo:
        at = todo.pop()
        if isinstance(at, str):
            parts.append(at)
            continue
        depth, label, node = at
        if not node.again:
            every.append(node)
        if shown >= _MOST or depth > _DEEPEST:
            left += 1
            continue
        shown += 1
        ours = [child for child in node.children if not _is_others(child[1])]
        others = [child for child in node.children if _is_others(child[1])]
        source = "" if node.again or node.kind != "function" else sources.get(node.name, "")
        if not (ours or others or source):
            parts.append(f'<div class="fleche-node fleche-leaf">{_node(label, node)}</div>')
            continue
        unfolded = " open" if depth < _OPEN and (ours or others) else ""
        parts.append(f'<details{unfolded}><summary class="fleche-node">{_node(label, node)}</summary>')
        parts.append('<div class="fleche-tree">')
        parts.append(_source(source) if source else "")
        todo.append(f"{_others(others)}</div></details>")
        todo.extend((depth + 1, name, child) for name, child in reversed(ours))
        every.extend(child for _, child in others)
    more = f"<div>{page.note(f'and {left:,} more; print(f.code.tree()) shows all')}</div>" if left else ""
    head = page.title("code of", f"<b>{page.plain(tree.name, 120)}</b>", page.digest(tree.digest))
    return page.box(head, f"<div>{_counts(every)}</div>", _warnings(every), "".join(parts), more)


def _is_others(node: CodeTree) -> bool:
    """Whether a node is a name of somebody else's, with nothing below it."""
    elsewhere = node.kind in _BY_OTHERS or (node.kind in ("function", "class") and node.how == "by name")
    return elsewhere and not node.children


def _counts(nodes: Iterable[CodeTree]) -> str:
    found = Counter("names of others" if _is_others(node) else _plural(node.kind) for node in nodes)
    return page.note(" \u00b7 ".join(f"{number:,} {_one(name, number)}" for name, number in found.most_common()))


def _plural(kind: str) -> str:
    return _MANY.get(kind, f"{kind}s")


def _one(name: str, number: int) -> str:
    if number > 1:
        return name
    for kind, many in _MANY.items():
        if many == name:
            return many.replace("things", "thing").replace("names", "name") if many != "classes" else kind
    return "name of others" if name == "names of others" else name.removesuffix("s")


def _warnings(nodes: Iterable[CodeTree]) -> str:
    named: dict[str, list[str]] = {}
    for node in nodes:
        if node.how in _WARNED and node.name not in named.setdefault(node.how, []):
            named[node.how].append(node.name)
    lines = []
    for how, names in named.items():
        told = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
        lines.append(f"<div>{page.chip(how, 'warn')}{page.code(told, 120)} {page.note(_WARNED[how])}</div>")
    return "".join(lines)


def _node(label: str, node: CodeTree) -> str:
    via = page.note(f"{_ZEROS.sub('', label)} \u2192") if label else ""
    how = page.chip(node.how, "warn" if node.how in _WARNED else "plain", node.why)
    kind = page.chip(node.kind, _TONES.get(node.kind, "plain"))
    again = page.note("as above") if node.again and node.kind in ("function", "class", "table", "wrapper") else ""
    return f"{kind}{via} <b>{page.plain(node.name, 120)}</b> {page.digest(node.digest)} {how}{again}"


def _source(text: str) -> str:
    return f'<pre class="fleche-source">{page.plain(text.rstrip(), _SOURCE)}</pre>'


def _others(children: Iterable[tuple[str, CodeTree]]) -> str:
    names = {node.name: node for _, node in children}
    if not names:
        return ""
    told = ", ".join(page.code(name, 60) for name in names)
    return f'<div class="fleche-node fleche-leaf">{page.note("by name, from elsewhere:")} {told}</div>'
