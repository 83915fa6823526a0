"""Whether a path is on a network file system, where mapping, locks and clocks are not what they are on a local disk."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["is_network"]

_MOUNTS = Path("/proc/self/mountinfo")
_TYPES = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "9p", "virtiofs", "afs", "openafs", "coda"),
        *("ceph", "lustre", "gpfs", "beegfs", "fhgfs", "glusterfs", "orangefs", "pvfs2", "panfs", "quobyte", "wekafs"),
        *("gfs", "gfs2", "ocfs2", "davfs", "fuse.davfs2", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs"),
        *("fuse.rclone", "fuse.gcsfuse", "fuse.goofys", "fuse.juicefs", "fuse.moosefs", "fuse.mfs", "fuse.lizardfs"),
        *(
            "fuse.blobfuse",
            "fuse.blobfuse2",
            "fuse.mount-s3",
            "fuse.beegfs",
            "fuse.quobyte",
            "fuse.curlftpfs",
            "prl_fs",
        ),
    }
)


def is_network(path: Path | str, *, mounts: Path = _MOUNTS) -> bool:
    r"""Return whether a path is on a file system that other machines may use at the same time.

    Args:
        path: A file or folder; of one that is not there yet the nearest folder above decides.
        mounts: Where the system tells what is mounted; where it does not (macOS), only network paths of Windows
            (``\\host\share``) are known, and everything else counts as local.

    >>> is_network("/proc")
    False
    """
    text = str(path)
    if os.name == "nt":
        return text.startswith("\\\\")
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return False
    place = os.fsencode(os.path.realpath(text))
    best, kind = -1, b""
    for line in lines:
        before, _, after = line.partition(b" - ")
        point = _unescaped(before.split(b" ")[4])
        inside = place == point or place.startswith(point.rstrip(b"/") + b"/")
        if inside and len(point) >= best:  # of two mounts at one point the later one is on top
            best, kind = len(point), after.split(b" ")[0]
    return kind.decode("ascii", "replace") in _TYPES


def _unescaped(point: bytes) -> bytes:
    for code, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        point = point.replace(code, character)
    return point
