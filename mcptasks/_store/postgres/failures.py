"""What an error of PostgreSQL means for a store: whether to try again, and what a person can do. Pure."""

from __future__ import annotations

from enum import Enum

import psycopg
from attrs import frozen

from mcptasks._core import safe_text
from mcptasks._store.postgres.address import Address


class Remedy(Enum):
    """What a store does by itself about an error, after the transaction was undone."""

    REPEAT = "repeat"
    """Run the transaction again on the same connection: another transaction was in the way."""
    RECONNECT = "reconnect"
    """Make a new connection, and go on trying for a while: the server restarts, or has no free connection at
    present."""
    RECONNECT_ONCE = "reconnect once"
    """Make a new connection, once: the address may lead to another server now."""
    NONE = "none"
    """Only a person can help."""


@frozen
class Failure:
    """What to do about an error."""

    remedy: Remedy
    sentence: str
    """The error message if no remedy helps; without secrets."""
    refused: bool = False
    """Whether the database rejects a value, so that a transaction without that value may succeed."""


_FOREIGN = "the schema holds tables that are not the store's; choose another one with schema="
_ADVICE: dict[str, tuple[Remedy, str]] = {
    "40001": (Remedy.REPEAT, "other processes changed the same tasks again and again; try again"),
    "40P01": (Remedy.REPEAT, "other processes changed the same tasks again and again; try again"),
    # Two processes record the same task at the same moment. The repetition finds what the other one has recorded.
    "23505": (Remedy.REPEAT, "other processes changed the same tasks again and again; try again"),
    "55P03": (
        Remedy.NONE,
        "another session holds a lock on the store's tables; end that session, which pg_stat_activity shows",
    ),
    "57014": (
        Remedy.NONE,
        "a statement took longer than statement_timeout allows; raise that setting for the role of the store",
    ),
    "25006": (
        Remedy.RECONNECT_ONCE,
        "the server is read-only, as a standby is; give the address of the primary, or several hosts and "
        "target_session_attrs=read-write",
    ),
    "53300": (
        Remedy.RECONNECT,
        "the server has no free connection slot; raise max_connections, or connect through PgBouncer (each store takes "
        "two connections at most)",
    ),
    "53100": (Remedy.NONE, "the server's disk is full; make room there"),
    "54000": (
        Remedy.NONE,
        "a value is larger than PostgreSQL takes, although the store shortens what it indexes: please report this bug",
    ),
    "57P03": (Remedy.RECONNECT, "the server is starting up or shutting down; try again when it is up"),
    "28P01": (Remedy.NONE, "the server refuses the password; correct the address of the store, or PGPASSWORD"),
    "28000": (Remedy.NONE, "the server does not let this user in; correct the address of the store, or pg_hba.conf"),
    "3D000": (Remedy.NONE, "the database does not exist; create it with createdb, or correct the address of the store"),
    "42501": (
        Remedy.NONE,
        "the role lacks a privilege; grant CREATE on the database for the first opening, and USAGE on the schema with "
        "SELECT, INSERT, UPDATE and DELETE on its tables for the work",
    ),
    "42P01": (
        Remedy.NONE,
        "tables of the store are missing; was the schema dropped? Open the store anew to have them made",
    ),
    "42P07": (Remedy.NONE, _FOREIGN),
    "42703": (Remedy.NONE, _FOREIGN),
    "3F000": (
        Remedy.NONE,
        "the schema of the store is missing; was it dropped? Open the store anew to have it made",
    ),
}
"""By SQLSTATE: what to do, and the words for people (PostgreSQL's documentation, appendix A)."""
_REFUSED_WITHOUT_STATE = (
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ('" does not exist', "3D000"),
    ("too many clients already", "53300"),
    ("too many connections for", "53300"),
    ("remaining connection slots", "53300"),
    ("the database system is ", "57P03"),
)
"""libpq does not pass on the SQLSTATE of a refused connection. The refusal of a server with English messages has these
words."""
_REFUSALS = (psycopg.DataError, psycopg.IntegrityError, psycopg.InterfaceError, psycopg.NotSupportedError)
_TOO_LARGE = frozenset({"54000", "54001", "54011", "54023"})
"""Limits of the program (class 54): of an index, a stack, columns, arguments."""
_UNREACHABLE = (
    Remedy.RECONNECT,
    "the server cannot be reached; check that it runs and that its address is right, then try again",
)


def failure(error: psycopg.Error, address: Address, *, connected: bool) -> Failure:
    """What to do about an error.

    Args:
        error: What psycopg raised.
        address: Where the server is.
        connected: Whether the connection is still there.
    """
    text = str(error)
    state = error.sqlstate or ""
    if not state and isinstance(error, psycopg.OperationalError):
        state = next((state for words, state in _REFUSED_WITHOUT_STATE if words in text), "")
    if state in _ADVICE:
        remedy, advice = _ADVICE[state]
    elif not connected or state.startswith(("08", "57P")):
        remedy, advice = _UNREACHABLE
    else:
        remedy, advice = Remedy.NONE, "PostgreSQL reports an error that the store did not expect; see its log"
    # The other lines of the text (DETAIL, CONTEXT) may show values of the tasks.
    words = safe_text.line(address.scrubbed(error.diag.message_primary or text), 300)
    sentence = f"the store on {address.shown}: {advice} ({state + ': ' if state else ''}{words})"
    # psycopg does not send a value that it cannot convert, so there is no SQLSTATE then.
    unspoken = not state and isinstance(error, psycopg.ProgrammingError)
    refused = (connected and (unspoken or isinstance(error, _REFUSALS))) or state in _TOO_LARGE
    return Failure(remedy, sentence, refused)
