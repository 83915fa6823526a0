"""Every edge case of the reference system that memory and threads can meet has a test that names it.

Tests are told as ``where:name``: ``engine``, ``runtime`` and ``policy`` are the suites that every backend runs, any
other is a module beside this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest

from fleche.testing.engine_machine import EngineMachine
from fleche.testing.engines import EngineTests
from fleche.testing.runtimes import PolicyTests, RuntimeTests

SUITES = {"engine": EngineTests, "machine": EngineMachine, "policy": PolicyTests, "runtime": RuntimeTests}

SCENARIOS: dict[str, str] = {
    "execute": "runtime:test_a_call_is_run_elsewhere",
    "warm latency: nothing is waited for by looking again and again": (
        "runners:TestThreadRunner.test_a_waiting_parent_and_an_idle_runner_look_at_nothing"
    ),
    "retry": "runtime:test_a_retry_is_the_same_invocation",
    "running concurrency": "runtime:test_running_concurrency_holds",
    "parallelize": "runtime:test_a_group_gives_a_result_for_each_call",
    "exception": "runtime:test_what_a_task_raises_is_raised",
    "dependency": "runtime:test_a_chain_ends_on_one_slot",
    "single run": "runtime:test_a_call_is_run_elsewhere",
    "cycles": "runtime:test_calls_that_wait_for_each_other_are_refused backends:TestControls.test_cycle_control",
    "stop while running": "runners:TestThreadRunner.test_a_body_that_does_not_end_is_handed_back",
    "real SIGTERM to a runner process": "runners:test_a_signal_stops_a_process",
    "20 MB argument": "runtime:test_large_arguments_pass",
    "async tasks": (
        "runtime:test_coroutines_are_run runtime:test_what_a_coroutine_raises_is_raised "
        "runtime:test_a_group_gives_a_result_for_each_call"
    ),
    "direct_task": (
        "tasks:TestDirectTasks.test_they_return_results tasks:TestDirectTasks.test_they_are_split_and_put_together "
        "tasks:TestDirectTasks.test_workers_run_them"
    ),
    "recovery": (
        "policy:test_what_a_dead_runner_left_is_given_back policy:test_a_slow_start_of_a_living_worker_is_no_death "
        "runners:TestLife.test_it_gives_signs_of_life_and_recovers"
    ),
    "owner coherence": "runtime:test_whoever_owned_it_is_known",
    "tree of 3 levels": "runtime:test_a_tree_ends_on_one_slot",
    "app isolation": "runtime:test_apps_do_not_see_each_other client_data_store:test_apps_have_their_own",
    "a parallel run beats a serial one": "runtime:test_keys_have_slots_of_their_own",
    "a batch serializes its shared argument once": "runtime:test_common_arguments_are_serialized_once",
}

APPS: dict[str, str] = {
    "nested function, __main__ rejected": "tasks:TestMakingTasks.test_what_no_worker_can_import_is_refused",
    "unknown option": "tasks:TestMakingTasks.test_options_that_cannot_be_are_refused",
    "positional and keyword are the same": "tasks:TestCalls.test_however_a_call_is_spelled_it_is_the_same",
    "*args and **kwargs are captured": "calls:TestArguments.test_a_call_is_bound_with_defaults",
    "pickle of app, here and in a child": "tasks:TestApp.test_an_app_is_pickled_by_its_settings",
    "pickle of task": "tasks:TestFindingTasks.test_tasks_are_json",
    "two apps, one function": "tasks:TestFindingTasks.test_two_apps_do_not_share_tasks",
    "tasks are found again after pickling": (
        "tasks:TestFindingTasks.test_a_task_is_found_in_its_module "
        "tasks:TestFindingTasks.test_a_task_is_pickled_into_another_process"
    ),
    "every kind of parameter executes": "runtime:test_every_kind_of_parameter_is_passed_on",
    "defaults in batches": (
        "runtime:test_arguments_of_a_group_are_bound tasks:TestCalls.test_batches_and_single_calls_have_the_same_ids"
    ),
    "two functions of one module and name": (
        "namesakes:test_two_functions_of_one_name_are_told_with_both_places namesakes:test_a_module_can_be_reloaded"
    ),
    "mutable default args": (
        "tasks:TestCalls.test_a_mutable_default_is_fresh_each_time runtime:test_a_sentinel_default_is_the_same_object"
    ),
}

IDENTITY: dict[str, str] = {
    "order, delimiters, unicode, nothing": "calls:test_the_framing_is_injective calls:test_no_arguments_and_no_text",
    "golden vectors": "calls:test_golden_vectors",
    "one id for every form of a call": "calls:test_all_forms_of_a_call_have_one_id checklist:test_page_001",
    "insertion order": "calls:TestArguments.test_identity_is_that_of_content",
    "hash seeds of processes": (
        "hash_seeds:test_processes_agree_on_what_is_compared hash_seeds:test_processes_agree_on_the_id_of_a_text"
    ),
    "1, 1.0 and True are distinct": "calls:TestArguments.test_identity_is_that_of_content",
    "lone surrogates": "runtime:test_values_come_back_as_they_were",
    "args crossing the size threshold": "runtime:test_the_size_of_an_argument_does_not_change_its_call",
    "from_key(key) == id": "calls:test_ids_come_back_from_their_keys",
}

DATA: dict[str, str] = {
    "small inline, large stored once": "client_data_store:test_equal_texts_are_stored_once",
    "key format": "client_data_store:test_references",
    "pass-through, nested references": "client_data_store:test_a_reference_is_passed_on",
    "purge": "client_data_store:test_purging_forgets_everything",
    "exact boundaries": "client_data_store:test_the_lower_boundary client_data_store:test_the_upper_boundary",
    "disabled": "client_data_store:test_it_can_be_switched_off",
    "20 MB": "client_data_store:test_twenty_megabytes",
    "capacity 0 and 1": "client_data_store:test_the_capacity_is_strict",
    "refresh evicts nobody": "client_data_store:test_refreshing_what_is_remembered_evicts_nothing",
    "text that looks like a reference": "client_data_store:test_a_reference_is_passed_on",
    "mutation stays local": "client_data_store:test_nothing_is_shared runtime:test_values_come_back_as_they_were",
    "concurrent store and resolve": "client_data_store:test_many_threads",
    "purge while others hold references": "runtime:test_purging_what_an_invocation_refers_to",
    "missing reference": "client_data_store:test_purging_forgets_everything",
}

SERIALIZERS: dict[str, str] = {
    "plain values": "serializers:test_plain_values_come_back",
    "enum kinds, half protocols, nested names": (
        "serializers:test_enums_and_objects_that_know_their_json serializers:TestJson.test_what_it_does_not_take"
    ),
    "exceptions": (
        "serializers:TestExceptions.test_they_come_back serializers:TestExceptions.test_causes_come_back "
        "serializers:TestExceptions.test_what_cannot_be_built_is_told_of serializers:TestJson.test_builtin_exceptions "
        "serializers:TestJson.test_other_exceptions"
    ),
    "NaN, bytes, datetime, tuple, int keys, depth, cycles": (
        "serializers:test_types_come_back_whole serializers:TestJson.test_losses_are_those_of_json "
        "runtime:test_deep_and_circular_values_pass runtime:test_a_value_that_no_recursion_reaches_is_named"
    ),
    "user dict with a reserved key": "serializers:TestJson.test_dicts_that_look_like_envelopes_are_data",
    "every subclass round-trips": "exceptions:test_every_error_comes_back",
    "diff text": "exceptions:test_what_differs_is_shown",
    "unknown name": "exceptions:test_unknown_names_are_refused",
}

STATUSES: dict[str, str] = {
    "full matrix": "status:test_what_may_follow_what status:test_ownership",
    "final is final": "status:test_what_may_follow_what status:test_every_status_can_be_reached_and_left",
    "recovery bypass, same owner": "engine:test_only_the_owner_moves_it_on",
    "one PENDING winner among threads": (
        "engine:test_one_claim_of_many_at_once_gets_it policy:test_one_of_many_gets_it"
    ),
    "no illegal neighbours": "machine:agrees",
    "record JSON": "status:test_records_are_plain_data",
}

ROUTING: dict[str, str] = {
    "new each time": "runtime:test_an_effect_is_run_each_time",
    "modes, diff_arg, raise or not": "runtime:test_registration_joins_what_waits",
    "equal values are no difference": "runtime:test_equal_arguments_of_other_texts_are_no_difference",
    "reuse only while REGISTERED": "runtime:test_registration_does_not_join_what_was_picked",
    "missing or empty key_arguments": "tasks:TestMakingTasks.test_options_that_cannot_be_are_refused",
    "N identical at once": (
        "runtime:test_equal_calls_at_once_are_one_invocation engine:test_one_of_many_equal_calls_at_once_is_registered"
    ),
    "batch with registration concurrency": "policy:test_batches_need_registration_concurrency_off",
    "parent vanished": "runtime:test_a_parent_that_was_forgotten_costs_its_child_nothing",
}

RUNNING: dict[str, str] = {
    "never overlaps for TASK": "runtime:test_running_concurrency_holds engine:test_a_slot_holds_under_races",
    "KEYS only same key": "runtime:test_keys_have_slots_of_their_own",
    "FINAL, without a result": "runtime:test_without_waiting_what_finds_no_slot_ends",
    "parallelize": "runtime:test_running_concurrency_holds",
    "made by hand": "runtime:test_what_is_made_by_hand_keeps_the_limits",
    "two runners racing": "runtime:test_running_concurrency_holds_among_runners",
    "RETRY and REROUTED meet the gate": "engine:test_one_that_comes_again_waits_for_a_slot_like_any_other",
    "holder dies": "engine:test_whoever_gives_up_frees_the_slot",
    "PAUSED and RESUMED count": "engine:test_one_that_is_paused_keeps_its_slot",
    "many blocked ones do not spin": (
        "engine:test_what_waits_for_a_slot_is_not_looked_at_again "
        "runtime:test_many_that_wait_for_a_slot_keep_nobody_busy"
    ),
}

PICKING: dict[str, str] = {
    "never more than max": "policy:test_never_more_than_asked_for",
    "one winner": "engine:test_one_claim_of_many_at_once_gets_it",
    "blockers first": "engine:test_those_that_others_wait_for_come_first",
    "duplicates, stale, purged ids": "engine:test_what_came_to_the_queue_twice_is_claimed_once",
    "pop, then crash": "policy:test_a_slow_start_of_a_living_worker_is_no_death",
    "an error for one does not stop the runner": (
        "tasks:TestFindingTasks.test_an_invocation_of_a_task_that_is_gone_ends "
        "runtime:test_a_setting_that_is_wrong_ends_the_invocation "
        "runners:TestThreadRunner.test_a_failing_engine_does_not_end_the_runner"
    ),
}

WAITING: dict[str, str] = {
    "chain order, oldest first": "engine:test_a_chain_yields_its_end engine:test_those_that_others_wait_for_come_first",
    "release, limit, circles": (
        "backends:TestControls.test_blocking_control engine:test_a_circle_is_refused_and_named"
    ),
    "disabled": "engine:test_blockers_can_be_switched_off backends:TestControls.test_cycle_control_can_be_switched_off",
    "waiter dies": "engine:test_who_is_given_back_waits_for_nothing",
    "deeper than the pool": "runtime:test_a_chain_ends_on_one_slot",
    "slots that waiters hold": (
        "engine:test_a_slot_that_is_held_by_who_waits_closes_a_circle "
        "engine:test_slots_that_are_all_held_by_who_waits_close_a_circle "
        "runtime:test_a_parent_that_holds_the_slot_of_its_child_is_told"
    ),
    "fan-out of fan-out": "runtime:test_a_tree_ends_on_one_slot",
    "self call, 2-cycle": "runtime:test_calls_that_wait_for_each_other_are_refused",
    "3-cycle, cleanup": "engine:test_calls_that_make_each_other_are_found backends:TestControls.test_cycle_control",
    "async cycles, dedupe that waits on itself": "runtime:test_whatever_joins_a_call_to_itself_is_refused",
    "recursion with other arguments": "runtime:test_a_chain_ends_on_one_slot",
    "siblings with equal arguments, sharing a call": "runtime:test_siblings_that_share_a_call_are_no_circle",
}

PURGING: dict[str, str] = {
    "24 h keeps, 0 h purges": (
        "policy:test_what_ended_long_ago_is_forgotten runtime:test_what_ended_long_ago_is_forgotten"
    ),
    "pending expires after the limit": "policy:test_who_looks_gives_back_what_was_not_started",
    "nothing is left": (
        "engine:test_purging_forgets_what_ended_before engine:test_clearing_forgets_everything "
        "memory_engine:test_purging_leaves_nothing_behind"
    ),
    "purge while it runs": "runtime:test_purging_while_a_body_runs",
    "slow start of a living worker": "policy:test_a_slow_start_of_a_living_worker_is_no_death",
    "clock skew": (
        "engine:test_a_clock_that_is_set_back_makes_nobody_dead "
        "engine:test_a_claim_from_the_future_is_found_when_its_time_has_come "
        "engine:test_a_clock_that_is_set_forward_is_forgiven_at_the_next_sign_of_life"
    ),
}

HEARTBEATS: dict[str, str] = {
    "timeouts, mixed": "engine:test_what_nobody_moves_on_is_found policy:test_what_a_dead_runner_left_is_given_back",
    "order, eligibility": ("engine:test_signs_of_life_keep_the_order runners:TestLife.test_the_oldest_runner_recovers"),
    "revived zombie": (
        "engine:test_an_old_attempt_is_refused_with_its_result policy:test_who_comes_back_from_the_dead_is_refused "
        "policy:test_who_was_recovered_in_vain_is_told"
    ),
    "recovery of recovery": (
        "engine:test_a_recovery_that_was_cut_in_two_is_found policy:test_two_that_recover_at_once_count_one_death"
    ),
    "recovery interrupted midway": (
        "policy:test_a_recovery_that_dies_midway_strands_nothing "
        "policy:test_one_that_cannot_be_recovered_does_not_hinder_others"
    ),
    "poison task": "policy:test_a_task_that_kills_its_workers_is_given_up",
}

BACKENDS: dict[str, str] = {
    "results, exceptions, missing": "policy:test_results_and_exceptions",
    "ordered history": "policy:test_histories engine:test_histories_can_be_added_to",
    "empty args": "calls:test_no_arguments_and_no_text",
    "idempotent upsert": "engine:test_registering_again_changes_nothing policy:test_invocations",
    "null status JSON": "backends:TestHistory.test_no_status_and_no_zone",
    "equal timestamps": "engine:test_equal_times_keep_the_order",
    "a lost or foreign result": (
        "policy:test_a_result_that_the_cache_lost backends:TestStateBackend.test_a_result_in_another_cache"
    ),
}

RUNNERS: dict[str, str] = {
    "hooks once": "runners:TestLife.test_hooks_are_called_once",
    "KeyboardInterrupt, exceptions": "runners:TestLife.test_what_goes_wrong_is_raised_after_the_stop",
    "dummy": "runners:TestDummyRunner.test_it_refuses_to_run",
    "SIGTERM reroutes": "runners:test_a_signal_stops_a_process",
    "shutdown before start": "runners:TestLife.test_it_can_be_stopped_before_it_runs",
    "a worker thread that fails": "runners:TestThreadRunner.test_a_failing_engine_does_not_end_the_runner",
    "threads that cannot be started": "runners:TestThreadRunner.test_many_threads_that_cannot_be_started",
    "second signal during cleanup": "runners:test_a_second_signal_changes_nothing",
    "sys.exit, BaseException": (
        "runtime:test_leaving_the_process_ends_the_invocation_only runtime:test_no_exception_ends_a_worker"
    ),
    "forking": "runtime:test_a_fork_that_returns_from_a_body_is_no_second_worker",
    "idle CPU": "runners:TestThreadRunner.test_a_waiting_parent_and_an_idle_runner_look_at_nothing",
    "nested event loops": "runtime:test_event_loops_nest tasks:test_an_async_body_that_blocks_lets_async_ones_run",
}

CONFIG: dict[str, str] = {
    "precedence": "config:test_precedence_from_weakest_to_strongest",
    "general and specific, parent and child": "config:test_what_is_said_to_a_child_beats_what_is_said_to_its_parent",
    "multi-inheritance": "config:test_fields_of_two_parents_conflict_at_any_level",
    "isolation": "config:test_each_object_has_its_own_values",
    "mapper errors": "config:test_values_of_other_types_are_refused config:test_variables_that_are_wrong_are_named",
    "exception strings": "config:TestTaskSettings.test_what_is_no_exception_is_refused",
    "bool, tuple from variables": (
        "config:test_values_become_the_type_of_their_field config:TestTaskSettings.test_text_is_parsed"
    ),
    "unknown keys": "config:test_unknown_keys_are_reported config:test_unknown_keys_at_the_top_are_told_of",
    "decorator, file, variable": "config:TestTaskSettings.test_options_beat_files_and_variables_beat_options",
}

DIRECT: dict[str, str] = {
    "sync, async": "tasks:TestDirectTasks.test_they_return_results tasks:TestDirectTasks.test_workers_run_them",
    "parallel, common, missing aggregator": "tasks:TestDirectTasks.test_they_are_split_and_put_together",
    "runs though nobody asks": "tasks:TestDevelopmentMode.test_the_body_runs_at_once",
    "failure not re-executed": "tasks:TestDevelopmentMode.test_a_failure_is_kept",
    "nested, async, groups": "tasks:TestDevelopmentMode.test_nested_async_and_parallel",
}

LATER = {
    "processes": "SIGKILL, 20 process workers, tiny tasks on processes, dead workers, killing itself, memory, respawn",
    "triggers": "triggers, and the windows of their atomic service",
    "workflows": "data, replay, identity, execute_task, workflow data of the state backend",
    "cli and monitor": "commands, pages, ranges of time",
}
"""What has no place in memory and on threads, by the part that brings it."""

CASES = {
    f"{section}: {case}": told
    for section, cases in {
        "scenarios": SCENARIOS,
        "apps": APPS,
        "identity": IDENTITY,
        "data": DATA,
        "serializers": SERIALIZERS,
        "statuses": STATUSES,
        "routing": ROUTING,
        "running concurrency": RUNNING,
        "picking": PICKING,
        "waiting": WAITING,
        "purging": PURGING,
        "heartbeats": HEARTBEATS,
        "backends": BACKENDS,
        "runners": RUNNERS,
        "config": CONFIG,
        "direct tasks": DIRECT,
    }.items()
    for case, told in cases.items()
}


def lost(told: str) -> Iterator[str]:
    """Yield the tests that are not where they are said to be."""
    for each in told.split():
        where, _, name = each.partition(":")
        found: object = SUITES.get(where) or import_module(f"tests.runtime.test_{where}")
        for part in name.split("."):
            found = getattr(found, part, None)
        if not callable(found):
            yield each


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_a_test(case: str) -> None:
    """Which exists."""
    assert CASES[case]
    assert list(lost(CASES[case])) == []


def test_a_test_that_is_gone_is_noticed() -> None:
    """The check above checks something."""
    assert list(lost("engine:test_nothing runners:TestLife.test_nothing")) != []
