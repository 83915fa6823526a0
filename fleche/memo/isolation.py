"""A fresh working directory for a body that litters, one body at a time in the whole process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["isolated"]

_lock = threading.RLock()  # the working directory belongs to the process, not to a thread


@contextmanager
def isolated() -> Iterator[str]:
    """Run a block in a fresh, empty directory that is removed afterwards."""
    import tempfile  # costs 4 ms, and few functions need it

    with _lock, tempfile.TemporaryDirectory(prefix="fleche-") as directory:
        before = os.getcwd()  # noqa: PTH109 - the text, which chdir takes back
        os.chdir(directory)
        try:
            yield directory
        finally:
            os.chdir(before)
