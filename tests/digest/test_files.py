"""A `File` counts by its content; it is read once, and never believed to be what it may not be."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import fleche
from fleche import File
from fleche.digest import digest
from fleche.digest.files import Memo, Stamp, pinned
from fleche.errors import FileChanged, FileMissing, FileUnreadable, Indigestible
from fleche.storage.envelope import Envelope
from fleche.storage.file_memo import FileMemo
from fleche.storage.loader import TRUSTED
from fleche.storage.safe_loader import SAFE

pytestmark = pytest.mark.portable

GOLDEN = {
    b"": {
        "xxh3-128": "95783d9c01fe9e7d4253c87598e4ec90",
        "sha256": "68dee784176d1df3614dc7ae129270795aedd50bfc0d083bfcc459e2cba8bcfb",
    },
    b"a,b\n1,2\n": {
        "xxh3-128": "c8f478eeba1093c3cf568bc93a5658bc",
        "sha256": "5c9a9b38905d85e78d30d5e7dd447581adb1745a16162439ec7e0d9ee0a836b7",
    },
}
PRINT = "import sys; from fleche import File; from fleche.digest import digest; print(digest(File(sys.argv[1])))"

OLD = 1_700_000_000_000_000_000  # nanoseconds since 1970


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that was written long ago."""
    return written(tmp_path / "data.csv", b"a,b\n1,2\n")


def written(path: Path, content: bytes, at: int = OLD) -> Path:
    """Write a file, and set its time of modification."""
    path.write_bytes(content)
    os.utime(path, ns=(at, at))
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each file that is read for its digest."""
    from fleche.digest import files

    found: list[int] = []
    read = files._read

    def counted(number: int, size: int) -> bytes | None:
        found.append(size)
        return read(number, size)

    monkeypatch.setattr(files, "_read", counted)
    return found


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an hour later, so that every file is old."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3_600_000_000_000)


def test_equal_content_is_one_value(tmp_path: Path) -> None:
    """Whatever the file is called and wherever it lies; other content is another value."""
    (tmp_path / "folder").mkdir()
    one, other = written(tmp_path / "one", b"x"), written(tmp_path / "folder" / "other.txt", b"x", OLD + 5)
    third = written(tmp_path / "third", b"y")
    assert digest(File(one)) == digest(File(other)) != digest(File(third))
    assert digest([File(one)]) == digest([File(str(other))])
    assert digest({"a": File(one)}) != digest({"a": File(third)})


def test_it_is_its_own_kind_of_value(path: Path) -> None:
    """Its digest is none of its path, its bytes or its text; that of its content is that of its bytes."""
    content = path.read_bytes()
    own = digest(File(path))
    assert own not in {digest(path), digest(str(path)), digest(content), digest(content.decode())}
    assert File(path).digest() == digest(content)


@pytest.mark.parametrize("content", list(GOLDEN), ids=["empty", "a table"])
@pytest.mark.parametrize("algorithm", ["xxh3-128", "sha256"])
def test_golden(tmp_path: Path, content: bytes, algorithm: str) -> None:
    """The digests are frozen."""
    file = written(tmp_path / "file", content)
    environment = {**os.environ, "FLECHE_DIGEST": algorithm}
    command = [sys.executable, "-c", PRINT, str(file)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert found == GOLDEN[content][algorithm]


def test_it_is_read_once(path: Path, reads: list[int], later: None) -> None:
    """Later only its size and times are looked at; through a link or another name it is the same file."""
    linked = path.with_name("linked")
    os.link(path, linked)
    link = path.with_name("link")
    link.symlink_to(path)
    for each in (path, path, linked, link):
        digest(File(each))
    assert len(reads) == 1


def test_what_was_just_changed_is_read_each_time(path: Path, reads: list[int]) -> None:
    """Within one tick of the clock of its file system it may change again unseen."""
    for _ in range(3):
        digest(File(path))
    assert len(reads) == 3


@pytest.mark.parametrize("keep_time", [False, True])
def test_an_edit_of_the_same_size_is_noticed(path: Path, later: None, keep_time: bool) -> None:
    """Even if somebody sets the time of modification back."""
    before = digest(File(path))
    written(path, b"a,b\n1,3\n", OLD if keep_time else OLD + 1)
    assert digest(File(path)) != before


def test_another_file_in_its_place_is_noticed(path: Path, later: None) -> None:
    """Renamed over it, of the same size and time."""
    before = digest(File(path))
    written(path.with_name("new"), b"a,b\n1,3\n").rename(path)
    assert digest(File(path)) != before


def test_times_in_the_future_settle_nothing() -> None:
    """Neither do times too near to the moment of reading."""
    second = 1_000_000_000
    now = 100 * second
    assert Stamp(1, 2, 3, now - 10 * second, now - 10 * second).is_settled(now)
    assert not Stamp(1, 2, 3, now - 10 * second, now - second).is_settled(now)
    assert not Stamp(1, 2, 3, now - second, now - 10 * second).is_settled(now)
    assert not Stamp(1, 2, 3, now + second, now + second).is_settled(now)
    assert Stamp(1, 2, 3, now + second, now - 10 * second).is_settled(now)


def test_a_file_that_changes_while_it_is_read_is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And refused if it does not come to rest."""
    from fleche.digest import files

    read = files._read
    changes = [b"longer content\n", b"x"]

    def changing(number: int, size: int) -> bytes | None:
        found = read(number, size)
        if changes:
            path.write_bytes(changes.pop())
        return found

    monkeypatch.setattr(files, "_read", changing)
    assert File(path).digest() == digest(b"longer content\n")
    changes.extend(b"%d" % count * count for count in range(1, 9))
    with pytest.raises(Indigestible, match="changes while it is read"):
        digest(File(path))
    changes.extend(b"%d" % count * count for count in range(1, 9))
    with pytest.raises(FileChanged, match="changes while it is read"):
        File(path).digest()


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    """A file that is missing is a `FileNotFoundError`; a folder and a device are refused with the way out."""
    with pytest.raises(FileMissing, match="No such file") as missing:
        digest(File(tmp_path / "missing"))
    assert isinstance(missing.value, FileNotFoundError)
    assert pickle.loads(pickle.dumps(missing.value)).path == str(tmp_path / "missing")
    with pytest.raises(FileUnreadable, match=r"folder.*rglob"):
        digest(File(tmp_path))
    with pytest.raises(FileUnreadable, match="no plain file"):
        digest(File("/dev/null"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileUnreadable, match="no plain file"):
        digest(File(tmp_path / "pipe"))
    with pytest.raises(TypeError):
        File(b"bytes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="subclassed"):
        type("Mine", (File,), {})


def test_it_is_a_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That can be opened, read, compared and shown; a relative one stays where it was made."""
    file = File(path)
    with open(file) as text, file.open("rb") as content:
        assert text.read() == file.read_text() == "a,b\n1,2\n"
        assert content.read() == file.read_bytes() == path.read_bytes()
    assert (file.path, file.name, file.size) == (path, "data.csv", 8)
    assert repr(file) == f"File({str(path)!r})"
    assert file == File(str(path)) != File(path.with_name("other"))
    assert len({file, File(path)}) == 1
    with pytest.raises(ValueError, match="input"):
        file.open("w")
    monkeypatch.chdir(path.parent)
    relative = File("data.csv")
    monkeypatch.chdir("/")
    assert relative == file == File(file)


def test_it_is_pickled_as_it_is(path: Path) -> None:
    """Into another process it goes as its path: what counts is what the file holds there and then."""
    file = File(path)
    digest(file)
    again = pickle.loads(pickle.dumps(file))
    assert again == file
    assert not again.is_pinned
    path.write_bytes(b"edited")
    assert digest(again) == digest(File(path))


@pytest.mark.parametrize("loader", [TRUSTED, SAFE], ids=["trusted", "safe"])
def test_what_is_stored_is_pinned(path: Path, loader: object) -> None:
    """It has the digest that it had, whatever became of the file, and says so if somebody reads the file."""
    before = digest(File(path))
    envelope = Envelope.pack({"data": File(path)}).seal()
    assert b"1,2" not in envelope.to_bytes()
    stored = Envelope.parse(envelope.to_bytes(), place="here").load(loader)["data"]  # type: ignore[arg-type]
    assert stored.is_pinned
    assert (stored.path, stored.size, stored.digest()) == (path, 8, digest(b"a,b\n1,2\n"))
    assert digest(stored) == before
    assert stored != File(path)
    with open(stored) as text:
        assert text.read() == stored.read_text() == "a,b\n1,2\n"
    assert stored.is_unchanged()
    path.write_bytes(b"edited\n")
    assert digest(stored) == before != digest(File(stored))
    assert not stored.is_unchanged()
    for read in (stored.read_bytes, stored.read_text, stored.open, stored.__fspath__):
        with pytest.raises(FileChanged, match="something else"):
            read()
    assert pickle.loads(pickle.dumps(stored)) == stored
    path.unlink()
    with pytest.raises(FileMissing):
        stored.read_bytes()
    assert digest(stored) == before


@pytest.mark.parametrize("parts", [(1, 2, "00" * 16), ("/a", -1, "00" * 16), ("/a", 1, "00"), ("/a", True, "00" * 16)])
def test_what_is_no_stored_file_is_refused(parts: tuple[object, ...]) -> None:
    """Whoever wrote it."""
    with pytest.raises((ValueError, TypeError)):
        pinned(*parts)  # type: ignore[arg-type]


def test_large_files_are_remembered_beyond_the_process(
    path: Path, tmp_path: Path, reads: list[int], later: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file of the user's; small ones are not worth it."""
    beyond = FileMemo(tmp_path / "cache" / "files.db")
    memos = [Memo(), Memo()]
    for memo in memos:
        memo.beyond = lambda: beyond
        memo.large = 4
    known = []
    for memo in memos:
        monkeypatch.setattr("fleche.digest.files.MEMO", memo)
        known.append(digest(File(path)))
    assert len(reads) == 1
    written(path, b"a,b\n1,3\n")
    monkeypatch.setattr("fleche.digest.files.MEMO", Memo())
    assert digest(File(path)) != known[0] == known[1]
    memos[0].clear()
    memos[0].large = 1 << 20
    monkeypatch.setattr("fleche.digest.files.MEMO", memos[0])
    before = len(reads)
    digest(File(path))
    assert len(reads) == before + 1
    beyond.close()


def test_a_memo_that_is_of_no_use_is_no_failure(path: Path, tmp_path: Path) -> None:
    """Neither damaged, nor where nothing can be written."""
    damaged = written(tmp_path / "damaged.db", b"no database" * 100)
    for place in (damaged, path / "below a file" / "files.db"):
        memo = FileMemo(place)
        memo.put("xxh3-128", Stamp(1, 2, 3, 4, 5), b"x" * 16)
        assert memo.get("xxh3-128", Stamp(1, 2, 3, 4, 5)) is None
        memo.close()


def test_a_memo_forgets_what_was_read_longest_ago(tmp_path: Path) -> None:
    """It does not grow for ever; an inode that is used again replaces what it was."""
    memo = FileMemo(tmp_path / "files.db", most=50)
    for inode in range(2**64 - 201, 2**64):
        memo.put("xxh3-128", Stamp(2**63, inode, 1, 2, 3), b"x" * 16)
    last = Stamp(2**63, 2**64 - 1, 1, 2, 3)
    assert memo.get("xxh3-128", last) == b"x" * 16
    assert memo.get("sha256", last) is None
    assert memo.get("xxh3-128", Stamp(2**63, 2**64 - 201, 1, 2, 3)) is None
    memo.put("xxh3-128", last._replace(changed=9), b"y" * 16)
    assert memo.get("xxh3-128", last) is None
    memo.close()


def test_a_memo_is_shared_by_threads_and_processes(tmp_path: Path) -> None:
    """Several write at once, and after a fork the child goes on."""
    memos = [FileMemo(tmp_path / "files.db") for _ in range(2)]

    def write(number: int) -> None:
        for inode in range(20):
            memos[number % 2].put("xxh3-128", Stamp(number, inode, 1, 2, 3), b"x" * 16)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child = os.fork() if hasattr(os, "fork") else None
    if child == 0:
        os._exit(0 if memos[0].get("xxh3-128", Stamp(3, 19, 1, 2, 3)) == b"x" * 16 else 1)
    assert child is None or os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert all(memos[0].get("xxh3-128", Stamp(number, 19, 1, 2, 3)) for number in range(4))
    for memo in memos:
        memo.close()


def test_importing_fleche_opens_nothing() -> None:
    """The memo is opened when a large file is first met."""
    source = "import fleche, sys; fleche.File('x'); print('sqlite3' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
    assert fleche.File is File
