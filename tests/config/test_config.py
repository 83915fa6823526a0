"""Where the cache is, and what files say."""

from __future__ import annotations

from pathlib import Path

import pytest

import fleche
from fleche.config import Opener, read_settings
from fleche.errors import ConfigError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_strongest_word_wins(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FLECHE_STORE, FLECHE_DIR, files, the platform's directory, in this order, each saying why."""
    opener = Opener()
    located = opener.locate()
    assert located.place == str(tmp_path / "caches" / "fleche")
    assert located.tag
    write(here / "fleche.toml", '[default]\ncache = "mine"\n[mine]\nroot = "results"\n')
    assert opener.locate().place == str(here / "results")
    assert "fleche.toml" in opener.locate().why
    monkeypatch.setenv("FLECHE_DIR", str(tmp_path / "dir"))
    assert opener.locate() == type(located)(str(tmp_path / "dir"), "FLECHE_DIR")
    monkeypatch.setenv("FLECHE_STORE", "memory")
    assert opener.locate().place == "memory"
    monkeypatch.setenv("FLECHE_STORE", f"file://{tmp_path}/url%20store")
    assert opener.locate().place == f"{tmp_path}/url store"


def test_nearer_files_win_table_by_table(here: Path, tmp_path: Path) -> None:
    """Each table comes whole from the nearest file that has it; paths are relative to their file."""
    write(here / "fleche.toml", '[one]\nroot = "near"\n')
    write(here.parent / "pyproject.toml", '[tool.fleche.one]\nroot = "far"\n[tool.fleche.two]\nroot = "two"\n')
    write(here.parent.parent / "fleche.toml", '[default]\ncache = "two"\n')
    write(tmp_path / "no-config" / "fleche" / "cache.toml", '[three]\ntype = "memory"\n')
    settings = read_settings(here)
    assert settings.cache("one") == {"type": "directory", "root": str(here / "near")}
    assert settings.cache("two") == {"type": "directory", "root": str(here.parent / "two")}
    assert settings.default == {"cache": "two"}
    assert settings.cache("three") == {"type": "memory"}
    assert settings.caches == ["default", "memory", "one", "three", "two", "void"]


def test_a_fleche_toml_beside_a_pyproject_wins(here: Path) -> None:
    """The other is not read."""
    write(here / "fleche.toml", '[one]\nroot = "toml"\n')
    write(here / "pyproject.toml", '[tool.fleche.two]\nroot = "pyproject"\n')
    assert read_settings(here).cache("two") is None


def test_root_true_stops_the_walk(here: Path) -> None:
    """Files above are not read."""
    write(here / "fleche.toml", "[default]\nroot = true\n")
    write(here.parent / "fleche.toml", '[one]\nroot = "far"\n')
    assert read_settings(here).cache("one") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[default]\ncahce = "x"', "has no key 'cahce'; did you mean 'cache'?"),
        ('[one]\nroto = "x"', "did you mean 'root'?"),
        ('[one]\nroot = "x"\nlayout = "file"', "did you mean 'files'?"),
        ('[one]\ntype = "size_limited"\nmax_size = 3', "needs cache, or values and calls"),
        ('[one]\ntype = "size_limited"\ncache = "x"\nmax_size = true', "as whole number"),
        ('[one]\ntype = "stack"', "needs caches"),
        ('[one]\ntype = "sql"', "needs url"),
        ('[one]\nvalues.type = "pikle"\ncalls.type = "sql"', "did you mean 'pickle'?"),
        ('[one]\ncalls.type = "void"\nvalues.type = "file"', "[one.values] needs root"),
        ('[one]\ntype = "dirctory"\nroot = "x"', "did you mean 'directory'?"),
        ("[one]\nroot = 3", "needs root"),
        ('[memory]\nroot = "x"', "reserved"),
        ('root = "x"', "outside a table"),
        ("[default", "cannot be read"),
    ],
)
def test_mistakes_name_file_key_and_the_nearest_known(here: Path, text: str, message: str) -> None:
    """One ConfigError, which says what to do."""
    path = write(here / "fleche.toml", text)
    with pytest.raises(ConfigError) as raised:
        read_settings(here)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_an_unknown_cache_is_an_error(here: Path) -> None:
    """With the known names, and how a path is written."""
    with pytest.raises(ConfigError, match=r"no cache 'memry'; did you mean 'memory'.*'\./memry'"):
        Opener().locate("memry")
    with pytest.raises(ConfigError, match="no store of this kind"):
        Opener().locate("ftp://somewhere")


def test_each_place_is_opened_once(here: Path) -> None:
    """One cache object per place and process."""
    opener = Opener()
    assert opener("memory") is opener("memory://")
    first = opener("./s")
    assert opener(str(here / "s")) is first
    first.close()


def test_default_metadata_is_configured(here: Path) -> None:
    """Names of kinds; a wrong one is an error."""
    write(here / "fleche.toml", '[default]\nmetadata = ["Runtime", "Git"]\n')
    assert [kind.name for kind in Opener().metadata()] == ["runtime", "git"]
    write(here / "fleche.toml", '[default]\nmetadata = ["Runtme"]\n')
    with pytest.raises(ConfigError, match="did you mean 'Runtime'"):
        Opener().metadata()


def test_the_default_cache_of_the_process_can_be_set(tmp_path: Path) -> None:
    """set_default_cache reaches plain threads; a context does not leak out of its block."""
    fleche.set_default_cache("memory")
    memory = fleche.cache()
    with fleche.cache(str(tmp_path / "x")):
        assert fleche.cache() is not memory
        fleche.cache().close()
    assert fleche.cache() is memory
    with pytest.raises(TypeError):
        fleche.cache(3)  # type: ignore[call-overload]
