"""Work that is done later, by a thread that lives as long as there is some."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from fleche.digest import Digest
from fleche.storage.forks import FORKS

__all__ = ["Behind"]


class Behind:
    """Does something for each key that is put, in order, in a thread.

    The interpreter waits for the thread when it exits. A forked child starts with nothing to do: its parent does it.

    Args:
        work: What to do for a key; it raises nothing.
    """

    def __init__(self, work: Callable[[Digest], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._waiting: deque[Digest] = deque()
        self._thread: threading.Thread | None = None
        FORKS.add(self)

    def put(self, key: Digest) -> None:
        """Have the work done for a key, soon."""
        with self._lock:
            self._waiting.append(key)
            started = self._thread is not None or self._start()
        if not started:
            self._run()

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="fleche-write-behind", daemon=False)
        try:
            thread.start()
        except RuntimeError:  # the interpreter exits, and starts no thread any more
            return False
        self._thread = thread
        return True

    def flush(self) -> None:
        """Wait until everything that was put is done."""
        with self._lock:
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    if not self._waiting:
                        self._thread = None
                        return
                    key = self._waiting.popleft()
                self._work(key)
        except BaseException:  # such as an exit that the work asks for: the next key gets a thread that does the rest
            with self._lock:
                self._thread = None
            raise

    def after_fork_in_child(self) -> None:
        """Start with nothing to do."""
        self._lock = threading.Lock()
        self._waiting = deque()
        self._thread = None
