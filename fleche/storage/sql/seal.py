"""The tables of a store on a server: made once, by one process, and sealed by rows that every opening checks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, fields

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.schema import CreateSchema

from fleche.digest.algorithm import FORMAT as DIGEST_FORMAT
from fleche.digest.algorithm import chosen
from fleche.errors import FormatError, StoreError
from fleche.faults import reach
from fleche.storage.directory import FORMAT, Seal
from fleche.storage.sql.address import POSTGRESQL, Address
from fleche.storage.sql.schema import METADATA, VERSION, meta
from fleche.version import VERSION as PROGRAM_VERSION

__all__ = ["LAYOUT", "Opening", "quarantine"]

LAYOUT = "tables"
"""The layout where everything is in the tables of one database."""

_LOCK = 0x666C65636865  # of whoever makes tables: "fleche"
_OWN = MetaData()  # tables that only stores of this layout have

quarantine = Table(
    "quarantine",
    _OWN,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("form", LargeBinary),
    Column("at", BigInteger, nullable=False),
    Column("envelope", LargeBinary),
)
"""Values whose bytes were damaged."""


class Opening:
    """Opens a store: makes its tables if they are not there, and refuses those of another format.

    Args:
        address: Where the database is.
        create: Whether to make anything.
    """

    def __init__(self, address: Address, *, create: bool) -> None:
        self._address = address
        self._create = create
        self.seal: Seal | None = None
        """What the store says of itself, once it was opened."""

    def __call__(self, engine: Engine) -> None:
        """Open it.

        Raises:
            FormatError: It is of another format or algorithm, or the tables are not fleche's.
            StoreError: It is not there, and not to be made.
        """
        with engine.connect() as connection:
            known = self._read(connection)
        if known is None:
            if not self._create:
                raise StoreError(f"there is no store at {self._address.place}", path=self._address.place)
            with engine.connect() as connection:
                known = self._make(connection)
        self.seal = self._checked(known)

    def _read(self, connection: Connection) -> Mapping[str, str] | None:
        if not inspect(connection).has_table("meta", schema=self._address.schema):
            return None
        columns = {column["name"] for column in inspect(connection).get_columns("meta", schema=self._address.schema)}
        if not {"name", "value"} <= columns:
            raise self._not_ours("its table meta was made by another program")
        return {row.name: row.value for row in connection.execute(select(meta.c.name, meta.c.value))}

    def _make(self, connection: Connection) -> Mapping[str, str]:
        """Make everything in one transaction; of several processes one does, and the others wait."""
        if self._address.dialect == POSTGRESQL:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        known = self._read(connection)
        if known is not None:
            return known
        schema = self._address.schema
        if schema is not None and not inspect(connection).has_schema(schema):
            connection.execute(CreateSchema(schema))
        ours = {*METADATA.tables, *_OWN.tables}
        foreign = sorted(ours.intersection(inspect(connection).get_table_names(schema=schema)))
        if foreign:
            raise self._not_ours(f"it holds a table {foreign[0]!r} of another program")
        for tables in (METADATA, _OWN):
            tables.create_all(connection, checkfirst=False)
        if schema is not None:
            name = connection.dialect.identifier_preparer.quote_schema(schema)
            connection.execute(text(f"CREATE INDEX calls_recent ON {name}.calls (at NULLS FIRST, key)"))
            # A lease need not outlive a crash of the server, so that granting one does not wait for its disk.
            connection.execute(text(f"ALTER TABLE {name}.leases SET UNLOGGED"))
        seal = Seal(algorithm=chosen().name, id=secrets.token_hex(8), layout=LAYOUT)
        known = {"schema": str(VERSION)} | {name: str(value) for name, value in asdict(seal).items()}
        connection.execute(meta.insert(), [{"name": name, "value": value} for name, value in known.items()])
        reach("store:before-seal")
        connection.commit()
        return known

    def _checked(self, known: Mapping[str, str]) -> Seal:
        place = self._address.place
        if known.get("program") != "fleche" or not {field.name for field in fields(Seal)} <= known.keys():
            if known.get("schema") is not None and "format" not in known:
                raise self._not_ours("it is the index of a store in a directory; open that directory instead")
            raise self._not_ours("its table meta was written by another program")
        format_, schema = known["format"], known.get("schema")
        if (format_, schema, known["digest"]) != (str(FORMAT), str(VERSION), DIGEST_FORMAT):
            raise FormatError(
                f"the store at {place} has format {format_} (tables {schema}, digests {known['digest']}), written by "
                f"fleche {known['written_by']}; this is fleche {PROGRAM_VERSION}, which reads format {FORMAT} (tables "
                f"{VERSION}, digests {DIGEST_FORMAT}). Use fleche {known['readable_from']} or later, or another store.",
                path=place,
            )
        if known["layout"] != LAYOUT:
            raise FormatError(
                f"the store at {place} has the layout {known['layout']!r}, which fleche {PROGRAM_VERSION} does not "
                f"read; use another store.",
                path=place,
            )
        if known["algorithm"] != chosen().name:
            raise FormatError(
                f"the keys of the store at {place} are {known['algorithm']} digests, those of this process "
                f"{chosen().name}: set FLECHE_DIGEST={known['algorithm']}, or use another store.",
                path=place,
            )
        try:
            minor = int(known["minor"])
        except ValueError:
            raise self._not_ours("its minor format is no number") from None
        names = {field.name for field in fields(Seal)} - {"format", "minor"}
        return Seal(format=FORMAT, minor=minor, **{name: known[name] for name in names})

    def _not_ours(self, why: str) -> FormatError:
        place = self._address.place
        return FormatError(f"{place} is not a fleche store: {why}. Choose another database or schema.", path=place)
