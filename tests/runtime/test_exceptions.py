"""Errors: their texts, their facts, and that each comes back from JSON, from a pickle, and from the store."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import fleche
from fleche.errors import FlecheError
from fleche.runtime import App, exceptions
from fleche.runtime.exceptions import (
    CycleDetectedError,
    FlecheRuntimeError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    InvocationStatusRaceConditionError,
    InvocationStatusTransitionError,
    PynencError,
    RetryError,
    SerializationError,
    TaskError,
)
from fleche.testing import tasks
from fleche.testing.tasks import bound

SPECIAL: dict[type, tuple[Any, ...]] = {
    CycleDetectedError: (["m.f:a", "m.g:b"], "round and round"),
    InvocationConcurrencyWithDifferentArgumentsError: ("m.f", "i", "m.f:b", "x: 1 -> 2", "no"),
    InvocationStatusTransitionError: ("pending", "success", ["running", "failed"]),
    InvocationStatusOwnershipError: ("running", "success", "me", "you", "because"),
    InvocationStatusRaceConditionError: ("i", "a", "b", "c"),
}
ABOUT = (TaskError, InvocationError, InvocationNotFoundError, exceptions.PendingInvocationLockError)
KINDS = [getattr(exceptions, name) for name in exceptions.__all__ if name != "PynencError"]


def sample(kind: type[FlecheRuntimeError]) -> FlecheRuntimeError:
    """An error of a kind, with facts."""
    if kind in SPECIAL:
        return kind(*SPECIAL[kind])
    if issubclass(kind, ABOUT):
        return kind("about.this", "a message")
    return kind("a message", fact=1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_comes_back(kind: type[FlecheRuntimeError]) -> None:
    """From JSON, from a pickle, and from the store, with its facts and its text."""
    error = sample(kind)
    with fleche.cache("memory"):
        app = App("errors")
        (invocation,) = [bound(tasks.add, app)(1)]
        app.state_backend.set_exception(invocation, error)
        stored = app.state_backend.get_exception(invocation)
    for back in (
        FlecheRuntimeError.from_json(kind.__name__, error.to_json()),
        pickle.loads(pickle.dumps(error)),
        stored,
    ):
        assert type(back) is kind
        facts = {name: value for name, value in vars(back).items() if name != "__notes__"}
        assert facts == vars(error)
        assert str(back) == str(error)
    with pytest.raises(kind):
        raise stored


def test_unknown_names_are_refused() -> None:
    """The class itself is known, an unknown name is not."""
    assert type(FlecheRuntimeError.from_json("FlecheRuntimeError", "{}")) is FlecheRuntimeError
    with pytest.raises(ValueError, match="'Nobody' is no error of the runtime"):
        FlecheRuntimeError.from_json("Nobody", "{}")
    with pytest.raises(ValueError, match="'TaskError'"):
        RetryError.from_json("TaskError", "{}")


def test_texts() -> None:
    """They name what they are about."""
    assert str(TaskError("m.f")) == "TaskError(m.f)"
    assert str(TaskError("m.f", "no")) == "TaskError(m.f): no"
    assert str(InvocationNotFoundError("i", "gone")) == "InvocationNotFoundError(i): gone"
    difference = sample(InvocationConcurrencyWithDifferentArgumentsError)
    assert str(difference) == "InvocationConcurrencyWithDifferentArgumentsError(m.f) no\nx: 1 -> 2"


def test_what_differs_is_shown() -> None:
    """What changed, was removed, was added, sorted by name."""
    with fleche.cache("memory"):
        app = App("difference")
        task = bound(tasks.everything, app)
        old = task._call(task.args(1, d=4, k=1)).call
        new = task._call(task.args(2, d=4, c=0)).call
        text = InvocationConcurrencyWithDifferentArgumentsError.format_difference(old, new)
    lines = text.splitlines()
    assert lines[:4] == [
        "Arguments differ for task fleche.testing.tasks.everything:",
        "Changed:",
        "  a: '1' -> '2'",
        "  c: '3' -> '0'",
    ]


def test_each_is_also_the_builtin_that_a_caller_would_catch() -> None:
    """And all are errors of fleche."""
    assert PynencError is FlecheRuntimeError
    assert issubclass(FlecheRuntimeError, FlecheError)
    assert issubclass(SerializationError, TypeError)
    assert issubclass(InvocationNotFoundError, KeyError)
    assert issubclass(exceptions.InvocationTimeoutError, TimeoutError)
    assert issubclass(exceptions.InvocationHasNoResultError, KeyError)
    assert issubclass(exceptions.ConfigError, fleche.errors.ConfigError)
