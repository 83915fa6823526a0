"""What an error of a database driver means: the one border where such errors become fleche's."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fleche.errors import FlecheError, SaveError, StoreError
from fleche.storage.sql.address import Address

__all__ = ["is_conflict", "is_disconnect", "translated"]

_CONFLICTS = ("40001", "40P01")  # serialization failure, deadlock
_TOO_MUCH = ("22", "54")  # classes: the data is not what a column takes, or exceeds a limit of the program
_ADVICE = {
    "28": "Look at the user and the password of the URL, PGPASSWORD or the password file",
    "3D": "The database does not exist: create it, or correct the name in the URL",
    "3F": "The tables are gone: open the store again to make new ones",
    "42501": "The role lacks a privilege: GRANT it USAGE and CREATE on the schema, and all on its tables",
    "42P01": "The tables are gone: open the store again to make new ones",
    "25006": "The server takes no writes: it is a replica, or the role is set to read only",
    "53100": "The server's disk is full",
    "53300": "The server has no connection left: close some, or raise its max_connections",
    "57": "The server was shut down or ended the connection; the next use connects again",
    "08": "The connection broke; the next use connects again",
}
_WORDS = {
    "authentication failed": _ADVICE["28"],
    "no password supplied": _ADVICE["28"],
    "does not exist": _ADVICE["3D"],
    "too many": _ADVICE["53300"],
    "database is locked": "Another process has held the database for a minute: find it, and end it",
    "readonly": "Give permission to write to the file and its folder",
    "unable to open": "Look at the path and its permissions",
    "not a database": "The file is damaged, or not a database: bring it back from a backup",
    "malformed": "The file is damaged: bring it back from a backup",
    "no such table": _ADVICE["42P01"],
}


def is_conflict(error: SQLAlchemyError) -> bool:
    """Whether the database gave a transaction up because of another one, and asks for it to be run again."""
    return _state(error) in _CONFLICTS


def is_disconnect(error: SQLAlchemyError) -> bool:
    """Whether a connection that had worked is broken; its siblings are not used again either."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def translated(error: SQLAlchemyError, address: Address) -> FlecheError:
    """Return what an error means: `SaveError` where the data is at fault, else `StoreError`; without any password."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    text = address.scrubbed(" ".join(str(cause).split())) or type(cause).__name__
    state = _state(error)
    if state.startswith(_TOO_MUCH):
        return SaveError(f"{address.place} refuses what was to be stored: {text}", reason=text)
    facts = {"path": address.place, "reason": text}
    return StoreError(f"{address.place} cannot be used: {_sentence(text)} {_sentence(_advice(state, text))}", **facts)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _advice(state: str, text: str) -> str:
    for start in (state, state[:2]):
        if start in _ADVICE:
            return _ADVICE[start]
    for words, advice in _WORDS.items():
        if words in text:
            return advice
    return "Is the server running, and does the URL name its host, port and database?"


def _state(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else None
    return str(getattr(cause, "sqlstate", None) or "")
