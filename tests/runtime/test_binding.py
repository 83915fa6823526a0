"""Binding of task calls: what a function would be given is what its body is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleche.runtime.arguments import Arguments, Binding

_NAMES = ["a", "b", "c", "d", "e"]
_VALUES = [object(), np.arange(3), [], None, 0, float("nan"), inspect.Parameter.empty, {"a": 1}, (1, 2), "text"]
"""Some of which are equal to nothing, or to no bool; a value is known by its identity here."""


@st.composite
def functions(draw: st.DrawFn) -> Callable[..., Any]:
    """A function of any signature, which returns what it was given, by parameter."""
    names = iter(_NAMES)
    counts = [draw(st.integers(0, 2)), draw(st.integers(0, 2)), draw(st.integers(0, 1))]
    bare = draw(st.integers(0, counts[0] + counts[1]))
    default = {f"_{index}": value for index, value in enumerate(_VALUES)}
    parts: list[str] = []

    def parameter(*, has_default: bool) -> str:
        name = next(names)
        return f"{name}={draw(st.sampled_from(sorted(default)))}" if has_default else name

    parts += [parameter(has_default=place >= bare) for place in range(counts[0])]
    parts += ["/"] if parts else []
    parts += [parameter(has_default=counts[0] + place >= bare) for place in range(counts[1])]
    rest, keyword = draw(st.booleans()), counts[2]
    parts += ["*rest"] if rest else ["*"] if keyword else []
    parts += [parameter(has_default=draw(st.booleans())) for _ in range(keyword)]
    parts += ["**more"] if draw(st.booleans()) else []
    space = dict(default)
    exec(f"def f({', '.join(parts)}): return locals()", space)
    return space["f"]  # type: ignore[no-any-return]


_CALLS = {
    "function": functions(),
    "args": st.lists(st.sampled_from(_VALUES), max_size=5).map(tuple),
    "kwargs": st.dictionaries(st.sampled_from([*_NAMES, "rest", "more", "self"]), st.sampled_from(_VALUES), max_size=4),
}


def same(one: Any, other: Any) -> bool:
    """Whether two results of such a function are the same objects."""
    if one.keys() != other.keys():
        return False
    for name, value in one.items():
        if name == "rest":
            alike = [*map(id, value)] == [*map(id, other[name])]
        elif name == "more":
            alike = value.keys() == other[name].keys() and all(value[key] is other[name][key] for key in value)
        else:
            alike = value is other[name]
        if not alike:
            return False
    return True


@given(**_CALLS)
@example(function=lambda a=1, /, **more: locals(), args=(), kwargs={"a": 2})
@example(function=lambda self=1, **more: locals(), args=(), kwargs={"self": 2})
def test_a_body_is_given_what_a_call_would_give(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """However it is spelled; and a call that the function refuses is refused."""
    binding = Binding(inspect.signature(function))
    try:
        wanted = function(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            binding.bind(args, kwargs)
        return
    bound = binding.bind(args, kwargs)
    assert list(bound.kwargs) == list(binding.bind(args, kwargs).kwargs) == list(inspect.signature(function).parameters)
    assert same(bound.kwargs, wanted)
    positional, keyword = binding.spelled(bound)
    assert same(function(*positional, **keyword), wanted)


@given(function=_CALLS["function"], chosen=st.dictionaries(st.sampled_from(_NAMES), st.sampled_from(_VALUES)))
def test_arguments_by_name_reach_the_parameters_of_their_names(
    function: Callable[..., Any], chosen: dict[str, Any]
) -> None:
    """Those that are not given have their defaults, wherever they stand."""
    binding = Binding(inspect.signature(function))
    parameters = inspect.signature(function).parameters
    chosen = {name: value for name, value in chosen.items() if name in parameters}
    chosen |= {"rest": (_VALUES[0],)} if "rest" in parameters else {}
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [each.name for each in parameters.values() if each.default is each.empty and each.kind not in variable]
    if not set(missing) <= chosen.keys():
        with pytest.raises(TypeError, match="missing argument"):
            binding.spelled(Arguments(chosen))
        return
    positional, keyword = binding.spelled(Arguments(chosen))
    given = function(*positional, **keyword)
    assert all(given[name] is value for name, value in chosen.items() if name != "rest")
    if "rest" in chosen:
        assert [*map(id, given["rest"])] == [*map(id, chosen["rest"])]
