"""Settings: where they come from, what beats what, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fleche.runtime import App
from fleche.runtime.conf import (
    ArgumentPrintMode,
    ConcurrencyControlType,
    ConfigBase,
    ConfigBroker,
    ConfigClientDataStore,
    ConfigField,
    ConfigOrchestrator,
    ConfigPynenc,
    ConfigRunner,
    ConfigStateBackend,
    ConfigTask,
    ConfigThreadRunner,
    avoid_multi_inheritance_field_conflict,
    default_config_field_mapper,
    get_config_fields,
    get_env_key,
)
from fleche.runtime.exceptions import ConfigError, ConfigMultiInheritanceError, RetryError
from fleche.runtime.identifiers import TaskId
from fleche.runtime.util.files import load_config_from_toml, load_file


class ConfigParent(ConfigBase):
    size = ConfigField(1)
    name = ConfigField("default")


class ConfigChild(ConfigParent):
    depth = ConfigField(2.0)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def toml(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_precedence_from_weakest_to_strongest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default, pyproject, the file given, the environment's files, values given, variables, assignment."""
    assert ConfigParent().size == 1
    toml(tmp_path / "pyproject.toml", "[tool.fleche.runtime]\nsize = 2\n")
    assert ConfigParent().size == 2
    given = toml(tmp_path / "given.toml", "size = 3\n")
    assert ConfigParent(config_filepath=given).size == 3
    monkeypatch.setenv("FLECHE__FILEPATH", toml(tmp_path / "env.toml", "[parent]\nsize = 4\n"))
    assert ConfigParent(config_filepath=given).size == 4
    monkeypatch.setenv("FLECHE__CONFIGPARENT__FILEPATH", toml(tmp_path / "own.toml", "size = 5\n"))
    assert ConfigParent(config_filepath=given).size == 5
    assert ConfigParent({"size": 6}, given).size == 6
    assert ConfigParent({"size": 6, "parent": {"size": 7}}, given).size == 7
    monkeypatch.setenv("FLECHE__SIZE", "8")
    assert ConfigParent({"size": 6}, given).size == 8
    monkeypatch.setenv("FLECHE__CONFIGPARENT__SIZE", "9")
    config = ConfigParent({"size": 6}, given)
    assert config.size == 9
    config.size = 10
    assert (config.size, ConfigParent().size) == (10, 9)


def test_what_is_said_to_a_child_beats_what_is_said_to_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the weakest source; and nothing said to a child reaches the parent."""
    monkeypatch.setenv("FLECHE__CONFIGPARENT__SIZE", "3")
    assert ConfigChild({"size": 2}).size == 3
    assert ConfigChild({"child": {"size": 5}}).size == 5
    assert ConfigChild({"parent": {"size": 5}}).size == 3
    monkeypatch.setenv("FLECHE__CONFIGCHILD__NAME", "child")
    assert (ConfigChild().name, ConfigParent().name) == ("child", "default")


def test_each_object_has_its_own_values() -> None:
    """And what was given is not changed."""
    given = {"size": 2, "child": {"depth": 3}}
    one, other = ConfigChild(given), ConfigChild()
    one.size = 9
    assert (other.size, ConfigChild.size, given) == (1, 1, {"size": 2, "child": {"depth": 3}})
    assert one.evolve(size=4).size == 4
    assert one.size == 9
    assert one.all_fields == ConfigChild.config_fields() == ["size", "name", "depth"]
    assert list(get_config_fields(ConfigChild)) == ["depth"]


def test_fields_of_two_parents_conflict_at_any_level() -> None:
    """It is said which field, and which classes."""

    class ConfigOther(ConfigBase):
        name = ConfigField("")

    class ConfigBoth(ConfigChild, ConfigOther): ...

    class ConfigBelow(ConfigBoth): ...

    for kind in (ConfigBoth, ConfigBelow):
        with pytest.raises(ConfigMultiInheritanceError, match=r"ConfigParent and ConfigOther define 'name'"):
            kind()
    seen: dict[str, set[str]] = {}
    assert avoid_multi_inheritance_field_conflict(ConfigChild, seen) == {"size": "ConfigParent", "name": "ConfigParent"}
    assert seen == {"ConfigParent": {"size", "name"}}


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        *((text, bool, True) for text in ("1", "true", "True", "yes", "on", 1)),
        *((text, bool, False) for text in ("0", "false", "False", "no", "off", "", 0)),
        ("5", int, 5),
        (5.0, int, 5),
        ("2.5", float, 2.5),
        (2, float, 2.0),
        ("a, b,c", tuple, ("a", "b", "c")),
        ("abc", tuple, ("abc",)),
        (["a"], tuple, ("a",)),
        ("a,b", set, {"a", "b"}),
        (3, str, "3"),
    ],
)
def test_values_become_the_type_of_their_field(text: Any, kind: type, expected: Any) -> None:
    """Text from the environment too."""
    assert default_config_field_mapper(text, kind) == expected
    assert type(default_config_field_mapper(text, kind)) is kind


@pytest.mark.parametrize(("value", "kind"), [("x", int), ("maybe", bool), (None, str), (2.5, int), (object(), float)])
def test_values_of_other_types_are_refused(value: Any, kind: type) -> None:
    """With the name of the field and where it was said."""
    with pytest.raises(TypeError, match="Invalid type"):
        default_config_field_mapper(value, kind)
    with pytest.raises(TypeError, match=r"config_values, parent: ConfigParent.size: Invalid type: 'x' is no int"):
        ConfigParent({"size": "x"})


def test_variables_that_are_wrong_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their own name."""
    monkeypatch.setenv("FLECHE__SIZE", "big")
    with pytest.raises(TypeError, match=r"FLECHE__SIZE: ConfigParent\.size"):
        ConfigParent()


def test_unknown_keys_are_reported(tmp_path: Path) -> None:
    """With the file, the section, and the nearest name."""
    path = toml(tmp_path / "c.toml", "[orchestrator]\ncycle_controll = true\n")
    with pytest.raises(
        ConfigError, match=r"c\.toml.*section 'orchestrator'.*'cycle_controll'; did you mean 'cycle_control'"
    ):
        ConfigOrchestrator(config_filepath=path)
    with pytest.raises(ConfigError, match="known are"):
        ConfigBroker({"broker": {"zzz": 1}})


def test_unknown_keys_at_the_top_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """With the nearest name; they may be meant for a class that is imported later."""
    app = App("told", {"runer_cls": "ThreadRunner", "threadrunner": {"max_threads": 1}, "max_retries": 1})
    assert app.conf.runner_cls == "DummyRunner"
    assert [record.getMessage() for record in caplog.records] == [
        "config_values: there is no setting or section 'runer_cls'; did you mean 'runner_cls'?"
    ]


def test_unknown_keys_of_files_and_variables_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By file, and by the name of the variable; those of one task, or of a file, are known."""
    toml(tmp_path / "pyproject.toml", "[tool.fleche.runtime]\nmax_thread = 2\ntask.timeout = 1\n")
    for name in ("MAX_RETRYS", "CONFIGTASK__A#B__PRIORITY", "MAX_RETRIES"):
        monkeypatch.setenv(f"FLECHE__{name}", "3")
    monkeypatch.setenv("FLECHE_MAX_THREADS", "3")
    path = toml(tmp_path / "more.toml", "zzz = 1\n")
    monkeypatch.setenv("FLECHE__CONFIGPYNENC__FILEPATH", str(path))
    assert App("told").conf.app_id == "fleche"
    assert [record.getMessage() for record in caplog.records] == [
        "pyproject.toml: there is no setting or section 'max_thread'; did you mean 'max_threads'?",
        f"FLECHE__CONFIGPYNENC__FILEPATH={path}: there is no setting or section 'zzz'",
        "environment: there is no setting FLECHE_MAX_THREADS; did you mean 'FLECHE__MAX_THREADS'?",
        "environment: there is no setting FLECHE__MAX_RETRYS; did you mean 'FLECHE__MAX_RETRIES'?",
    ]


def test_names_of_variables_and_sections() -> None:
    """As they are documented."""
    assert get_env_key("max_retries") == "FLECHE__MAX_RETRIES"
    assert get_env_key("max_retries", ConfigTask) == "FLECHE__CONFIGTASK__MAX_RETRIES"
    assert ConfigBase.get_config_id(ConfigClientDataStore) == "clientdatastore"
    assert ConfigBase.get_config_id(ConfigThreadRunner) == "threadrunner"


def test_files_of_every_kind(tmp_path: Path) -> None:
    """TOML, JSON; of a pyproject only our table; others are refused."""
    assert load_file(toml(tmp_path / "a.toml", "size = 2")) == {"size": 2}
    assert load_file(toml(tmp_path / "a.json", '{"size": 2}')) == {"size": 2}
    project = toml(tmp_path / "pyproject.toml", "[tool.fleche.runtime]\nsize = 2\n[tool.other]\nsize = 3\n")
    assert load_config_from_toml(project) == load_file(project) == {"size": 2}
    assert load_config_from_toml(toml(tmp_path / "pyproject.toml", "")) == {}
    with pytest.raises(ValueError, match=r"\.toml, \.json, \.yaml or \.yml"):
        load_file("settings.ini")
    for name, text in (("b.toml", "=="), ("b.json", "{"), ("c.json", "[]")):
        with pytest.raises(ConfigError, match=name):
            load_file(toml(tmp_path / name, text))


def test_yaml(tmp_path: Path) -> None:
    """Where its package is installed; else it says what is missing."""
    path = toml(tmp_path / "a.yaml", "size: 2\n")
    try:
        import yaml  # type: ignore[import-untyped]  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(ConfigError, match="needs the package pyyaml"):
            load_file(path)
    else:
        assert load_file(path) == {"size": 2}


def test_defaults() -> None:
    """Those that are documented."""
    app, store, orchestrator = ConfigPynenc(), ConfigClientDataStore(), ConfigOrchestrator()
    assert (app.app_id, app.orchestrator_cls, app.broker_cls) == ("fleche", "MemOrchestrator", "MemBroker")
    assert (app.max_pending_seconds, app.cached_status_time, app.logging_level) == (5.0, 0.1, "info")
    assert app.argument_print_mode is ArgumentPrintMode.TRUNCATED
    assert app.truncate_arguments_length == 32
    assert (store.min_size_to_cache, store.max_size_to_cache, store.local_cache_size) == (1024, 0, 1024)
    assert store.warn_threshold == 10_485_760
    assert (orchestrator.cycle_control, orchestrator.blocking_control) == (True, True)
    assert orchestrator.auto_final_invocation_purge_hours == 24.0
    assert ConfigRunner().min_parallel_slots == 1
    assert (ConfigThreadRunner().min_threads, ConfigThreadRunner().max_threads) == (1, 0)
    assert ConfigStateBackend().config_fields() == []


class TestTaskSettings:
    """Options of tasks, and what beats them."""

    task_id = TaskId("pkg.study", "train")

    def test_options_beat_files_and_variables_beat_options(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The most specific last."""
        path = toml(tmp_path / "c.toml", '[task]\nmax_retries = 10\n[task."pkg.study.train"]\nmax_retries = 5\n')
        assert ConfigTask(self.task_id, None, path).max_retries == 5
        assert ConfigTask(TaskId("pkg", "other"), None, path).max_retries == 10
        assert ConfigTask(self.task_id, None, path, {"max_retries": 7}).max_retries == 7
        monkeypatch.setenv("FLECHE__CONFIGTASK__MAX_RETRIES", "8")
        assert ConfigTask(self.task_id, None, path, {"max_retries": 7}).max_retries == 8
        monkeypatch.setenv("FLECHE__CONFIGTASK__PKG.STUDY#TRAIN__MAX_RETRIES", "9")
        assert ConfigTask(self.task_id, None, path, {"max_retries": 7}).max_retries == 9
        assert ConfigTask(TaskId("pkg", "other")).max_retries == 8
        monkeypatch.setenv("FLECHE__CONFIGTASK__PKG#STUDY#TRAIN__MAX_RETRIES", "11")
        assert ConfigTask(self.task_id).max_retries == 11

    def test_text_is_parsed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Bools, names, modes, exceptions."""
        for name, text in {
            "effect": "no",
            "key_arguments": "a,b",
            "running_concurrency": "keys",
            "retry_for": "ValueError, fleche.runtime.exceptions.RunnerError",
        }.items():
            monkeypatch.setenv(get_env_key(name, ConfigTask), text)
        conf = ConfigTask(self.task_id)
        assert conf.effect is False
        assert conf.key_arguments == ("a", "b")
        assert conf.running_concurrency is ConcurrencyControlType.KEYS
        assert [kind.__name__ for kind in conf.retry_for] == ["ValueError", "RunnerError"]

    @pytest.mark.parametrize("value", ["NoSuchError", "json.dumps", (int,), "pkg.nothing.Error"])
    def test_what_is_no_exception_is_refused(self, value: Any) -> None:
        """With its name."""
        with pytest.raises(TypeError, match="retry_for"):
            ConfigTask(self.task_id, task_options={"retry_for": value})

    def test_options_are_json(self) -> None:
        """Types by name, modes by value; tuples and types come back."""
        options = {
            "retry_for": (ValueError, RetryError),
            "running_concurrency": ConcurrencyControlType.TASK,
            "key_arguments": ("a",),
            "max_retries": 3,
        }
        text = ConfigTask.options_to_json(options)
        assert '"builtins.ValueError"' in text
        assert ConfigTask.options_from_json(text) == options

    def test_durations_are_seconds_or_timedeltas(self) -> None:
        """Options that are times, and nothing else."""
        options = {"timeout": timedelta(minutes=1), "retry_delay": timedelta(milliseconds=5)}
        conf = ConfigTask(self.task_id, task_options=options)
        assert (conf.timeout, conf.retry_delay) == (60.0, 0.005)
        text = ConfigTask.options_to_json(options)
        assert ConfigTask.options_from_json(text) == {"timeout": 60.0, "retry_delay": 0.005}
        with pytest.raises(TypeError, match="retry_backoff"):
            ConfigTask(self.task_id, task_options={"retry_backoff": timedelta(1)})

    def test_defaults(self) -> None:
        """Those that are documented."""
        conf = ConfigTask(self.task_id)
        assert (conf.parallel_batch_size, conf.max_retries, conf.retry_for) == (100, 0, (RetryError,))
        assert (conf.call_result_cache, conf.effect) == (True, False)
        assert conf.running_concurrency is conf.registration_concurrency is ConcurrencyControlType.DISABLED
        assert (conf.on_diff_non_key_args_raise, conf.reroute_on_concurrency_control) == (False, False)


def test_an_app_reads_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An explicit id wins; classes are chosen by name; unknown ones are named."""
    toml(tmp_path / "pyproject.toml", '[tool.fleche.runtime]\napp_id = "from the project"\n')
    assert App().app_id == "from the project"
    assert App(config_values={"app_id": "given"}).app_id == "given"
    assert App("explicit", {"app_id": "given"}).app_id == "explicit"
    monkeypatch.setenv("FLECHE__LOGGING_LEVEL", "loud")
    with pytest.raises(ValueError, match="'loud'; the levels are debug"):
        App().logger
    with pytest.raises(ConfigError, match="no BaseBroker called 'NoBroker'"):
        App("x", {"broker_cls": "NoBroker"}).broker


def test_the_reference_tells_all_settings() -> None:
    """Each with what it means and its default, as the classes say."""
    from tools import settings

    page = settings.PAGE.read_text(encoding="utf-8")
    assert settings.written(page) == page
    for kind in (ConfigTask, ConfigPynenc, ConfigOrchestrator, ConfigRunner, ConfigClientDataStore, ConfigThreadRunner):
        assert f"settings: {kind.__name__} " in page
        assert set(get_config_fields(kind)) == set(settings.described(kind))
