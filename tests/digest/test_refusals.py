"""What has no content is refused, untouched, with the path to it and the ways out."""

import asyncio
import contextlib
import contextvars
import copy
import io
import logging
import pickle
import socket
import sqlite3
import subprocess
import sys
import threading
import weakref

import pytest

from fleche import cached
from fleche.digest import Indigestible, digest, register_digest
from fleche.errors import UncachedWarning
from tests.digest.specimens import Items, Pair, Plain, Point

pytestmark = pytest.mark.portable
_SESSION = iter([1])


def generator():
    yield 1


async def coroutine():
    return 1


def refused(value, **options):
    with pytest.raises(Indigestible) as caught:
        digest(value, **options)
    return caught.value


@pytest.mark.parametrize(
    "make",
    [
        lambda: iter([1, 2]),
        lambda: iter({1: 2}),
        lambda: zip([1], [2], strict=True),
        lambda: map(str, [1]),
        lambda: reversed([1]),
        lambda: enumerate([1]),
        generator,
        lambda: (x for x in [1]),
        lambda: io.BytesIO(b"a"),
        lambda: io.StringIO("a"),
        threading.Lock,
        threading.RLock,
        threading.Event,
        threading.Condition,
        threading.local,
        threading.current_thread,
        lambda: weakref.ref(Plain()),
        weakref.WeakKeyDictionary,
        contextvars.copy_context,
        lambda: contextvars.ContextVar("a"),
        object,
        lambda: {}.keys(),
        lambda: {}.values(),
        lambda: {}.items(),
        lambda: sys._getframe(),
        lambda: [object()],
        lambda: property(len),
    ],
)
def test_what_has_no_content_is_refused(make):
    """Iterators, places in a process and moments in a stream have no digest."""
    refused(make())
    refused([make()])
    refused({"a": make()})


def test_open_things_are_refused(tmp_path):
    """Files, sockets, connections and coroutines have no digest."""
    with (tmp_path / "a").open("w") as file, socket.socket() as connection:
        assert "open file" in refused(file).reason
        refused(connection)
    database = sqlite3.connect(":memory:")
    refused(database)
    database.close()
    waiting = coroutine()
    refused(waiting)
    waiting.close()
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        refused(process)
    loop = asyncio.new_event_loop()
    refused(loop)
    loop.close()
    view = memoryview(b"a")
    view.release()
    refused(view)


def test_nothing_is_consumed():
    """A refused iterator still yields everything."""
    for make in (generator, lambda: iter([1, 2]), lambda: map(str, [1]), lambda: zip([1], [2], strict=True)):
        one, other = make(), make()
        refused([{"a": (one,)}])
        assert list(one) == list(other)


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda lock: lock, "cfg"),
        (lambda lock: [1, lock], "cfg[1]"),
        (lambda lock: {"a": [lock]}, "cfg['a'][0]"),
        (lambda lock: {1: {2.5: lock}}, "cfg[1][2.5]"),
        (lambda lock: Plain(client=Plain(_lock=lock)), "cfg.client._lock"),
        (lambda lock: Point(1, lock), "cfg.y"),
        (lambda lock: Pair(1, [lock]), "cfg.b[0]"),
        (lambda lock: Items([lock]), "cfg[0]"),
        (lambda lock: (1, (2, lock)), "cfg[1][1]"),
        (lambda lock: {"k" * 100: lock}, "cfg['" + "k" * 56 + "...]"),
        (lambda lock: {("a", 1): lock}, "cfg[<tuple>]"),
    ],
)
def test_the_path_is_named(make, path):
    """The error says where in the value, which type, and why."""
    error = refused(make(threading.Lock()), name="cfg")
    assert error.path == path
    assert error.type_name == "_thread.lock"
    assert error.reason == "belongs to this process and has no content of its own"
    assert error.reason in str(error)
    assert str(error).startswith(f"{path} is a _thread.lock")


def test_the_text_names_three_ways_out():
    """The text says what the user would type."""
    for value, taught in [(Plain(_lock=threading.Lock()), True), ([threading.Lock()], False)]:
        error = refused(value, name="cfg")
        ways = ['@cached(ignore=("cfg",))', '@cached(key={"cfg": lambda cfg: ...})']
        ways += ['register_digest("tests.digest.specimens.Plain", lambda cfg: ...)'] if taught else ["Make it inside"]
        assert len(error.ways) == 3
        for way in ways:
            assert any(way in told for told in error.ways)
            assert way in str(error)


def test_what_a_function_holds_and_has_no_content_is_no_reason():
    """Locks, loggers and sentinels are as good as any other; a function that stands at its name is known by that."""

    def holding(held):
        return lambda x: (held, x)

    key = cached(lambda cfg: cfg).key
    for held in (threading.Lock(), logging.getLogger("x"), object(), [threading.Event()], 3):
        assert key(holding(held)) == key(holding(held))
    assert key(holding(3)) != key(holding(4))
    assert key(known) == key(known)


def known(x, session=_SESSION):
    """A function of a module, with something of the module's."""
    return x, session


def test_two_functions_over_two_clients_are_no_one_call():
    """They would share a key: the call runs uncached, and says which variable it is."""

    class Client:
        def __init__(self, name):
            self.name, self.lock = name, threading.Lock()

    def asking(client):
        return lambda: client.name

    @cached(cache="memory")
    def ask(get):
        return get()

    with pytest.warns(UncachedWarning, match=r"get \(closure of <lambda>\): client.lock is a _thread.lock"):
        assert [ask(asking(Client(name))) for name in ("one", "two")] == ["one", "two"]
    with pytest.raises(Indigestible, match="closure of <lambda>"):
        cached(strict=True, cache="memory")(lambda get: get())(asking(Client("x")))
    register_digest(Client, lambda client: client.name)
    assert [ask(asking(Client(name))) for name in ("one", "two", "one")] == ["one", "two", "one"]
    assert ask.info().misses == 2


def test_an_object_speaks_for_what_it_holds():
    """Nobody can say what identifies a lock; the class of the object that holds it can be taught."""
    text = str(refused({"db": Plain(client=threading.Lock())}, name="cfg"))
    assert (
        'Say what identifies a Plain: fleche.digest.register_digest("tests.digest.specimens.Plain", lambda plain'
        in text
    )


def test_the_error_survives_pickling():
    """A worker's error reaches the caller with its facts."""
    error = refused([threading.Lock()])
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.reason, again.ways) == (str(error), error.path, error.reason, error.ways)
    assert copy.copy(error).type_name == error.type_name
    assert isinstance(error, TypeError)


class Raising:
    def __reduce_ex__(self, protocol):
        raise RuntimeError("not today")


class RaisingDigest:
    def __digest__(self):
        raise RuntimeError("not today")


class Itself:
    def __digest__(self):
        return self


class Strange:
    def __reduce__(self):
        return 1


@pytest.mark.parametrize("make", [Raising, RaisingDigest])
def test_an_error_of_the_value_is_the_cause(make):
    """What a value's own method raised is chained."""
    error = refused([make()])
    assert "not today" in str(error)
    assert isinstance(error.__cause__, RuntimeError)


@pytest.mark.parametrize("make", [Itself, Strange])
def test_methods_that_say_nothing_are_refused(make):
    """A method that returns the value itself, or nothing that can be read, identifies nothing."""
    refused(make())


def test_a_value_that_changes_meanwhile_does_not_crash():
    """A value that another thread changes is digested or refused; the interpreter lives."""
    shared = {number: [number] for number in range(100)}
    stop = threading.Event()

    def change():
        number = 100
        while not stop.is_set():
            shared[number] = [number]
            shared.pop(number - 50, None)
            number += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(200):
            with contextlib.suppress(Indigestible, RuntimeError):
                digest([shared, list(shared)])
    finally:
        stop.set()
        thread.join()
