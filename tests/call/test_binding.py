"""Binding: one call, however it is spelled."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche.call import FunctionProfile, Ignored, Required, bind

pytestmark = pytest.mark.portable


def every_kind(a, /, b, *rest, c=3, **more):
    return locals()


def plain(a, b=2):
    return locals()


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1,), {}), ((), {"a": 1}), ((1, 2), {}), ((1,), {"b": 2}), ((), {"b": 2, "a": 1})]
)
def test_all_spellings_of_a_call_bind_alike(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Position, keyword and default are one call, in one order."""
    assert list(bind(plain, args, kwargs).items()) == [("a", 1), ("b", 2)]


def test_every_kind_of_parameter_binds() -> None:
    """Varargs are one tuple, keyword varargs are flattened and sorted."""
    bound = bind(every_kind, (1, 2, 3, 4), {"z": 26, "y": 25})
    assert list(bound.items()) == [("a", 1), ("b", 2), ("rest", (3, 4)), ("c", 3), ("y", 25), ("z", 26)]


def test_extra_keywords_named_like_parameters_stay_apart() -> None:
    """f(1, 2, a=5), where a is positional-only, is not f(5, 2)."""
    assert bind(every_kind, (1, 2), {"a": 5})["more"] == {"a": 5}
    assert bind(every_kind, (1, 2), {"more": 5, "x": 1}) == {
        "a": 1,
        "b": 2,
        "rest": (),
        "c": 3,
        "x": 1,
        "more": {"more": 5},
    }


@given(
    args=st.lists(st.integers(), max_size=5),
    kwargs=st.dictionaries(st.sampled_from(["a", "b", "c", "d", "rest", "more", "x"]), st.integers(), max_size=4),
    function=st.sampled_from(
        [
            plain,
            every_kind,
            lambda: locals(),
            lambda *x, b: locals(),
            lambda a=1, /, *, b=2: locals(),
            lambda **k: locals(),
        ]
    ),
)
def test_binding_agrees_with_the_call(args: list[int], kwargs: dict[str, int], function: Any) -> None:
    """What a call gives its parameters we bind to them, and a call that fails we refuse."""
    try:
        wanted = function(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            bind(function, tuple(args), kwargs)
        return
    parameters = inspect.signature(function).parameters
    varkw = next((p.name for p in parameters.values() if p.kind is p.VAR_KEYWORD), None)
    if varkw is not None:
        extra = wanted.pop(varkw)
        clashing = {name: value for name, value in extra.items() if name in parameters}
        wanted |= {name: value for name, value in extra.items() if name not in parameters}
        if clashing:
            wanted[varkw] = clashing
    assert bind(function, tuple(args), kwargs) == wanted


def test_ignored_and_required_are_read_from_annotations() -> None:
    """Annotations mark parameters, also when they are text."""

    def f(a: int, log: Ignored[object], *, seed: Required[int] = 1) -> None: ...

    def g(a: int, log: Ignored[Missing], *, seed: Required[int] = 1) -> None: ...  # noqa: F821

    for function in (f, g):
        profile = FunctionProfile(function)
        assert profile.bind((1, object()), {"seed": 2}) == {"a": 1, "seed": 2}
        assert profile.missing({}) == ["seed"]
        assert profile.missing({"seed": 1}) == []


def test_options_name_parameters_too() -> None:
    """ignore, require and projections work by name, and a wrong name is an error."""
    profile = FunctionProfile(plain, ignore=["b"], project={"a": str})
    assert profile.bind((1,), {}) == {"a": "1"}
    with pytest.raises(TypeError, match="no parameter 'c'; its parameters are a, b"):
        FunctionProfile(plain, ignore=["c"])
    with pytest.raises(TypeError, match="ignored and also"):
        FunctionProfile(plain, ignore=["b"], require=["b"])


def test_a_wrong_call_says_which_function() -> None:
    """The error is a TypeError with the function's name."""
    with pytest.raises(TypeError, match=r"plain\(\) missing a required argument: 'a'"):
        bind(plain, (), {})


def test_a_template_holds_only_what_was_given() -> None:
    """A query binds partially and applies no defaults."""
    assert FunctionProfile(plain).template((), {"b": 5}) == {"b": 5}
    assert FunctionProfile(plain).template((None,), {}) == {"a": None}
    with pytest.raises(TypeError):
        FunctionProfile(plain).template((), {"z": 5})
