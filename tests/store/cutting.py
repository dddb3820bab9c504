"""A relay between a client and PostgreSQL's Unix socket that cuts the connection at a chosen message of the client."""

from __future__ import annotations

import select
import socket
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

from psycopg.conninfo import make_conninfo

SOCKET = ".s.PGSQL.5432"
Cut = Literal["lost", "unanswered", "late"]
"""What becomes of the message: it never arrives, its answer gets lost, or it arrives after the client has given up."""
LATE = 0.2
"""Seconds by which a late message is late. The client reconnects within 0.05 s."""


class _Notifications:
    """Takes notifications out of what a server says: messages of a letter, a length and a body (PostgreSQL's protocol
    3.0, "Message Formats")."""

    def __init__(self) -> None:
        self._rest = b""

    def removed(self, data: bytes) -> bytes:
        """The whole messages that have come, without notifications."""
        data, kept = self._rest + data, b""
        while len(data) >= 5 and len(data) > (length := int.from_bytes(data[1:5], "big")):
            message, data = data[: length + 1], data[length + 1 :]
            kept += b"" if message.startswith(b"A") else message
        self._rest = data
        return kept


class Relay:
    """Passes on what clients and a server say to each other. Messages of all clients are counted from 1.

    Args:
        folder: Where the server's socket is.
        deaf: Whether notifications are left out, as by PgBouncer in transaction mode.
    """

    def __init__(self, folder: Path, *, deaf: bool = False) -> None:
        self._deaf = deaf
        self._server = folder / SOCKET
        self._own = tempfile.TemporaryDirectory(prefix="mcptasks-relay-", dir="/tmp")
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"{self._own.name}/{SOCKET}")
        self._listening.listen(50)
        self._lock = threading.Lock()
        self._count = 0
        self._cut: tuple[int, Cut] | None = None
        self._for_good = self._closed = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()
        self._own.cleanup()

    def dsn(self, dsn: str) -> str:
        """The same database, reached through the relay."""
        return make_conninfo(dsn, host=self._own.name)

    def cut(self, number: int, kind: Cut, *, for_good: bool = False) -> None:
        """Cut the connection that carries the message with that number, counted from now.

        Args:
            number: The number of the message.
            kind: What becomes of the message.
            for_good: Whether nobody is connected after that.
        """
        with self._lock:
            self._count = 0
            self._cut = (number, kind)
            self._for_good = for_good

    @property
    def has_cut(self) -> bool:
        """Whether the message with the number of `cut` has come."""
        with self._lock:
            return self._cut is None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self._closed:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._server))
            except OSError:
                client.close()
                server.close()
                continue
            thread = threading.Thread(target=self._relay, args=(client, server))
            self._threads.append(thread)
            thread.start()

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        heard = _Notifications() if self._deaf else None
        with client, server, suppress(OSError):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(1 << 16)
                    kind = self._next() if ready is client and data else None
                    if kind == "late":
                        client.shutdown(socket.SHUT_RDWR)
                        time.sleep(LATE)
                    if not data or kind == "lost":
                        return
                    if ready is server and heard is not None:
                        data = heard.removed(data)
                    (server if ready is client else client).sendall(data)
                    if kind is not None:
                        server.recv(1 << 16)
                        return

    def _next(self) -> Cut | None:
        """Count a message: how to cut the connection at it, or None."""
        with self._lock:
            self._count += 1
            if self._cut is None or self._count != self._cut[0]:
                return None
            kind, self._cut = self._cut[1], None
            self._closed = self._for_good
            return kind
