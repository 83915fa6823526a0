"""`fleche.metadata`: kinds of metadata of one's own, and those that configuration can name."""

from __future__ import annotations

import pytest

from fleche import cache, fleche, meta
from fleche.config import opener
from fleche.errors import ConfigError
from fleche.metadata import CONFIGURABLE, Environment, Git, MetaData, Runtime, Tags, configurable

pytestmark = pytest.mark.portable


@pytest.fixture(autouse=True)
def _memory():
    with cache("memory"):
        yield


@pytest.fixture
def host():
    @configurable
    class Host(MetaData):
        keys = {"rack": int}

        def pre(self, call):
            return {"seen": call.arguments["x"]}

        def post(self, pre, call):
            return {"rack": pre["seen"], "result": call.result}

    yield Host
    CONFIGURABLE.pop("Host", None)


def test_the_kinds_that_need_no_arguments_can_be_configured():
    """`Tags` needs some, and cannot."""
    assert {name: CONFIGURABLE[name] for name in ("Runtime", "Environment", "Git")} == {
        "Runtime": Runtime,
        "Environment": Environment,
        "Git": Git,
    }
    assert "Tags" not in CONFIGURABLE
    assert [kind.name for kind in (Runtime, Environment, Git, Tags)] == ["runtime", "environment", "git", "tags"]


def test_a_kind_of_ones_own_sees_the_call_before_and_after(host):
    """``pre`` sees the arguments, ``post`` what ``pre`` returned, and the result."""

    @fleche
    def f(x):
        return x * 10

    assert host.name == "host"
    with meta(host()):
        f(4)
    assert f.query().only().metadata["host"] == {"rack": 4, "result": 40}
    assert f.query(metadata={"host": {"rack": 4}}).count() == 1


def test_configuration_can_name_it(host, tmp_path, monkeypatch):
    """In ``[default] metadata``, by the name of the class; an unknown name is an error that suggests one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleche.toml").write_text('[default]\nmetadata = ["Runtime", "Host"]\n')
    assert [type(kind) for kind in opener.metadata()] == [Runtime, host]
    (tmp_path / "fleche.toml").write_text('[default]\nmetadata = ["Runtim"]\n')
    with pytest.raises(ConfigError, match="Runtime"):
        opener.metadata()


def test_the_time_of_a_call_is_noted():
    """``timestart``, ``timestop`` and ``walltime``, as ever."""

    @fleche(meta=(Tags(lot="7"),))
    def f(x):
        return x

    f(1)
    noted = f.query().only().metadata
    assert noted["runtime"]["timestop"] >= noted["runtime"]["timestart"] > 1.6e9
    assert set(Runtime.keys) == set(noted["runtime"])
    assert noted["tags"] == {"lot": "7"}
