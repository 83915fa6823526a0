"""`fleche.digest`: hooks, entry points, and the digests of old."""

from __future__ import annotations

import threading
from importlib import metadata

import pytest

from fleche import D, cached
from fleche.digest import (
    DIGEST_LENGTH,
    Digest,
    Hook,
    Indigestible,
    add_hook,
    digest,
    digest_class,
    get_hooks,
    load_entry_points,
    walk,
)
from fleche.digest.registry import Registry

pytestmark = pytest.mark.portable


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """A registry of its own, so that no test teaches the others a type."""
    registry = Registry()
    monkeypatch.setattr(walk, "DEFAULT", registry)
    return registry


class Packaged:
    """Stands for a type of an installed package."""

    def __init__(self, content):
        self.content = content
        self.lock = threading.Lock()


class Other(Packaged):
    """Another type of that package."""


class Entry:
    """An entry point."""

    def __init__(self, value, loaded):
        self.value = value
        self.loaded = loaded

    def load(self):
        return self.loaded


@pytest.fixture
def packages(monkeypatch):
    """What the entry points of the group ``fleche`` named ``digest`` give."""
    found = []

    def entry_points(*, group, name=None):
        return [Entry(f"package{i}:digest", each) for i, each in enumerate(found)] if group == "fleche" else []

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    return found


class Sample:
    """Digested by its method, as the documentation of version 0 recommends."""

    def __init__(self, first, second, note=""):
        self.first, self.second, self.note = first, second, note

    def __digest__(self) -> Digest:
        return digest((type(self).__name__, self.first, self.second))


class Named:
    """Digested by text."""

    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()

    def __digest__(self):
        return f"Named:{self.name}"


class Pair:
    """Digested by several digests."""

    def __init__(self, reference):
        self.reference = reference

    def __digest__(self):
        return digest((self.reference, 0))


def test_a_method_says_what_identifies_a_value():
    """As a digest or as text; what it leaves out does not count."""
    assert digest(Sample(1, [2], "a")) == digest(Sample(1, [2], "b"))
    assert digest(Sample(1, [2])) != digest(Sample(1, [3]))
    assert digest(Named("x")) == digest(Named("x")) != digest(Named("y"))


def test_a_subclass_keeps_apart():
    """Even where the method gives the same."""

    class Finer(Named):
        pass

    assert digest(Finer("x")) != digest(Named("x"))


@pytest.mark.parametrize("value", [Sample(1, [2]), Named("x"), [Sample(1, [2])], {"k": Sample("a", "b")}])
def test_a_value_whose_method_returns_a_digest_can_be_an_argument(value):
    """The digest identifies it and refers to nothing, so that the call is stored."""

    @cached(cache="memory", strict=True)
    def f(x):
        return 1

    f(value)
    f(value)
    assert (f.info().hits, f.info().misses) == (1, 1)


def test_a_digest_inside_such_a_value_is_still_a_reference():
    """One that holds the value and one that holds its digest have one key, and the body would tell them apart."""

    @cached(cache="memory", strict=True)
    def f(x):
        return 1

    f(Pair([1]))
    assert f.key(Pair([1])) == f.key(Pair(digest([1])))
    with pytest.raises(TypeError, match="Digest inside"):
        f.rerun(Pair(digest([1])))


@pytest.mark.parametrize("make", [Hook, lambda kind, function: (kind, function)])
def test_a_hook_says_it_for_a_class_of_others(make):
    """As a `Hook` or as a pair."""
    with pytest.raises(Indigestible):
        digest(Packaged("c"))
    hook = make(Packaged, lambda value: digest((type(value).__name__, value.content)))
    add_hook(hook)
    assert digest(Packaged("c")) == digest(Packaged("c")) != digest(Packaged("d"))
    assert hook in get_hooks()


def test_a_hook_wins_over_the_method():
    """It has the highest priority."""
    before = digest(Sample(1, 2))
    add_hook(Hook(Sample, lambda sample: sample.first))
    assert digest(Sample(1, 2)) == digest(Sample(1, 3)) != before


def test_types_of_the_format_keep_their_bytes():
    """A hook for `int` is refused."""
    with pytest.raises(ValueError, match="part of the format"):
        add_hook(Hook(int, str))


@pytest.mark.parametrize("wrong", [(int,), ("int", str), (Packaged, 3), (Packaged, str, 1)])
def test_what_is_no_hook_is_refused(wrong):
    """With a `TypeError`."""
    with pytest.raises(TypeError, match="pair of a type"):
        add_hook(wrong)


@pytest.mark.parametrize("form", ["hook", "pair", "list"])
def test_installed_packages_bring_hooks(packages, form):
    """Their entry point is a hook, a pair, or a list of these; it is loaded when an unknown type is met."""
    hook = Hook(Packaged, lambda value: value.content)
    packages.append({"hook": hook, "pair": tuple(hook), "list": [hook, (Other, lambda value: [value.content])]}[form])
    assert digest(Packaged("a")) == digest(Packaged("a")) != digest(Packaged("b"))
    if form == "list":
        assert digest(Other("a")) == digest(Other("a"))
    assert hook in get_hooks()


def test_a_hook_of_ones_own_wins_over_that_of_a_package(packages):
    """And so does the earlier entry point over the later."""
    packages += [Hook(Packaged, lambda value: 1), Hook(Packaged, lambda value: 2)]
    ones = digest(Packaged("a"))
    add_hook(Hook(Packaged, lambda value: 2))
    assert digest(Packaged("a")) != ones
    add_hook(Hook(Packaged, lambda value: 1))
    assert digest(Packaged("a")) == ones


def test_entry_points_can_be_loaded_at_once(packages):
    """One that is no hook is an error that names it."""
    packages.append(Hook(Packaged, lambda value: value.content))
    load_entry_points()
    assert [hook.type for hook in get_hooks()] == [Packaged]


def test_an_entry_point_that_is_no_hook_is_named(packages):
    """In the error of `load_entry_points`."""
    packages.append(7)
    with pytest.raises(TypeError, match="package0:digest"):
        load_entry_points()


def test_a_function_of_a_package_sees_values_of_unknown_types(packages):
    """What it returns stands for the value; None leaves it alone."""
    packages.append(lambda value: value.first if isinstance(value, Plain) else None)
    assert digest(Plain(1, 2)) == digest(Plain(1, 3))


class Plain:
    """A type that nothing knows."""

    def __init__(self, first, second):
        self.first, self.second = first, second


def test_a_class_has_a_digest():
    """Of its code, or of its name in the standard library; what is no class is refused."""
    assert digest_class(Plain) == digest(Plain) != digest_class(Sample)
    with pytest.raises(TypeError, match="classes"):
        digest_class(3)


def test_digests_have_one_length():
    """`DIGEST_LENGTH`; shorter hexadecimal text is a prefix, any other text a value."""
    assert len(digest("text")) == DIGEST_LENGTH
    assert D("3F9A") == Digest("3f9a")
    assert D("not hex") == digest("not hex")
    assert D([1]) == digest([1])


def test_what_has_no_digest_is_a_type_error():
    """`Indigestible`, with the path to it."""
    with pytest.raises(Indigestible, match="lock"):
        digest({"a": threading.Lock()})
    assert issubclass(Indigestible, TypeError)
