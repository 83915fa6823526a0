"""A store is as trustworthy as each of its parts."""

from __future__ import annotations

import os
import sqlite3

import pytest

from fleche.errors import UntrustedError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope

pytestmark = [pytest.mark.portable, pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs owners and modes")]


class Bomb:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(("part", "mode"), [("index.db", 0o666), ("index.db", 0o660), ("values", 0o777), ("", 0o770)])
def test_a_part_that_others_can_write_to_makes_the_store_untrusted(tmp_path, part, mode):
    """Where others can write to the index or the values, nothing that is planted there is executed."""
    tmp_path.chmod(0o700)
    root, mark = tmp_path / "store", tmp_path / "mark"
    store = EmbeddedStore(root)
    key = store.values.save([1, 2, 3])
    store.close()
    bomb = Envelope.pack(Bomb(str(mark)))
    connection = sqlite3.connect(root / "index.db")
    with connection:
        connection.execute(
            'update "values" set envelope = ?, size = ?, form = ?',
            (bomb.to_bytes(), bomb.size, bytes.fromhex(bomb.form)),
        )
    connection.close()
    (root / part).chmod(mode)
    store = EmbeddedStore(root)
    with pytest.raises(UntrustedError):
        store.values.load(key)
    assert not mark.exists()
    assert store.describe()["trusted"] is False
    store.close()
