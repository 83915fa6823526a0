"""Containers of the language and of ``collections``: how each is taken apart."""

from __future__ import annotations

from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from operator import itemgetter
from types import MappingProxyType, SimpleNamespace
from typing import Any

from fleche.digest import _format as f
from fleche.digest.plan import Plan, attributes, mapping, unordered

__all__ = ["PLANS", "elements", "keyed"]

_LIMIT = 1 << 63
_first = itemgetter(0)


def _sortable(kinds: set[type], values: list[Any]) -> bool:
    """Whether comparing the values gives the order of their frames: all str, all bytes, all int in 64 bits."""
    if len(kinds) != 1:
        return False
    kind = next(iter(kinds))
    return kind is str or kind is bytes or (kind is int and min(values) >= -_LIMIT and max(values) < _LIMIT)


def keyed(head: bytes, value: dict[Any, Any], *extra: Any) -> Plan:
    """Take a dict apart: keys, values, and a third group of what else it has.

    Args:
        head: The tag.
        value: The dict.
        *extra: More children.
    """
    more = (extra,) if extra else ()
    pairs = list(dict.items(value))
    keys = [key for key, _ in pairs]
    if _sortable(set(map(type, keys)), keys):
        pairs.sort(key=_first)
        return Plan(head, ([key for key, _ in pairs], [item for _, item in pairs], *more), label=mapping)
    return Plan(head, (keys, [item for _, item in pairs], *more), order="dict", label=mapping)


def elements(head: bytes, value: Any) -> Plan:
    """Take a set apart."""
    ordered = list(value)
    if _sortable(set(map(type, ordered)), ordered):
        ordered.sort()
        return Plan(head, (ordered,), label=unordered)
    return Plan(head, (ordered,), order="set", label=unordered)


def _ordered_dict(value: OrderedDict[Any, Any]) -> Plan:
    pairs = list(OrderedDict.items(value))
    return Plan(f.ORDERED_DICT, ([key for key, _ in pairs], [item for _, item in pairs]), label=mapping)


def _namespace(value: SimpleNamespace) -> Plan:
    pairs = list(vars(value).items())
    groups = ([key for key, _ in pairs], [item for _, item in pairs])
    return Plan(f.NAMESPACE, groups, order="dict", label=attributes)


PLANS: dict[type, Callable[[Any], Plan]] = {
    list: lambda value: Plan(f.LIST, (list.copy(value),)),
    tuple: lambda value: Plan(f.TUPLE, (value,)),
    set: lambda value: elements(f.SET, value),
    frozenset: lambda value: elements(f.FROZENSET, value),
    dict: lambda value: keyed(f.DICT, value),
    OrderedDict: _ordered_dict,
    defaultdict: lambda value: keyed(f.DEFAULT_DICT, value, value.default_factory),
    Counter: lambda value: keyed(f.COUNTER, value),
    ChainMap: lambda value: Plan(f.CHAIN_MAP, (list(value.maps),)),
    deque: lambda value: Plan(f.DEQUE, (list(value), (value.maxlen,))),
    MappingProxyType: lambda value: Plan(f.MAPPING_PROXY, ((value.copy(),),)),
    SimpleNamespace: _namespace,
}
"""Type to the function that takes a value apart; for exactly these types."""
