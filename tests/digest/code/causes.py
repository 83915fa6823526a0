"""What changed between two code trees, as the corpus says it: an oracle that shares no code with `why`."""

from __future__ import annotations

from fleche.digest.code import CodeTree

Identity = tuple[str, str, str]


def causes(before: CodeTree, after: CodeTree) -> frozenset[str]:
    """Return the nodes whose own content changed, and those that are reached anew or no more, as "kind name".

    Where a node's own content changed, what it reaches anew is part of that.
    """
    full = [_children(before), _children(after)]
    found: set[str] = set()
    todo, seen = [(before, after)], {(_identity(before), _identity(after))}
    while todo:
        one, other = todo.pop()
        changed = (one.kind, one.own) != (other.kind, other.own)
        if changed and not _held_changed(one, other):
            found.add(f"{other.kind} {other.name}")
        if changed and (one.kind != other.kind or one.name != other.name):
            continue
        reached = [
            dict(each.children or which.get(_identity(each), ()))
            for each, which in zip((one, other), full, strict=True)
        ]
        for label in reached[0].keys() | reached[1].keys():
            pair = reached[0].get(label), reached[1].get(label)
            if pair[0] is not None and pair[1] is not None:
                both = _identity(pair[0]), _identity(pair[1])
                if both not in seen or pair[0].children or pair[1].children:
                    seen.add(both)
                    todo.append((pair[0], pair[1]))
            elif not changed:
                only = pair[0] or pair[1]
                assert only is not None
                found.add(f"{only.kind} {only.name}")
    return frozenset(found)


def _held_changed(one: CodeTree, other: CodeTree) -> bool:
    """Whether a value is another one because a function in it is."""
    held = [{label: child for label, child in each.children if label.startswith("holds ")} for each in (one, other)]
    return held[0].keys() == held[1].keys() and any(causes(held[0][label], held[1][label]) for label in held[0])


def _identity(tree: CodeTree) -> Identity:
    return tree.kind, tree.name, tree.own


def _children(tree: CodeTree) -> dict[Identity, tuple[tuple[str, CodeTree], ...]]:
    """Return what each node reaches: a tree shows it once only."""
    found: dict[Identity, tuple[tuple[str, CodeTree], ...]] = {}
    todo = [tree]
    while todo:
        node = todo.pop()
        if node.children:
            found.setdefault(_identity(node), node.children)
            todo.extend(child for _, child in node.children)
    return found
