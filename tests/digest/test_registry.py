"""Extension: registered functions, `__digest__`, and what installed packages bring along."""

import threading
from importlib import metadata

import pytest

from fleche.digest import Indigestible, digest, register_digest
from fleche.digest.algorithm import chosen
from fleche.digest.plugins import Plugins
from fleche.digest.registry import Registry
from fleche.digest.walk import Walk
from tests.digest.specimens import Plain, Point

pytestmark = pytest.mark.portable


class Client:
    def __init__(self, address):
        self.address, self.lock = address, threading.Lock()


class SpecialClient(Client):
    pass


class Named(Client):
    pass


class Above:
    def __init__(self, content):
        self.content = content


class Below(Above):
    pass


def walked(registry, value):
    return Walk(registry, chosen()).digest(value)


def test_a_registered_function_says_what_matters():
    """The function's value and the class count, nothing else."""
    register_digest(Client, lambda client: client.address)
    assert digest(Client("a")) == digest(Client("a")) != digest(Client("b"))
    assert digest(Client("a")) != digest("a")
    assert digest([Client("a")]) == digest([digest(Client("a"))])


def test_subclasses_may_have_more_to_them():
    """A registration does not hold for subclasses unless it says so."""
    registry = Registry()
    registry.register(Client, lambda client: client.address)
    with pytest.raises(Indigestible):
        walked(registry, SpecialClient("a"))
    registry.register(Client, lambda client: client.address, subclasses=True)
    assert walked(registry, SpecialClient("a")) != walked(registry, Client("a"))


def test_a_type_is_registered_by_name():
    """A qualified name spares the import."""
    registry = Registry()
    registry.register(f"{Named.__module__}.Named", lambda client: client.address)
    assert walked(registry, Named("a")) == walked(registry, Named("a")) != walked(registry, Named("b"))


def test_registering_takes_effect_at_once():
    """A type that was digested before is digested anew."""
    registry = Registry()
    before = walked(registry, Above(1))
    registry.register(Above, lambda above: above.content)
    assert walked(registry, Above(1)) != before
    assert walked(registry, Below(1)) == walked(Registry(), Below(1))


@pytest.mark.parametrize("kind", [int, list, dict, "pathlib.PosixPath", "numpy.ndarray", "pandas.DataFrame"])
def test_the_format_cannot_be_changed(kind):
    """Types of the format keep their bytes."""
    with pytest.raises(ValueError, match="part of the format"):
        Registry().register(kind, repr)
    with pytest.raises(TypeError, match="must be a function"):
        Registry().register(Client, None)


class Entry:
    def __init__(self, name, value, function):
        self.name, self.value, self._function = name, value, function

    def load(self):
        return self._function


def test_installed_packages_bring_functions(monkeypatch):
    """Entry points give functions by type name, and one that is shown every unknown value."""
    groups = {
        "fleche.digest": [Entry(f"{Named.__module__}.Named", "a:b", lambda client: client.address)],
        "fleche": [Entry("digest", "c:d", lambda value: value.address if isinstance(value, Client) else None)],
    }
    monkeypatch.setattr(metadata, "entry_points", lambda group, name="": groups[group])
    registry = Registry()
    assert walked(registry, Named("a")) != walked(registry, Named("b"))
    assert walked(registry, Client("a")) != walked(registry, Client("b"))
    assert walked(registry, Plain(a=1)) == digest(Plain(a=1)).raw
    assert walked(registry, Point(1)) == digest(Point(1)).raw


def test_without_packages_there_are_no_functions(monkeypatch):
    """No installed package is no trouble."""
    monkeypatch.setattr(metadata, "entry_points", lambda group, name="": [])
    plugins = Plugins()
    assert plugins.named("a.B") is None
    assert plugins.general == ()


def test_many_threads_find_one_way():
    """Threads that meet a type at the same time agree."""
    registry = Registry()
    start = threading.Barrier(8)
    found = []

    def walk():
        start.wait()
        found.append(walked(registry, [Above(1), Below(2), Point(3)]))

    threads = [threading.Thread(target=walk) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
