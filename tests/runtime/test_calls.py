"""Calls and their ids: golden vectors, equality, and the forms in which calls travel."""

from __future__ import annotations

import os
import pickle
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fleche
from fleche.runtime import App, Arguments
from fleche.runtime.call import Call, CallDTO, CallId, LazyCall, PreSerializedCall, compute_args_id
from fleche.runtime.exceptions import SerializationError
from fleche.runtime.identifiers import TaskId
from fleche.runtime.invocation.base_invocation import new_invocation_id
from fleche.testing import tasks
from fleche.testing.tasks import bound

GOLDEN = [
    ({"x": "1"}, "74bd45325b39f4414bdc7dbd391bb6dbccbb11bd8dd7790efa2dc29d2e62e340"),
    ({"b": "2", "a": "1"}, "1e5ef12f60039e169e9e08116b63519f6519aea7b31d4ef842e42deba3b13cce"),
    ({"key": "日本語"}, "af0249a20b3ccdfdcdfcd0a65211e6902ec1f8f2380176f0061f55f40bf4b5b8"),
    ({"a": "b;c=d"}, "66cba2aa067c168f70791a59fc2e6e99aea6a5b63fd19a810211a016c7ce46b8"),
    ({"a": "b", "c": "d"}, "d696518060685a7fe74f7edb9fb0ceff95237f9e6be1648bbba3e367773ab6ee"),
    ({"é": "\\"}, "ca9d355beaff887ed66b4f1c32d80498a5f8de8a54b408a8bdb0be5ef0bbff4d"),
    ({"a": "😀"}, "15d5c70c66ee294b063843f9bb3f8bdab5f8a43a6b1db4f234042cdd911d48c5"),
    ({"q": 'say "hi"\n'}, "9791baf23d9b76e0d982e7d3557c189c48b950577b572a889ba4b82216e38ada"),
    ({"z": ""}, "eb7af0fdb6a2a3af90fafbad619b3780b88d12ac717de9857832e6749ec3e669"),
    ({"": ""}, "bdb78e014c5efcec6ebc46c92ca513156c963726da544da15a99bd2c44c29ad9"),
]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
mappings = st.dictionaries(texts, texts, max_size=4)


@pytest.fixture
def app() -> Any:
    with fleche.cache("memory"):
        yield App("calls")


@pytest.mark.parametrize(("texts", "expected"), GOLDEN)
def test_golden_vectors(texts: dict[str, str], expected: str) -> None:
    """The id of serialized arguments is byte-exact, whatever their order."""
    assert compute_args_id(texts) == expected
    assert compute_args_id(dict(reversed(texts.items()))) == expected


def test_no_arguments_and_no_text() -> None:
    """No arguments have a name of their own; what has no UTF-8 is refused."""
    assert compute_args_id({}) == "no_args"
    with pytest.raises(SerializationError, match="no UTF-8"):
        compute_args_id({"a": "\ud800"})


@given(mappings, mappings)
def test_the_framing_is_injective(one: dict[str, str], other: dict[str, str]) -> None:
    """Different arguments have different ids."""
    assert (compute_args_id(one) == compute_args_id(other)) is (one == other)


@given(st.lists(st.from_regex(r"[a-zA-Z_.:]+", fullmatch=True), min_size=1), st.text(min_size=1))
def test_ids_come_back_from_their_keys(parts: list[str], args_id: str) -> None:
    """Whatever dots and colons are in them."""
    task = TaskId(".".join(parts).strip(".") or "m", "f")
    assert TaskId.from_key(task.key) == task
    call = CallId(task, args_id.replace(":", ""))
    if call.args_id:
        assert CallId.from_key(str(call)) == call


@pytest.mark.parametrize("key", ["", "f", ".f", "m."])
def test_bad_keys_are_refused(key: str) -> None:
    """With what a key is made of."""
    with pytest.raises(ValueError, match="is no key of a task"):
        TaskId.from_key(key)
    with pytest.raises(ValueError, match="no key of a"):
        CallId.from_key(key)


def test_all_forms_of_a_call_have_one_id(app: App) -> None:
    """As it is made, as it comes back, as one of a batch, and through a pickle."""
    task = bound(tasks.add, app)
    call = Call(task, Arguments({"x": [1, 2], "y": "z"}))
    lazy = LazyCall.from_dto(app, call.to_dto())
    common = app.client_data_store.serialize_arguments({"y": "z"})
    batch = PreSerializedCall(task, {"y": "z"}, common, {"x": [1, 2]})
    pickled = pickle.loads(pickle.dumps(call))
    told = Call.from_json(app, call.to_json())
    for other in (lazy, batch, pickled, told, pickle.loads(pickle.dumps(lazy))):
        assert other == call
        assert hash(other) == hash(call)
        assert other.call_id == call.call_id
        assert other.arg_keys == {"x", "y"}
        assert other.arguments == call.arguments
        assert other.serialized_arguments == call.serialized_arguments
    assert call != "something else"
    assert str(call) == "Call(task=fleche.testing.tasks.add, arguments={x, y})"
    assert pickle.loads(pickle.dumps(call.to_dto())) == call.to_dto()
    with pytest.raises(NotImplementedError):
        batch.serialized_args_for_concurrency_control("keys")


def test_a_lazy_call_reads_nothing_until_it_must(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids, names and texts are there; arguments are read once."""
    task = bound(tasks.add, app)
    dto = Call(task, Arguments({"x": "a" * 5000})).to_dto()
    assert app.client_data_store.is_reference(dto.serialized_arguments["x"])
    reads: list[str] = []
    resolve = app.client_data_store.resolve

    def count(text: str) -> Any:
        reads.append(text)
        return resolve(text)

    monkeypatch.setattr(app.client_data_store, "resolve", count)
    lazy = LazyCall.from_dto(app, dto)
    assert (lazy.call_id, lazy.args_id, lazy.arg_keys) == (dto.call_id, dto.call_id.args_id, {"x"})
    assert lazy == lazy
    assert reads == []
    assert lazy.arguments.kwargs == lazy.arguments.kwargs == {"x": "a" * 5000}
    assert len(reads) == 1


def test_what_concurrency_control_compares(app: App) -> None:
    """Nothing, all arguments, or the key arguments."""
    task = bound(tasks.add, app, registration_concurrency="keys", key_arguments=("y",))
    call = Call(task, Arguments({"x": 1, "y": 2}))
    assert call.serialized_args_for_concurrency_control("disabled") is None
    assert call.serialized_args_for_concurrency_control("task") is None
    assert call.serialized_args_for_concurrency_control("nonsense") is None
    assert call.serialized_args_for_concurrency_control("arguments") == {"x": "1", "y": "2"}
    assert call.serialized_args_for_concurrency_control("keys") == {"y": "2"}
    assert call.serialized_args_for_concurrency_check == {"y": "2"}
    with pytest.raises(KeyError):
        Call(task, Arguments({"x": 1})).serialized_args_for_concurrency_control("keys")


def test_dtos_are_frozen() -> None:
    """And hashed by the id of their call."""
    dto = CallDTO(CallId(TaskId("m", "f"), "a"), {"x": "1"})
    assert hash(dto) == hash(CallDTO(CallId(TaskId("m", "f"), "a"), {"x": "1"}))
    with pytest.raises(AttributeError):
        dto.call_id = None  # type: ignore[misc, assignment]


class TestArguments:
    """Arguments by name."""

    def test_a_call_is_bound_with_defaults(self) -> None:
        """However it is spelled."""

        def f(a: Any, /, b: Any = 2, *rest: Any, c: Any = 3, **more: Any) -> None: ...

        assert Arguments.from_call(f, 1).kwargs == {"a": 1, "b": 2, "rest": (), "c": 3, "more": {}}
        assert Arguments.from_call(f, 1, 5, 6, c=7, z=8).kwargs["rest"] == (6,)
        with pytest.raises(TypeError):
            Arguments.from_call(f)

    def test_identity_is_that_of_content(self) -> None:
        """Not of order, and not of type only."""
        assert Arguments().args_id == "no_args"
        one, other = Arguments({"a": {"x": 1, "y": 2}}), Arguments({"a": {"y": 2, "x": 1}})
        assert one == other
        assert hash(one) == hash(other)
        assert len({Arguments({"a": value}).args_id for value in (1, 1.0, True)}) == 3
        assert Arguments({"a": 1}) != Arguments({"b": 1})

    def test_they_are_shown_as_asked(self) -> None:
        """Whole, by name, cut, or not at all."""
        arguments = Arguments({"a": 1, "b": "x" * 50})
        assert Arguments().shown("full", 0) == "<no_args>"
        assert arguments.shown("hidden", 0) == "<arguments hidden>"
        assert arguments.shown("keys", 0) == "{a, b}"
        assert arguments.shown("full", 0) == f"{{a:1, b:{'x' * 50}}}"
        assert arguments.shown("truncated", 4) == "{a:1, b:xxxx...}"


def test_invocation_ids_are_random_uuids() -> None:
    """As text, and none twice."""
    ids = [new_invocation_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(str(uuid.UUID(each)) == each and uuid.UUID(each).version == 4 for each in ids)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of 3.12: other tests have left threads
def test_a_forked_process_has_ids_of_its_own() -> None:
    """Not those that its parent takes next."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writes, new_invocation_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writes)
    with os.fdopen(reads) as told:
        assert told.read() != new_invocation_id()
