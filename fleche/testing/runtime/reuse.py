"""What is not run again, and what is forgotten."""

from __future__ import annotations

import threading

import pytest

import fleche
from fleche import cached
from fleche.runtime import App
from fleche.runtime.exceptions import InvocationNotFoundError
from fleche.runtime.invocation.dist_invocation import ReusedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.testing import tasks
from fleche.testing.runtime.runtime_suite import RuntimeSuite
from fleche.testing.runtime.steps import together
from fleche.testing.tasks import EVENTS, RUNS, bound

__all__ = ["ReuseTests"]

_S = InvocationStatus


class ReuseTests(RuntimeSuite):
    """What is not run again, and what is forgotten."""

    # -- reuse ---------------------------------------------------------------------------------------------------------

    @pytest.mark.usefixtures("runner")
    def test_what_was_computed_is_not_computed_again(self, app: App, name: str) -> None:
        """The second call is a success at once, and nothing is queued."""
        task = bound(tasks.counted, app)
        first = task(name, 5)
        assert first.result == 5
        second = task(value=5, name=name)
        assert second.status is _S.SUCCESS
        assert second.invocation_id != first.invocation_id
        assert second.result == 5
        assert RUNS[name] == [5]
        assert app.broker.count_invocations() == 0

    @pytest.mark.usefixtures("runner")
    def test_what_was_computed_is_not_put_off(self, app: App, name: str) -> None:
        """A call for later is a success at once, too."""
        task = bound(tasks.counted, app)
        assert task(name, 5).result == 5
        later = task.schedule(delay=3600)(name, 5)
        assert later.status is _S.SUCCESS
        assert later.result == 5

    @pytest.mark.usefixtures("runner")
    def test_tasks_and_cached_functions_find_each_others_results(self, app: App, name: str) -> None:
        """What a worker computed is a hit, and what a cached call computed makes the invocation a success at once."""
        task = bound(tasks.counted, app)
        remembered = cached(tasks.counted.func)
        assert task(name, 1).result == 1
        assert remembered(name, 1) == 1
        assert remembered(name, 2) == 2
        assert task(name, 2).status is _S.SUCCESS
        assert task(name, 2).result == 2
        assert RUNS[name] == [1, 2]
        assert task(name, 1).call.call().digested().key == remembered.key(name, 1)

    @pytest.mark.usefixtures("runner")
    def test_what_is_running_is_joined(self, app: App, name: str) -> None:
        """In whatever status that is not final; the result is the same, and it ran once."""
        task = bound(tasks.gated, app)
        first = task(name, 1)
        EVENTS[f"{name} began"].wait(30)
        second = task(name, 1)
        assert isinstance(second, ReusedInvocation)
        assert second == first
        assert second.diff_arg is None
        EVENTS[name].set()
        assert [first.result, second.result] == [1, 1]
        assert RUNS[name] == [1]

    def test_equal_calls_at_once_are_one_invocation(self, app: App, name: str) -> None:
        """Eight threads call at the same moment."""
        task = bound(tasks.counted, app)
        calls = together(8, lambda _: task(name, 1).invocation_id)
        assert len(set(calls)) == 1
        with self.running(app):
            assert task(name, 1).result == 1
        assert RUNS[name] == [1]

    @pytest.mark.usefixtures("runner")
    def test_an_effect_is_run_each_time(self, app: App, name: str) -> None:
        """It is never answered, never joined, and nothing of it is in the cache."""
        task = bound(tasks.note, app)
        calls = [task(name, 1) for _ in range(3)]
        assert [call.result for call in calls] == [1, 1, 1]
        assert RUNS[name] == [1, 1, 1]
        assert len({call.invocation_id for call in calls}) == 3
        assert fleche.cache().query().count() == 0

    @pytest.mark.usefixtures("runner")
    def test_a_cached_call_elsewhere_is_waited_for(self, app: App, name: str) -> None:
        """While a thread computes the call under `@cached`, a worker waits for it instead of computing it too."""
        remembered = cached(tasks.gated.func)
        active = fleche.cache()

        def elsewhere() -> None:
            with fleche.cache(active):
                remembered(name, 1)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        EVENTS[f"{name} began"].wait(30)
        invocation = bound(tasks.gated, app)(name, 1)
        assert invocation.wait(0) is False
        EVENTS[name].set()
        thread.join()
        assert invocation.result == 1
        assert RUNS[name] == [1]

    @pytest.mark.usefixtures("runner")
    def test_what_is_scheduled_is_run_while_all_are_idle(self, app: App, name: str) -> None:
        """Nothing else has to happen; a call that is joined to it brings it forward."""
        task = bound(tasks.counted, app)
        assert task(name, 0).result == 0
        soon = task.schedule(delay=0.05)(name, 1)
        assert soon.get(30) == 1
        late = task.schedule(delay=3600)(name, 2)
        now = task(name, 2)
        assert now == late
        assert now.get(30) == 2

    @pytest.mark.usefixtures("runner")
    def test_what_is_scheduled_and_stored_is_answered_at_once(self, app: App) -> None:
        """There is nothing to wait for."""
        task = bound(tasks.add, app)
        assert task(1).result == 3
        assert task.schedule(delay=3600)(1).get(0) == 3

    # -- forgetting ----------------------------------------------------------------------------------------------------

    @pytest.mark.usefixtures("runner")
    def test_apps_do_not_see_each_other(self, app: App, name: str) -> None:
        """Two apps have their own invocations; purging one leaves the other."""
        other = self.make(app_id="other")
        mine, theirs = bound(tasks.note, app)(name, 1), bound(tasks.note, other)(name, 2)
        assert mine.result == 1
        assert theirs.wait(0) is False
        app.purge()
        assert app.engine.count() == 0
        assert other.engine.count() == 1

    @pytest.mark.usefixtures("runner")
    def test_what_ended_long_ago_is_forgotten(self, app: App, name: str) -> None:
        """After 24 hours by default; its result stays in the cache."""
        task = bound(tasks.counted, app)
        assert task(name, 1).result == 1
        assert app.orchestrator.auto_purge() == 0
        app.orchestrator.conf.auto_final_invocation_purge_hours = 0.0
        assert app.orchestrator.auto_purge() >= 1
        assert task(name, 1).result == 1
        assert RUNS[name] == [1]

    @pytest.mark.usefixtures("runner")
    def test_purging_while_a_body_runs(self, app: App, name: str) -> None:
        """Who waits is told that it is gone, its result is refused, and the worker lives on."""
        invocation = bound(tasks.wait_for, app)(name, 1)
        assert EVENTS[f"{name} began"].wait(30)
        app.purge()
        with pytest.raises(InvocationNotFoundError, match="it was purged"):
            invocation.get(30)
        EVENTS[name].set()
        assert bound(tasks.add, app)(1).get(30) == 3

    def test_purging_what_an_invocation_refers_to(self, app: App, name: str) -> None:
        """It fails with a named error that says what is missing; others go on."""
        invocation = bound(tasks.counted, app)(name, "x" * 5000)
        app.client_data_store.purge()
        with self.running(app):
            with pytest.raises(KeyError, match="not in the client data store: it was purged"):
                invocation.get(30)
            assert bound(tasks.add, app)(1).get(30) == 3
        assert RUNS[name] == []
