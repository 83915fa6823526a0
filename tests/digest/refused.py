"""Values that are refused, by name, for the golden texts: ``python -m tests.digest.refused > refused.json``.

Each is made anew where it is asked for; what has to be closed is closed by the exit stack.
"""

import asyncio
import concurrent.futures
import contextvars
import functools
import io
import itertools
import json
import queue
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import weakref
import zipfile

# ruff: noqa: SIM115 - what is opened here is closed by the exit stack
from contextlib import ExitStack
from pathlib import Path

from fleche import cached
from fleche.errors import Indigestible

__all__ = ["KINDS", "texts"]


class Client:
    """An object with a lock."""

    def __init__(self):
        self._lock = threading.Lock()

    def get(self):
        """Do something."""


class Config:
    """An object with such an object."""

    def __init__(self, client):
        self.client = client


def generator():
    """Yield something."""
    yield 1


async def agenerator():
    """Yield something."""
    yield 1


async def coroutine():
    """Return something."""


def capturing(held):
    """Return a function that holds something."""
    return lambda x: (held, x)


def tb():
    """Return a traceback."""
    try:
        raise ValueError
    except ValueError as error:
        return error.__traceback__


def waiting(exits):
    """Return a coroutine that nobody awaits."""
    made = coroutine()
    exits.callback(made.close)
    return made


def loop(exits):
    """Return an event loop."""
    made = asyncio.new_event_loop()
    exits.callback(made.close)
    return made


def released(_):
    """Return a view of nothing."""
    view = memoryview(b"a")
    view.release()
    return view


def process(exits):
    """Return a process."""
    return exits.enter_context(subprocess.Popen([sys.executable, "-c", ""]))


def connection(exits):
    """Return a connection to a database."""
    made = sqlite3.connect(":memory:")
    exits.callback(made.close)
    return made


OBJECT = Client()
KINDS = {
    "a lock": lambda _: threading.Lock(),
    "a lock in a list": lambda _: [1, threading.Lock()],
    "an object with a lock": lambda _: Client(),
    "a lock in an object in an object": lambda _: Config(Client()),
    "an object in a dict in a list": lambda _: [{"main": Client()}],
    "an event": lambda _: threading.Event(),
    "a thread": lambda _: threading.Thread(),
    "thread-local data": lambda _: threading.local(),
    "a generator": lambda _: generator(),
    "an async generator": lambda _: agenerator(),
    "an iterator": lambda _: iter([1]),
    "an iterator in an object": lambda _: Config(iter([1])),
    "a map": lambda _: map(str, [1]),
    "an endless iterator": lambda _: itertools.count(),
    "a coroutine": waiting,
    "a frame": lambda _: sys._getframe(),
    "a traceback": lambda _: tb(),
    "keys of a dict": lambda _: {}.keys(),
    "an open file": lambda exits: exits.enter_context(Path(__file__).open()),
    "an open file in an object": lambda exits: Config(exits.enter_context(Path(__file__).open())),
    "bytes as a file": lambda _: io.BytesIO(b"a"),
    "a socket": lambda exits: exits.enter_context(socket.socket()),
    "a connection to a database": connection,
    "a connection in an object": lambda exits: Config(connection(exits)),
    "a cursor": lambda exits: connection(exits).cursor(),
    "a process": process,
    "an executor": lambda exits: exits.enter_context(concurrent.futures.ThreadPoolExecutor()),
    "a future": lambda _: concurrent.futures.Future(),
    "an event loop": loop,
    "a queue": lambda _: queue.Queue(),
    "a weak reference": lambda _: weakref.ref(OBJECT),
    "a weak dictionary": lambda _: weakref.WeakKeyDictionary(),
    "a context variable": lambda _: contextvars.ContextVar("v"),
    "a bare object": lambda _: object(),
    "a bare object in a set": lambda _: {1, (2, object())},
    "a match": lambda _: re.match("a", "a"),
    "an archive": lambda exits: exits.enter_context(zipfile.ZipFile(io.BytesIO(), "w")),
    "a view of nothing": released,
    "a bound method": lambda _: OBJECT.get,
    "a partial of positions": lambda _: functools.partial(print, OBJECT),
    "a partial of keywords": lambda _: functools.partial(print, file=OBJECT),
    "a lambda that holds a client": lambda _: capturing(OBJECT),
    "a lambda that holds an iterator": lambda _: capturing(iter([1])),
    "a lambda that holds a lambda that holds a client": lambda _: capturing(capturing(OBJECT)),
    "a lambda that holds a list with a client": lambda _: capturing([OBJECT]),
    "a lambda with a client as a default": lambda _: lambda x, client=OBJECT: client,
    "a lambda in a list": lambda _: [capturing(OBJECT)],
}


def texts():
    """Return the text of each refusal, as a cached function's argument ``cfg``."""
    found = {}
    for name, make in KINDS.items():
        with ExitStack() as exits:
            key = cached(lambda cfg: cfg).key
            value = make(exits)
            try:
                key(value)
            except Indigestible as error:
                found[name] = str(error).split("\n")
            else:
                found[name] = ["not refused"]
    return found


if __name__ == "__main__":
    from tests.digest import refused  # so that classes have the names that they have in tests

    sys.stdout.write(json.dumps(refused.texts(), indent=1, ensure_ascii=False) + "\n")
