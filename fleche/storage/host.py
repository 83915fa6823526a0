"""The name of this machine, for people and for names of files."""

from __future__ import annotations

import os

__all__ = ["host_name", "user_at_host"]


def host_name() -> str:
    """Return the network name of this machine, without asking the network.

    >>> "/" in host_name()
    False
    """
    # The socket module knows it too, but takes milliseconds to import.
    name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "localhost")
    return name.replace("/", "_") or "localhost"


def user_at_host() -> str:
    """Return who runs this process, as ``user@host``.

    >>> user_at_host().count("@")
    1
    """
    from fleche.call.metadata import username

    return f"{username() or 'somebody'}@{host_name()}"
