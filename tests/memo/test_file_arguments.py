"""Files as arguments of cached functions, over every kind of store."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleche import File, cached
from fleche.caches import Cache
from fleche.errors import FileChanged, FileMissing, UncachedWarning
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.safe_loader import SAFE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of two lines."""
    path = tmp_path / "data.csv"
    path.write_text("1\n2\n")
    return path


@cached
def lines(file: Any) -> list[str]:
    with open(file) as opened:
        return opened.read().split()


def test_an_edited_file_misses_and_its_old_content_hits(cache: Cache, path: Path) -> None:
    """A copy hits too; a path alone is its name."""
    assert lines(File(path)) == ["1", "2"]
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    before = lines.info().hits
    assert lines(File(copy)) == ["1", "2"]
    assert lines.info().hits == before + 1
    path.write_text("3\n")
    assert lines(File(path)) == ["3"]
    path.write_text("1\n2\n")
    assert lines(File(path)) == ["1", "2"]
    assert lines.info().hits == before + 2
    assert lines(path) == ["1", "2"]
    path.write_text("4\n")
    assert lines(path) == ["1", "2"]
    assert lines.calls.count() == 3


@dataclass
class Config:
    data: File
    names: dict[str, File]


def test_a_file_counts_wherever_it_is_inside_an_argument(cache: Cache, path: Path) -> None:
    """In lists, dicts and dataclasses, and as a constant of the module."""

    @cached
    def read(config: Any) -> list[str]:
        return config.data.read_text().split() + [file.read_text() for file in config.names.values()]

    other = path.with_name("other")
    other.write_text("x")
    config = Config(File(path), {"other": File(other)})
    assert read(config) == ["1", "2", "x"]
    other.write_text("y")
    assert read(config) == ["1", "2", "y"]
    path.write_text("3")
    assert read(config) == ["3", "y"]


def test_a_file_in_reached_code_counts(cache: Cache, path: Path) -> None:
    """As any value that the code reaches."""
    table = File(path)

    @cached
    def first() -> str:
        return table.read_text()[0]

    assert first() == "1"
    path.write_text("9\n")
    assert first() == "9"


def test_a_missing_file_is_an_error_at_the_call(cache: Cache, path: Path) -> None:
    """The body does not run, and nothing is stored."""
    ran = []

    @cached
    def body(file: Any) -> int:
        ran.append(file)
        return 1

    with pytest.raises(FileMissing):
        body(File(path.with_name("missing")))
    with pytest.raises(FileMissing):
        body.contains(File(path.with_name("missing")))
    assert ran == []
    assert body.calls.count() == 0


@pytest.mark.parametrize("when", ["before it is read", "after"])
def test_a_file_that_changes_while_the_call_runs(cache: Cache, path: Path, when: str) -> None:
    """Gives a result that is not stored, since nothing tells which content it is of: never a wrong hit."""

    @cached
    def body(file: Any) -> str:
        if when == "after":
            text = file.read_text()
            path.write_text("5\n6\n")
            return text
        path.write_text("5\n6\n")
        return file.read_text()

    with pytest.warns(UncachedWarning, match="changed while it ran"):
        body(File(path))
    assert body.calls.count() == 0

    @cached(strict=True)
    def strict(file: Any) -> None:
        path.write_text("7\n8\n")

    with pytest.raises(FileChanged):
        strict(File(path))


@pytest.mark.parametrize("written", ["2\n1\n", "1\n2\n"], ids=["something else", "the same"])
def test_a_file_that_is_as_it_was_when_the_call_ends(cache: Cache, path: Path, written: str) -> None:
    """May have held something else in between, which the body may have read."""

    @cached
    def body(file: Any) -> str:
        path.write_text(written)
        text = file.read_text()
        path.write_text("1\n2\n")
        return str(text)

    with pytest.warns(UncachedWarning, match="changed while it ran"):
        assert body(File(path)) == written
    assert body.calls.count() == 0


def test_a_pinned_file_that_changed_is_no_error_to_keep(cache: Cache, path: Path) -> None:
    """Though the function keeps errors of this kind: whoever has the content again gets a result."""

    @cached(errors=(OSError,))
    def read(file: Any) -> str:
        return str(file.read_text())

    lines(File(path))
    stored = lines.calls.only().arguments["file"]
    path.write_text("other")
    with pytest.raises(FileChanged):
        read(stored)
    assert read.calls.all().count() == 0
    path.write_text("1\n2\n")
    assert read(File(path)) == read(stored) == "1\n2\n"


def test_a_failed_call_on_a_file_that_changed_is_not_recorded(cache: Cache, path: Path) -> None:
    """Its exception would be a wrong hit."""

    @cached(errors=(ValueError,))
    def body(file: Any) -> None:
        path.write_text("other")
        raise ValueError

    with pytest.raises(ValueError):
        body(File(path))
    assert body.calls.all().count() == 0


def test_generators_and_coroutines(cache: Cache, path: Path) -> None:
    """Key by the file too, and are not stored if it changes before they end."""

    @cached
    def each(file: Any) -> Iterator[str]:
        yield from file.read_text().split()

    @cached
    async def later(file: Any) -> str:
        await asyncio.sleep(0)
        return str(file.read_text())

    for _ in range(2):
        assert list(each(File(path))) == ["1", "2"]
        assert asyncio.run(later(File(path))) == "1\n2\n"
    assert (each.info().hits, later.info().hits) == (1, 1)
    reading = each(
        File(
            path,
        )
    )
    path.write_text("3\n4\n")
    assert list(reading) == ["1", "2"]
    reading = each(File(path))
    assert next(reading) == "3"
    path.write_text("5\n6\n")
    with pytest.warns(UncachedWarning, match="changed while it ran"):
        assert list(reading) == ["4"]
    assert each.calls.count() == 1


def test_what_is_stored_of_a_file(cache: Cache, path: Path) -> None:
    """Its path, its size and the digest of its content, never the content."""
    lines(File(path))
    call = lines.calls.only()
    file = call.arguments["file"]
    assert (file.path, file.size, file.is_pinned) == (path, 4, True)
    assert call.record.kinds == {"file": "fleche.File"}
    picture = call._repr_html_()
    assert str(path) in picture
    assert "4 bytes" in picture
    assert lines(file) == ["1", "2"]
    assert lines.info().hits >= 1
    path.write_text("other")
    with pytest.raises(FileChanged):
        cached(lambda given: given.read_text())(file)
    assert lines(File(file)) == ["other"]
    assert cache.verify(values=True).ok


def test_a_file_as_a_result(cache: Cache, path: Path) -> None:
    """Is known by what it held; the file itself is not kept, and `valid_if` can insist on it."""
    target = path.with_name("made")

    @cached(valid_if=lambda call: call.result.is_unchanged())
    def make(text: str) -> File:
        target.write_text(text)
        return File(target)

    text = "x" * 100
    assert make(text).read_text() == make(text).read_text() == text
    assert make.info().hits == 1
    target.unlink()
    assert make(text).read_text() == text
    assert make.info().hits == 1
    assert lines(make(text)) == [text]
    assert [call.name for call in lines.query(File(target)).only().parents()] == [make.__qualname__]


def test_the_safe_loader_builds_files(store: EmbeddedStore, path: Path) -> None:
    """From stores that others can write to, too."""
    own = EmbeddedStore(store.root, loader=SAFE)
    cache = Cache(own.values, own.calls)
    read = cached(cache=cache)(lambda file: file)
    read(File(path))
    assert read(File(path)).read_text() == "1\n2\n"
    assert read.calls.only().arguments["file"].size == 4
    own.close()


def test_many_threads_read_one_file(cache: Cache, path: Path) -> None:
    """And agree on its key."""
    with ThreadPoolExecutor(4) as pool, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(set(pool.map(lambda _: lines.key(File(path)), range(40)))) == 1
