"""Servers that speak TLS, with a certificate that no client trusts by default."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLt3/vLw+NxBfoNnn
5O0192C7kbIhg/EIpzL60w/oqBahRANCAASbnfCA8iKI3s8aygZVr32EdbMQzMy3
aa9Cg9AlO+c722riloH1678yF4yJxzcPXD8NW3bDYSvJJahZal++i84+
-----END PRIVATE KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUa4Q4CIX6sDbzrt1sAkESuorUMA4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTExMTUzM1oYDzIxMjYxMTA1
MTExNTMzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASbnfCA8iKI3s8aygZVr32EdbMQzMy3aa9Cg9AlO+c722riloH1678y
F4yJxzcPXD8NW3bDYSvJJahZal++i84+o28wbTAdBgNVHQ4EFgQUOWE6iUZQl7fc
82utq2WNVwTRixgwHwYDVR0jBBgwFoAUOWE6iUZQl7fc82utq2WNVwTRixgwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgaHkxs6+f0bNQDmyGHHzmzTGM7jy0uLXY1lIkUBKuOJwCIQCf
O5ZQekItnD7OY3795jWDtVoJCXsULM1PmHXqeovf3g==
-----END CERTIFICATE-----
"""
"""For localhost and 127.0.0.1, until the year 2126; the key is for tests only."""


def write_files(folder: Path) -> tuple[str, str]:
    """Write the certificate and its key to files, and return their paths."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_text(CERTIFICATE, encoding="ascii")
    key.write_text(KEY, encoding="ascii")
    return str(certificate), str(key)


@contextmanager
def running(app: Any, **options: Any) -> Generator[str]:
    """Run uvicorn on loopback and a free port, in a thread; yields host and port."""
    settings: dict[str, Any] = {"log_config": None, "timeout_graceful_shutdown": 1, **options}
    runner = uvicorn.Server(uvicorn.Config(app, **settings))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # A client that comes before the server has started waits.
        thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            runner.should_exit = True
            thread.join()


@contextmanager
def tls_only(folder: Path, *, first: bytes) -> Generator[str]:
    """A server that speaks TLS, and answers with the bytes `first` if a client sends plain HTTP; yields host and
    port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_files(folder))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context, first))
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, context: ssl.SSLContext, first: bytes) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # The listener was closed.
            return
        with connection:
            connection.settimeout(60)
            try:
                if connection.recv(1, socket.MSG_PEEK) == b"\x16":  # A TLS handshake (RFC 8446, 5.1).
                    context.wrap_socket(connection, server_side=True).close()
                elif _read_request(connection):
                    connection.sendall(first)
            except OSError:
                pass


def _read_request(connection: socket.socket) -> bool:
    """Read a whole request. If a part were left unread, closing would reset the connection, and the client might never
    see the answer."""
    read = b""
    while True:
        head, ending, body = read.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if ending and len(body) >= (int(length[1]) if length else 0):
            return True
        piece = connection.recv(65536)
        if not piece:
            return False
        read += piece
