"""Where a database is: its URL, its schema, and what may be said of both."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from fleche.errors import ConfigError

__all__ = ["POSTGRESQL", "SQLITE", "Address"]

POSTGRESQL = "postgresql"
SQLITE = "sqlite"
_DEFAULT_SCHEMA = "fleche"
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "sqlite": "sqlite+pysqlite"}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Address:
    """Where a database is. Its ``repr`` shows no password.

    Attributes:
        url: The URL, with a driver.
        schema: The PostgreSQL schema that holds the tables; None where the database has no schemas.
    """

    url: URL
    schema: str | None

    @classmethod
    def of(cls, url: str | URL, schema: str | None = None) -> Address:
        """Read a URL.

        Args:
            url: Such as ``postgresql://ada@db.example.org/science`` or ``sqlite:///calls.db``.
            schema: The PostgreSQL schema; by default ``fleche``.

        Raises:
            ConfigError: It is no URL, or of a database or driver that is not supported.
        """
        try:
            made = make_url(url)
        except (ArgumentError, ValueError):
            raise ConfigError(
                "the address of the database is no URL. Write it as postgresql://user@host:5432/database "
                "or sqlite:///path; special characters of a password are percent-encoded."
            ) from None
        made = made.set(drivername=_DRIVERS.get(made.drivername, made.drivername))
        if made.drivername not in _DRIVERS.values():
            raise ConfigError(
                f"a store in a database of the kind {made.drivername!r} is not supported; "
                f"use postgresql:// (driver psycopg) or sqlite:///"
            )
        if made.get_backend_name() != POSTGRESQL:
            if schema is not None:
                raise ConfigError(f"schema={schema!r} is for PostgreSQL; {made.get_backend_name()} has no schemas")
            return cls(url=made, schema=None)
        return cls(url=made, schema=_DEFAULT_SCHEMA if schema is None else schema)

    @property
    def dialect(self) -> str:
        """``postgresql`` or ``sqlite``."""
        return self.url.get_backend_name()

    @property
    def in_memory(self) -> bool:
        """Whether the database ends with this process."""
        return self.dialect == SQLITE and self.url.database in (None, "", ":memory:")

    @property
    def place(self) -> str:
        """Where it is, for people and messages: never with a password, or anything else of the URL's options."""
        if self.in_memory:
            return "sqlite://"
        if self.dialect == SQLITE:
            return f"sqlite:///{self.url.database}"
        host = self.url.host or self._option("host") or "localhost"
        port = "" if self.url.port is None else f":{self.url.port}"
        user = "" if self.url.username is None else f"{self.url.username}@"
        return f"postgresql://{user}{host}{port}/{self.url.database or ''} (schema {self.schema})"

    @property
    def host(self) -> str | None:
        """The host of the server, where the URL names one."""
        return self.url.host or self._option("host")

    def text(self) -> str:
        """Return the whole URL, with its password: for pickles only."""
        return self.url.render_as_string(hide_password=False)

    def scrubbed(self, message: str) -> str:
        """Return a message of the driver without any secret of the URL."""
        secrets = [self.url.password, self._option("password"), self._option("sslpassword")]
        for secret in (str(each) for each in secrets if each):
            for form in {secret, quote_plus(secret)}:
                message = message.replace(form, "***")
        return message

    def _option(self, name: str) -> str | None:
        found = self.url.query.get(name)
        return found if found is None or isinstance(found, str) else ",".join(found)

    def __repr__(self) -> str:
        return f"<Address {self.place}>"
