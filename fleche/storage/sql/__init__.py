"""Records and values in an SQL database: the tables, the embedded index's way to them, and stores on a server."""

from typing import TYPE_CHECKING

from fleche.lazy import face

if TYPE_CHECKING:
    from fleche.storage.sql.calls import Sql, SqlCalls
    from fleche.storage.sql.leases import SqlLeases
    from fleche.storage.sql.store import SqlStore
    from fleche.storage.sql.values import SqlValues

__all__ = ["Sql", "SqlCalls", "SqlLeases", "SqlStore", "SqlValues"]

__getattr__ = face(
    __name__,
    {"Sql": "calls", "SqlCalls": "calls", "SqlLeases": "leases", "SqlStore": "store", "SqlValues": "values"},
)
