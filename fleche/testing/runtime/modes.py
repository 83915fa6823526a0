"""Tasks in each mode of the cache."""

from __future__ import annotations

import pytest

import fleche
from fleche.errors import MissError
from fleche.runtime import App
from fleche.runtime.invocation.dist_invocation import ReusedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.testing import tasks
from fleche.testing.runtime.runtime_suite import RuntimeSuite
from fleche.testing.tasks import EVENTS, RUNS, bound

__all__ = ["ModeTests"]

_S = InvocationStatus


class ModeTests(RuntimeSuite):
    """The mode in which a task is called goes with the call, to whatever worker runs it."""

    @pytest.mark.usefixtures("runner")
    def test_off_runs_the_body_and_files_nothing(self, app: App, name: str) -> None:
        """As if there were no cache: what is stored stays as it is."""
        task = bound(tasks.tally, app)
        with fleche.mode("off"):
            assert [task(name).result, task(name).result] == [1, 2]
        assert fleche.cache().query().count() == 0
        assert task(name).result == 3
        with fleche.mode("off"):
            assert task(name).result == 4
        assert task(name).result == 3

    @pytest.mark.usefixtures("runner")
    def test_refresh_computes_anew_and_files_it(self, app: App, name: str) -> None:
        """The next call is answered by what it computed."""
        task = bound(tasks.tally, app)
        assert task(name).result == 1
        with fleche.mode("refresh"):
            assert task(name).result == 2
        assert task(name).status is _S.SUCCESS
        assert task(name).result == 2

    @pytest.mark.usefixtures("runner")
    def test_read_is_answered_and_files_nothing(self, app: App, name: str) -> None:
        """What is not stored is computed each time."""
        task = bound(tasks.tally, app)
        with fleche.mode("read"):
            assert [task(name).result, task(name).result] == [1, 2]
        assert task(name).result == 3
        with fleche.mode("read"):
            assert task(name).result == 3

    @pytest.mark.usefixtures("runner")
    def test_frozen_computes_nothing(self, app: App, name: str) -> None:
        """A miss is an error where the task is called, alone or in a group, and nothing is registered."""
        task = bound(tasks.tally, app)
        assert task(name).result == 1
        known = app.engine.count()
        with fleche.mode("frozen"):
            with pytest.raises(MissError, match="mode 'frozen' computes nothing"):
                task(f"{name} other")
            with pytest.raises(MissError):
                task.parallelize([(f"{name} other",)])
            assert app.engine.count() == known
            assert task(name).result == 1
        assert RUNS[name] == ["tally"]

    @pytest.mark.usefixtures("runner")
    def test_an_effect_runs_in_every_mode(self, app: App, name: str) -> None:
        """It never had to do with the cache."""
        task = bound(tasks.note, app)
        for mode in ("on", "off", "read", "refresh", "frozen"):
            with fleche.mode(mode):
                assert task(name, mode).result == mode
        assert len(RUNS[name]) == 5

    @pytest.mark.usefixtures("runner")
    def test_what_a_body_calls_is_in_its_mode(self, app: App, name: str) -> None:
        """Other tasks and cached functions, as they would be in one process."""
        bound(tasks.tally, app)
        parent = bound(tasks.asks_tally, app)
        assert parent(name).result == (1, 1)
        with fleche.mode("refresh"):
            assert parent(name).result == (2, 2)
        with fleche.mode("off"):
            assert parent(name).result == (3, 3)
        assert parent(name).result == (2, 2)
        assert bound(tasks.tally, app)(name).result == 2

    @pytest.mark.usefixtures("runner")
    def test_what_is_running_is_joined_where_the_mode_reads(self, app: App, name: str) -> None:
        """What does not read is run beside it, and what does not file is joined by nobody."""
        task = bound(tasks.gated, app)
        first = task(name, 1)
        assert EVENTS[f"{name} began"].wait(30)
        with fleche.mode("read"):
            assert isinstance(task(name, 1), ReusedInvocation)
        with fleche.mode("off"):
            off = task(name, 1)
        with fleche.mode("read"):
            alone = task(name, 2)
        assert off != first
        assert task(name, 2) != alone
        EVENTS[name].set()
        assert [first.get(30), off.get(30), alone.get(30)] == [1, 1, 2]
