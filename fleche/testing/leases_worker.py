"""A process for the suite of leases: it does what it is told on its standard input, one line at a time.

Started with ``python -c PROGRAM OPENING``, where ``OPENING`` is Python that makes ``leases``. Commands and answers:
``claim KEY HELD…`` (``lease TOKEN`` or ``holder TEXT``), ``wait KEY HELD…`` (how it ended), ``release KEY`` (``done``),
``lost KEY`` (``True`` or ``False``), ``compute FOLDER KEY…`` (how many keys this process computed), ``fork`` and
``start`` (the process id of a forked child, or of a program, that does nothing and lives on).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from fleche.digest import Digest
from fleche.storage.leases import Holder, Lease, Leases, Owner

__all__ = ["Worker", "compute_once", "main"]


def compute_once(leases: Leases, key: Digest, folder: Path) -> bool:
    """Compute one key unless another has, as a cache does; return whether this one did.

    Raises:
        FileExistsError: Two computed the key, or at the same time.
    """
    result, busy = folder / f"{key}.result", folder / f"{key}.busy"
    owner = Owner("compute_once")
    while not result.exists():
        lease = leases.claim(key, owner)
        if isinstance(lease, Holder):
            leases.wait(key, owner)
            continue
        with lease:
            if result.exists():
                return False
            busy.touch(exist_ok=False)
            result.touch(exist_ok=False)
            busy.unlink()
            return True
    return False


class Worker:
    """Keeps the leases that it was told to claim."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._held: dict[str, Lease] = {}

    def do(self, command: str, *words: str) -> Any:
        """Do one command and return its answer."""
        return getattr(self, f"_{command}")(*words)

    def _claim(self, key: str, *holding: str) -> str:
        answer = self._leases.claim(Digest(key), _owner(holding))
        if isinstance(answer, Holder):
            return f"holder {answer}"
        self._held[key] = answer
        return f"lease {answer.token}"

    def _wait(self, key: str, *holding: str) -> str:
        return str(self._leases.wait(Digest(key), _owner(holding)))

    def _release(self, key: str) -> str:
        self._held.pop(key).release()
        return "done"

    def _lost(self, key: str) -> bool:
        return self._held[key].lost

    def _compute(self, folder: str, *keys: str) -> int:
        return sum(compute_once(self._leases, Digest(key), Path(folder)) for key in keys)

    def _fork(self) -> int:
        child = os.fork()
        if child == 0:
            os.close(1)
            signal.pause()
        return child

    def _start(self) -> int:
        idle = [sys.executable, "-c", "import signal; signal.pause()"]
        return subprocess.Popen(idle, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid  # noqa: S603


def _owner(holding: tuple[str, ...]) -> Owner:
    return Owner("worker", tuple(map(Digest, holding)))


def main(leases: Leases) -> None:
    """Answer commands until the input ends."""
    worker = Worker(leases)
    for line in sys.stdin:
        sys.stdout.write(f"{worker.do(*line.split())}\n")
        sys.stdout.flush()
