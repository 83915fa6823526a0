"""Which file systems other machines use too."""

from __future__ import annotations

import pytest

from fleche.storage.network import is_network

MOUNTS = """\
22 28 0:21 / /proc rw,nosuid - proc proc rw
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 28 0:40 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
41 40 8:2 / /home/me/local\\040disk rw - xfs /dev/sdb1 rw
42 28 0:42 / /mnt/over rw - ext4 /dev/sdc1 rw
43 28 0:43 / /mnt/over rw shared:3 master:1 - fuse.sshfs me@server: rw
"""


@pytest.fixture
def mounts(tmp_path):
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS)
    return path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", False),
        ("/homes", False),
        ("/home", True),
        ("/home/me/store/not/there/yet", True),
        ("/home/me/local disk/store", False),
        ("/mnt/over/store", True),
    ],
)
def test_the_nearest_mount_decides(mounts, path, expected):
    """A path is on the file system that is mounted nearest above it, the last one where there are two."""
    assert is_network(path, mounts=mounts) is expected


def test_where_the_system_does_not_tell(tmp_path):
    """Without a list of mounts everything counts as local."""
    assert is_network("/home", mounts=tmp_path / "missing") is False


def test_a_link_is_followed(mounts, tmp_path):
    """What counts is where a path leads."""
    (tmp_path / "link").symlink_to("/home/me")
    assert is_network(tmp_path / "link" / "store", mounts=mounts)
