"""Every symbol of the reference system that memory and threads need is at its place and does what its row says."""

from __future__ import annotations

import json
import pickle
from importlib import import_module
from typing import Any

import pytest

import fleche
from fleche.caches import Cache
from fleche.runtime import App, Arguments, Pynenc
from fleche.runtime.exceptions import (
    ConfigError,
    ConfigMultiInheritanceError,
    CycleDetectedError,
    FlecheRuntimeError,
    InvocationNotFoundError,
    RunnerNotExecutableError,
)
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.runner import DummyRunner, InlineRunner
from fleche.storage.memory import MemoryStore
from fleche.testing import tasks
from fleche.testing.tasks import bound

PLACES: dict[str, str] = {
    # page 000
    "client_data_store.base_client_data_store": "BaseClientDataStore _generate_key",
    # page 001
    "call": "compute_args_id Call LazyCall PreSerializedCall CallId CallDTO",
    # page 003
    "state_backend.base_state_backend": "InvocationHistory BaseStateBackend",
    # page 004: core
    "app": "Pynenc App",
    "arguments": "Arguments",
    "context": "current_invocation current_runner runner_args",
    "exceptions": (
        "PynencError AlreadyInitializedError ConfigError ConfigMultiInheritanceError CycleDetectedError "
        "InvalidTaskOptionsError InvocationConcurrencyWithDifferentArgumentsError InvocationError "
        "InvocationNotFoundError StateBackendError PendingInvocationLockError RetryError RunnerError "
        "RunnerNotExecutableError TaskError TaskRoutingError"
    ),
    "task": "Task",
    "types": "Params Result Func Args",
    # page 004: broker
    "broker.base_broker": "BaseBroker",
    "broker.mem_broker": "MemBroker",
    # page 004: configuration
    "conf.config_base": (
        "ConfigBase ConfigField avoid_multi_inheritance_field_conflict default_config_field_mapper "
        "get_config_fields get_env_key"
    ),
    "conf.config_broker": "ConfigBroker",
    "conf.config_orchestrator": "ConfigOrchestrator",
    "conf.config_pynenc": "ConfigPynenc",
    "conf.config_runner": "ConfigRunner ConfigThreadRunner",
    "conf.config_state_backend": "ConfigStateBackend",
    "conf.config_task": "ConfigTask",
    # page 004: invocations
    "invocation.base_invocation": "BaseInvocation BaseInvocationGroup",
    "invocation.dist_invocation": "DistributedInvocation DistributedInvocationGroup ReusedInvocation",
    "invocation.status": "InvocationStatus",
    "invocation.sync_invocation": (
        "SynchronousInvocation ConcurrentInvocation SynchronousInvocationGroup ConcurrentInvocationGroup"
    ),
    # page 004: orchestrator
    "orchestrator.base_orchestrator": "BaseOrchestrator BaseBlockingControl BaseCycleControl",
    "orchestrator.mem_orchestrator": "ArgPair MemBlockingControl MemCycleControl MemOrchestrator TaskInvocationCache",
    # page 004: runners
    "runner.base_runner": "BaseRunner DummyRunner",
    "runner.context": "ApplicationContext",
    "runner.thread_runner": "ThreadRunner",
    # page 004: serializers, backends, utilities
    "serializer.base_serializer": "BaseSerializer",
    "serializer.json_serializer": "DefaultJSONEncoder JsonSerializer ReservedKeys",
    "serializer.pickle_serializer": "PickleSerializer",
    "state_backend.mem_state_backend": "MemStateBackend",
    "util.files": "load_config_from_toml load_file",
    "util.log": "create_logger TaskLoggerAdapter RunnerLogAdapter",
    "util.subclasses": "get_all_subclasses get_subclass",
}

MEMBERS: dict[str, str] = {
    "client_data_store.base_client_data_store:BaseClientDataStore": (
        "serialize_arguments deserialize_arguments serialize resolve deserialize is_reference _maybe_store "
        "_resolve_reference _cache_deserialized _store _retrieve _purge purge"
    ),
    "call:Call": (
        "app arguments serialized_arguments call_id to_dto serialized_args_for_concurrency_control to_json from_json "
        "deserialize_arguments serialized_args_for_concurrency_check"
    ),
    "call:LazyCall": "from_dto arguments",
    "call:PreSerializedCall": "serialized_arguments",
    "state_backend.base_state_backend:InvocationHistory": "timestamp to_json from_json",
    "state_backend.base_state_backend:BaseStateBackend": (
        "wait_for_all_async_operations wait_for_invocation_async_operations purge _upsert_invocation _get_invocation "
        "_add_history _get_history _get_result _set_result _get_exception _set_exception upsert_invocation "
        "get_invocation add_history get_history set_result get_result set_exception get_exception"
    ),
    "app:Pynenc": (
        "app_id conf logger broker orchestrator runner serializer state_backend is_initialized purge task "
        "client_data_store get_task direct_task"
    ),
    "arguments:Arguments": "from_call args_id",
    "exceptions:PynencError": "to_json from_json",
    "exceptions:CycleDetectedError": "from_cycle",
    "exceptions:InvocationConcurrencyWithDifferentArgumentsError": "from_call_mismatch format_difference",
    "task:Task": ("args conf invocation retriable_exceptions validate_options to_json from_json parallelize from_id"),
    "broker.base_broker:BaseBroker": "route_call route_invocation retrieve_invocation purge",
    "conf.config_base:ConfigBase": (
        "all_fields config_fields get_config_id init_config_values init_parent_values init_config_value_from_mapping "
        "init_config_value_key_from_mapping init_config_value_from_env_vars"
    ),
    "invocation.base_invocation:BaseInvocation": (
        "app task call_id arguments serialized_arguments status result num_retries to_json from_json"
    ),
    "invocation.base_invocation:BaseInvocationGroup": "app results __iter__",
    "invocation.dist_invocation:DistributedInvocation": (
        "parent_invocation run result get_final_result status num_retries to_json from_json"
    ),
    "invocation.dist_invocation:ReusedInvocation": "from_existing",
    "invocation.status:InvocationStatus": "is_available_for_run is_final",
    "orchestrator.base_orchestrator:BaseBlockingControl": (
        "waiting_for_results release_waiters get_blocking_invocations"
    ),
    "orchestrator.base_orchestrator:BaseCycleControl": "add_call_and_check_cycles clean_up_invocation_cycles",
    "orchestrator.mem_orchestrator:MemCycleControl": "find_cycle_caused_by_new_invocation",
    "orchestrator.base_orchestrator:BaseOrchestrator": (
        "route_call get_existing_invocations get_invocations_to_run get_blocking_invocations_to_run "
        "get_additional_invocations_to_run get_blocking_invocations release_waiters waiting_for_results "
        "add_call_and_check_cycles clean_up_invocation_cycles is_authorize_to_run_by_concurrency_control "
        "reroute_invocations set_invocation_status set_invocations_status set_invocation_run set_invocation_result "
        "set_invocation_exception set_invocation_retry get_invocation_status get_invocation_retries "
        "increment_invocation_retries auto_purge set_up_invocation_auto_purge purge"
    ),
    "orchestrator.mem_orchestrator:TaskInvocationCache": (
        "set_status get_status set_pending_status clean_pending_status get_invocations get_retries increase_retries "
        "set_up_invocation_auto_purge auto_purge clean_up_invocation"
    ),
    "runner.base_runner:BaseRunner": (
        "run on_start on_stop stop_runner_loop runner_loop_iteration waiting_for_results max_parallel_slots "
        "mem_compatible _on_start _on_stop _on_stop_runner_loop"
    ),
    "serializer.base_serializer:BaseSerializer": "serialize deserialize",
    "serializer.json_serializer:DefaultJSONEncoder": "default",
    "serializer.json_serializer:ReservedKeys": "ERROR CLIENT_DATA JSON_SERIALIZABLE ENUM CLIENT_EXCEPTION",
    "util.log:TaskLoggerAdapter": "process set_context",
    "util.log:RunnerLogAdapter": "process",
}


def _at(place: str) -> Any:
    return import_module(f"fleche.runtime.{place}")


@pytest.fixture
def app() -> Any:
    store = MemoryStore()
    with fleche.cache(Cache(store.values, store.calls)):
        yield App("checklist")


@pytest.mark.parametrize("place", PLACES)
def test_symbols_are_at_their_places(place: str) -> None:
    """Each module has what its page lists."""
    missing = [name for name in PLACES[place].split() if not hasattr(_at(place), name)]
    assert missing == []


@pytest.mark.parametrize("place", MEMBERS)
def test_members_are_there(place: str) -> None:
    """Each class has what its row lists."""
    module, _, name = place.partition(":")
    missing = [member for member in MEMBERS[place].split() if not hasattr(getattr(_at(module), name), member)]
    assert missing == []


def test_page_000(app: App) -> None:
    """The store: its settings, its reference, what is passed on and what comes back."""
    store, reference = app.client_data_store, _at("client_data_store.base_client_data_store")._generate_key
    assert store.conf.min_size_to_cache == 1024
    assert reference("abc").endswith(":ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    sent = store.serialize_arguments({"big": "x" * 5000, "whole": "y" * 5000, "small": 1}, ("whole",))
    assert [store.is_reference(sent[name]) for name in ("big", "whole", "small")] == [True, False, False]
    assert store.deserialize_arguments(sent) == {"big": "x" * 5000, "whole": "y" * 5000, "small": 1}
    assert store.serialize(sent["big"]) == sent["big"]
    assert store.resolve(store.serialize(reference("nowhere"))) == reference("nowhere")
    with pytest.warns(DeprecationWarning, match="called resolve"):
        assert store.deserialize(sent["small"]) == 1
    store.purge()
    with pytest.raises(KeyError):
        store.resolve(sent["big"])


def test_page_001(app: App) -> None:
    """Calls: one id in every form; what travels is a record."""
    call = _at("call")
    one = call.Call(bound(tasks.add, app), Arguments({"x": 1, "y": 2}))
    dto = pickle.loads(pickle.dumps(one.to_dto()))
    lazy = call.LazyCall.from_dto(app, dto)
    batch = call.PreSerializedCall(one.task, {"y": 2}, {"y": one.serialized_arguments["y"]}, {"x": 1})
    assert one == lazy == batch
    assert len({hash(each) for each in (one, lazy, batch)}) == 1
    assert call.CallId.from_key(one.call_id.key) == one.call_id
    assert one.serialized_args_for_concurrency_control("task") is None
    with pytest.raises(NotImplementedError):
        batch.serialized_args_for_concurrency_control("keys")


def test_page_003(app: App) -> None:
    """Histories are plain data; results and exceptions come back; what is not there has a named error."""
    backend = app.state_backend
    invocation = bound(tasks.note, app)("checklist", 1)
    line = invocation.history[0]
    assert set(line.to_json()) == {"invocation_id", "_timestamp", "status", "execution_context"}
    assert type(line).from_json(json.loads(json.dumps(line.to_json()))).timestamp == line.timestamp
    with pytest.raises(KeyError):
        backend.get_result(invocation)
    backend.set_result(invocation, [1])
    assert backend.get_result(invocation) == [1]
    with pytest.raises(InvocationNotFoundError):
        backend.get_invocation("nowhere")
    assert backend.get_history("nowhere") == []
    backend.wait_for_invocation_async_operations("nowhere")


def test_page_004_core(app: App) -> None:
    """The app and its parts, its names, and its errors."""
    assert Pynenc is App
    assert _at("exceptions").PynencError is FlecheRuntimeError
    fresh = App("fresh")
    assert not fresh.is_initialized("broker")
    for part in ("broker", "orchestrator", "state_backend", "serializer", "runner"):
        assert getattr(fresh, part) is getattr(fresh, part)
        assert fresh.is_initialized(part)
    runner = DummyRunner(fresh)
    assert fresh.runner is runner
    with pytest.raises(RunnerNotExecutableError):
        runner.run()
    with pytest.raises(ValueError, match="no error of the runtime"):
        FlecheRuntimeError.from_json("Nothing", "{}")
    call = _at("call").Call(bound(tasks.add, app), Arguments({"x": 1, "y": 2}))
    assert str(call.task.task_id) == "fleche.testing.tasks.add"
    assert str(CycleDetectedError.from_cycle([call])).startswith("A cycle was detected: Cycle detected:\n- fleche.")


def test_page_004_configuration() -> None:
    """Defaults of the rows, and two errors that name what is wrong."""
    conf = _at("conf.config_orchestrator").ConfigOrchestrator()
    assert (conf.cycle_control, conf.blocking_control, conf.auto_final_invocation_purge_hours) == (True, True, 24.0)
    assert issubclass(ConfigMultiInheritanceError, ConfigError)
    for name in ("broker", "orchestrator", "pynenc", "runner", "state_backend"):
        module = _at(f"conf.config_{name}")
        kind = getattr(module, "Config" + "".join(part.title() for part in name.split("_")))
        assert kind().all_fields is not None


def test_page_004_execution(app: App) -> None:
    """Broker, orchestrator, runner and invocation: first in, first out; one winner; a result; final for good."""
    assert app.broker.retrieve_invocation() is None
    task = bound(tasks.note, app)
    first, second = task("checklist run", 1), task("checklist run", 2)
    InlineRunner(app)
    taken = app.broker.retrieve_invocation()
    assert taken == first
    taken.run()
    assert (first.result, first.status) == (1, InvocationStatus.SUCCESS)
    assert list(app.orchestrator.get_invocations_to_run(5)) == [second]
    assert list(app.orchestrator.get_invocations_to_run(5)) == []
    app.orchestrator.reroute_invocations([second])
    assert second.result == 2
    assert [line.status for line in second.history].count(InvocationStatus.RUNNING) == 1
    app.purge()
    assert app.engine.count() == 0
