"""The envelope keeps a value in its form, and notices every change to its bytes."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleche.errors import DamagedError, SaveError, UnreadableError
from fleche.faults import armed
from fleche.storage.envelope import Envelope
from fleche.storage.header import MAGIC
from fleche.storage.loader import TRUSTED
from fleche.storage.pickling import Serializer
from fleche.storage.whole import TEMPORARY

pytestmark = pytest.mark.portable

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "envelope.md"


def back(value, loader=TRUSTED):
    return Envelope.parse(Envelope.pack(value).to_bytes(), place="here").load(loader)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


class Sealed:
    """Cannot be stored."""

    def __reduce__(self):
        raise ValueError("sealed")


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Point and other.x == self.x


class TestValues:
    @given(values)
    def test_a_value_comes_back(self, value):
        """What was packed is what is loaded, in type, value and order."""
        assert repr(back(value)) == repr(value)

    def test_each_load_is_ones_own(self):
        """Changing what was loaded changes neither the envelope nor the next load."""
        envelope = Envelope.pack([1, [2]])
        envelope.load(TRUSTED)[1].append(3)
        assert envelope.load(TRUSTED) == [1, [2]]

    def test_functions_go_by_value_only_where_they_must(self):
        """Cloudpickle serves what pickle refuses, and nothing else."""
        assert Envelope.pack(Point(1)).serializer is Serializer.PICKLE
        assert Envelope.pack(math.sin).serializer is Serializer.PICKLE
        factor = 3
        envelope = Envelope.parse(Envelope.pack(lambda x: x * factor).to_bytes(), place="here")
        assert envelope.serializer is Serializer.CLOUDPICKLE
        assert envelope.load(TRUSTED)(2) == 6

    def test_another_python_does_not_read_what_goes_by_value(self, monkeypatch):
        """What cloudpickle wrote under another minor version is unreadable, which is a miss, and its form differs."""
        envelope = Envelope.pack(lambda: 1)
        monkeypatch.setattr(envelope._header, "python", sys.version_info.minor - 1)
        with pytest.raises(UnreadableError, match=rf"3\.{sys.version_info.minor - 1}"):
            envelope.load(TRUSTED)

    @pytest.mark.parametrize("value", [threading.Lock(), [1, (x for x in ())], {"a": sys._getframe()}, Sealed()])
    def test_what_cannot_be_stored_is_said(self, value):
        """The error names the type, says why, and carries the cause."""
        with pytest.raises(SaveError) as caught:
            Envelope.pack(value)
        assert caught.value.type_name.split(".")[-1] == type(value).__qualname__
        assert caught.value.__cause__ is not None
        assert caught.value.reason in str(caught.value)

    def test_deep_nesting(self):
        """Ten thousand levels are packed and loaded, and the recursion limit is as before."""
        deep: list[object] = []
        for _ in range(10_000):
            deep = [deep, deep]
        limit = sys.getrecursionlimit()
        loaded, depth = back(deep), 0
        while loaded:
            assert loaded[0] is loaded[1]
            loaded, depth = loaded[0], depth + 1
        assert depth == 10_000
        assert sys.getrecursionlimit() == limit

    def test_a_class_that_moved_is_a_miss(self, monkeypatch):
        """A class that is gone is unreadable, with the cause, and never another error."""
        stored = Envelope.pack([Point(1)]).to_bytes()
        monkeypatch.delitem(globals(), "Point")
        with pytest.raises(UnreadableError, match="Point") as caught:
            Envelope.parse(stored, place="values/ab").load(TRUSTED)
        assert isinstance(caught.value.__cause__, AttributeError)
        assert caught.value.place == "values/ab"

    def test_modules_that_were_renamed_are_found(self):
        """What Python 3.13 calls pathlib._local is found by earlier ones."""
        path = b"\x80\x04\x8c\x0epathlib._local\x8c\rPurePosixPath\x93\x8c\x01a\x85R."
        assert str(TRUSTED.load(path, (), Serializer.PICKLE)) == "a"


class TestForm:
    def test_equal_bytes_are_one_form(self):
        """The form depends on the representation only: the same when packed, parsed, sealed or compressed."""
        envelope = Envelope.pack({"a": 1})
        assert re.fullmatch("[0-9a-f]{8}", envelope.form)
        assert Envelope.parse(envelope.to_bytes(), place="x").checksum == envelope.checksum
        assert Envelope.pack({"a": 1}).checksum == envelope.checksum

    def test_another_order_is_another_form(self):
        """Equal values in other forms have other checksums."""
        assert Envelope.pack({"a": 1, "b": 2}).form != Envelope.pack({"b": 2, "a": 1}).form

    def test_compression_is_not_form(self):
        """A compressed envelope has the same form, and is smaller."""
        pytest.importorskip("zstandard")
        plain, packed = Envelope.pack([0] * 10_000), Envelope.pack([0] * 10_000, compress=True)
        assert packed.checksum == plain.checksum
        assert packed.size < plain.size / 10
        parsed = Envelope.parse(packed.to_bytes(), place="x")
        assert parsed.load(TRUSTED) == [0] * 10_000
        assert parsed.checksum == plain.checksum

    def test_small_values_are_small(self):
        """A float takes 61 bytes."""
        assert Envelope.pack(1.5).size == len(Envelope.pack(1.5).to_bytes()) == 61


class TestDamage:
    @pytest.mark.parametrize("value", [1.5, {"a": [1, 2]}])
    def test_every_flipped_bit_is_noticed(self, value):
        """No single flipped bit passes."""
        stored = Envelope.pack(value).to_bytes()
        for position in range(len(stored) * 8):
            flipped = bytearray(stored)
            flipped[position // 8] ^= 1 << position % 8
            with pytest.raises(DamagedError):
                Envelope.parse(flipped, place="here")

    def test_every_cut_is_noticed(self, tmp_path):
        """No shorter or longer file passes, parsed or opened."""
        stored = Envelope.pack([1, "a"]).to_bytes()
        file = tmp_path / "value"
        for cut in [stored[:n] for n in range(len(stored))] + [stored + b"x", stored * 2]:
            file.write_bytes(cut)
            with pytest.raises(DamagedError):
                Envelope.parse(cut, place="here")
            with pytest.raises(DamagedError, match=re.escape(str(file))):
                Envelope.open(file, mapped=True, verify_buffers=False)

    @given(st.binary(max_size=200))
    def test_other_bytes_are_not_ours(self, junk):
        """Bytes that are no envelope are damage, whatever they are."""
        for data in (junk, MAGIC + junk, Envelope.pack(1).to_bytes()[:16] + junk):
            with pytest.raises(DamagedError):
                Envelope.parse(data, place="here")

    def test_a_later_format_is_a_miss_and_not_damage(self):
        """An intact envelope of another major version is unreadable; a later minor version is read."""
        from fleche.storage.header import _xxh3

        def patched(at, value):
            stored = bytearray(Envelope.pack(1.5).to_bytes())
            stored[at] = value
            stored[32:40] = _xxh3(stored[:32])
            return stored

        with pytest.raises(UnreadableError, match="format 2"):
            Envelope.parse(patched(4, 2), place="x")
        with pytest.raises(UnreadableError, match="serializer 9"):
            Envelope.parse(patched(6, 9), place="x")
        assert Envelope.parse(patched(5, 9), place="x").load(TRUSTED) == 1.5

    def test_unknown_sections_are_ignored(self):
        """A section that a later minor version or a signature adds does not keep the value from being read."""
        from fleche.storage.header import _section, _xxh3

        stored = Envelope.pack(1.5).to_bytes()
        section = _section(4, b"\x01\x02ab" + bytes(32)) + _section(99, b"later")
        head = bytearray(stored[:32] + section)
        head[12:16] = (len(head) + 8).to_bytes(4, "little")
        parsed = Envelope.parse(bytes(head) + _xxh3(head) + stored[40:], place="x")
        assert parsed.load(TRUSTED) == 1.5
        assert parsed.form == Envelope.pack(1.5).form


class TestFiles:
    def test_a_written_file_is_whole_and_read_only(self, tmp_path):
        """A file is written under its name only, mode 0444, and loads back."""
        file = tmp_path / "value"
        Envelope.pack({"a": 1}).write_to(file, sync=True)
        assert [path.name for path in tmp_path.iterdir()] == ["value"]
        assert file.stat().st_mode & 0o777 == 0o444 & ~umask()
        for mapped in (True, False):
            opened = Envelope.open(file, mapped=mapped, verify_buffers=True)
            assert opened.load(TRUSTED) == {"a": 1}
            assert opened.to_bytes() == file.read_bytes()
            assert opened.size == file.stat().st_size

    @pytest.mark.parametrize("point", ["whole:opened", "whole:written", "whole:before-rename"])
    def test_a_failure_leaves_nothing(self, tmp_path, point):
        """Whatever fails before the rename, the old file stays as it was and nothing else is left."""
        file = tmp_path / "value"
        Envelope.pack("old").write_to(file, sync=False)

        def fail():
            raise OSError(28, "No space left on device")

        with armed(point, fail), pytest.raises(OSError, match="space"):
            Envelope.pack("new").write_to(file, sync=False)
        assert [path.name for path in tmp_path.iterdir()] == ["value"]
        assert Envelope.open(file, mapped=False, verify_buffers=False).load(TRUSTED) == "old"

    @pytest.mark.parametrize("point", ["whole:opened", "whole:written", "whole:before-rename", "whole:after-rename"])
    def test_a_killed_writer_leaves_the_old_or_the_new(self, tmp_path, point):
        """Killed with -9 at any point, a writer leaves the old file or the new one, whole."""
        file = tmp_path / "value"
        Envelope.pack("old").write_to(file, sync=False)
        program = (
            "import os, signal, sys\nfrom fleche.faults import armed\nfrom fleche.storage.envelope import Envelope\n"
            "with armed(sys.argv[1], lambda: os.kill(os.getpid(), signal.SIGKILL)):\n"
            "    Envelope.pack('new').write_to(sys.argv[2], sync=False)\n"
        )
        assert subprocess.run([sys.executable, "-c", program, point, str(file)], check=False).returncode == -9
        found = Envelope.open(file, mapped=False, verify_buffers=True).load(TRUSTED)
        assert found == ("new" if point == "whole:after-rename" else "old")
        assert all(path.name.endswith(TEMPORARY) for path in tmp_path.iterdir() if path != file)

    def test_a_missing_folder_is_said(self, tmp_path):
        """Writing where there is no folder is an error of the system."""
        with pytest.raises(FileNotFoundError):
            Envelope.pack(1).write_to(tmp_path / "no" / "value", sync=False)


def test_the_page_has_a_true_example():
    """The hex example on the format's page is what this version writes and reads."""
    found = re.search(r"```text\n((?:[0-9a-f]{8}: .*\n)+)```", PAGE.read_text())
    assert found is not None
    stored = b"".join(bytes.fromhex(line[10:58]) for line in found[1].splitlines())
    assert Envelope.parse(stored, place=str(PAGE)).load(TRUSTED) == [1.5, None]
    written = bytearray(Envelope.pack([1.5, None]).to_bytes())
    written[7] = 11  # the example was written by Python 3.11
    assert written[:32] + written[40:] == stored[:32] + stored[40:]
    form = re.search(r"checksum is `([0-9a-f]{32})`", PAGE.read_text())
    assert form is not None
    assert Envelope.parse(stored, place=str(PAGE)).checksum == form[1]


def umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


settings.register_profile("envelope", deadline=None)
settings.load_profile("envelope")
