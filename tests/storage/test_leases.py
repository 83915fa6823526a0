"""Each kind of leases passes the suite."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fleche.errors import StoreError
from fleche.storage.flight import FileFlight, RangeFlight, open_flight
from fleche.storage.leases import Leases, Owner, Waited
from fleche.storage.leases_local import LocalLeases
from fleche.storage.leases_process import ProcessLeases
from fleche.storage.leases_soft import SoftLeases
from fleche.testing.leases import AcrossProcesses, LeasesSuite, claimed, key_of, worker_process

pytestmark = pytest.mark.portable


class TestProcessLeases(LeasesSuite):
    def make(self, folder: Path) -> Leases:
        return ProcessLeases()


class TestRangeLeases(AcrossProcesses):
    def make(self, folder: Path) -> Leases:
        return LocalLeases(folder / "locks")

    def opening(self, folder: Path) -> str:
        return f"from fleche.storage.leases_local import LocalLeases\nleases = LocalLeases({str(folder / 'locks')!r})"

    def test_a_removed_folder_is_noticed(self, leases: Leases, tmp_path: Path):
        """Whoever removes the lock file ends the leases, which know it; new ones are granted."""
        lease = claimed(leases, 1)
        assert not lease.lost
        (tmp_path / "locks" / "flight").unlink()
        assert lease.lost
        with claimed(leases, 2) as other:
            assert not other.lost
        lease.release()

    def test_numbers_grow_when_the_clock_is_set_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """A lease has a greater number than the one before it, in another process too, whatever the clock says."""
        flight = open_flight(tmp_path)
        first = flight.acquire(key_of(1))
        flight.close()
        monkeypatch.setattr("time.time_ns", lambda: 5)
        again = open_flight(tmp_path)
        second = again.acquire(key_of(1))
        again.close()
        assert first is not None
        assert second == first + 1

    def test_this_machine_has_range_locks(self, tmp_path: Path):
        """On Linux the better kind is chosen."""
        flight = open_flight(tmp_path)
        assert isinstance(flight, RangeFlight)
        flight.close()


class TestFileLeases(AcrossProcesses):
    def make(self, folder: Path) -> Leases:
        (folder / "locks").mkdir(exist_ok=True)
        return LocalLeases(folder / "locks", flight=FileFlight(folder / "locks"))

    def opening(self, folder: Path) -> str:
        return (
            "import pathlib\nfrom fleche.storage.leases_local import LocalLeases\n"
            "from fleche.storage.flight import FileFlight\n"
            f"folder = pathlib.Path({str(folder / 'locks')!r})\nfolder.mkdir(exist_ok=True)\n"
            "leases = LocalLeases(folder, flight=FileFlight(folder))"
        )


class TestSoftLeases(AcrossProcesses):
    def make(self, folder: Path) -> Leases:
        return SoftLeases(folder / "locks")

    def opening(self, folder: Path) -> str:
        return f"from fleche.storage.leases_soft import SoftLeases\nleases = SoftLeases({str(folder / 'locks')!r})"

    def opening_short(self, folder: Path) -> str:
        return self.opening(folder).replace("')", "', duration=0.5)")

    def test_a_silent_holder_is_taken_over_from(self, tmp_path: Path):
        """Who does not touch its marker for the length of the lease loses it, though it lives; it is told so."""
        leases = SoftLeases(tmp_path / "locks", duration=0.5)
        with worker_process(self.opening_short(tmp_path)) as worker:
            token = int(worker.ask("claim", key_of(1)).split()[1])
            os.kill(worker.pid, signal.SIGSTOP)
            assert leases.wait(key_of(1), Owner("f"), 60) is Waited.GONE
            with claimed(leases, 1) as lease:
                assert lease.token > token
                os.kill(worker.pid, signal.SIGCONT)
                assert worker.ask("lost", key_of(1)) == "True"
                worker.ask("release", key_of(1))
                assert not lease.lost
        leases.close()

    def test_a_holder_that_touches_keeps_it(self, tmp_path: Path):
        """As long as the marker is touched nobody takes it, however long the computation is."""
        leases = SoftLeases(tmp_path / "locks", duration=0.5)
        with worker_process(self.opening_short(tmp_path)) as worker, claimed(leases, 1) as lease:
            worker.tell("wait", key_of(1))
            assert leases.wait(key_of(1), Owner("f"), 2.0) is Waited.TIMEOUT
            assert not lease.lost
            lease.release()
            assert worker.hear() == "gone"
        leases.close()

    def test_durations_that_differ_are_told_of(self, leases: Leases, tmp_path: Path):
        """Who uses another duration than the holder is told to use the same."""
        other = SoftLeases(tmp_path / "locks", duration=7)
        with claimed(leases, 1), pytest.raises(StoreError, match="lease_duration"):
            other.claim(key_of(1), Owner("f"))
        other.close()

    def test_a_removed_marker_is_noticed(self, leases: Leases, tmp_path: Path):
        """Whoever removes the markers ends the leases, which know it; new ones are granted."""
        lease = claimed(leases, 1)
        for path in (tmp_path / "locks").glob("*.lease"):
            path.unlink()
        assert lease.lost
        lease.release()
        with claimed(leases, 2) as other:
            assert not other.lost


def test_two_stores_in_one_process_exclude_each_other(tmp_path: Path):
    """Leases made twice of one folder in one process are as good as those of two processes."""
    one, other = LocalLeases(tmp_path), LocalLeases(tmp_path)
    with claimed(one, 1):
        assert other.holder(key_of(1)) is not None
        assert other.claim(key_of(1), Owner("f")) == one.holder(key_of(1))
    one.close()
    other.close()
