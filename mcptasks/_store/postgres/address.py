"""The address of a PostgreSQL database: a connection string, read once, with defaults added and secrets hidden."""

from __future__ import annotations

import re
from urllib.parse import quote

import psycopg
from attrs import field, frozen
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mcptasks._core.exceptions import StoreError

_DEFAULTS = {
    "application_name": "mcptasks",
    "connect_timeout": "10",
    # A host that vanishes is noticed after 10 + 3 * 5 seconds, instead of by the next statement after hours.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    # The same for a host that vanishes before it has answered. Milliseconds.
    "tcp_user_timeout": "25000",
}
"""libpq's settings that a connection string may leave out. In seconds unless said otherwise."""
_SECRETS = ("password", "sslpassword", "oauth_client_secret")
_UNREADABLE = (
    "the address of the store is no connection string of PostgreSQL; "
    "write postgresql://USER@HOST:PORT/DATABASE, with the characters @ : / % of a password as %40 %3A %2F %25"
)


@frozen
class Address:
    """A connection string in parts. `repr` shows no secret."""

    parameters: dict[str, str] = field(repr=False)
    """libpq's settings."""
    shown: str
    """The server and the database, for people."""

    def conninfo(self) -> str:
        """The connection string for libpq, with its secrets."""
        return make_conninfo(**self.parameters)

    def scrubbed(self, text: str) -> str:
        """A text of libpq or the server without the secrets of the connection string, as given or quoted for a URL."""
        for name in _SECRETS:
            if secret := self.parameters.get(name):
                for form in (secret, quote(secret), quote(secret, safe="")):
                    text = text.replace(form, "***")
        return text


def read(target: str) -> Address:
    """The address in a connection string: `postgresql://user@host/database`, or `host=... dbname=...`.

    Raises:
        StoreError: The text is no connection string.
    """
    try:
        given = conninfo_to_dict(target)
    except psycopg.Error:
        # libpq's words repeat a part of the string, in which a password may be.
        raise StoreError(_UNREADABLE) from None
    parameters = {name: str(value) for name, value in given.items() if value is not None}
    # A password with a bare "/" or "@" has been taken for a port, a host or a database, which errors would show.
    places = "".join(parameters.get(name, "") for name in ("host", "hostaddr", "dbname"))
    if "@" in places or not re.fullmatch("[0-9,]*", parameters.get("port", "")):
        raise StoreError(_UNREADABLE)
    host = parameters.get("host") or parameters.get("hostaddr") or "localhost"
    port = f":{parameters['port']}" if "port" in parameters else ""
    database = parameters.get("dbname") or parameters.get("user") or ""
    return Address(parameters=_DEFAULTS | parameters, shown=f"PostgreSQL at {host}{port}, database {database!r}")
