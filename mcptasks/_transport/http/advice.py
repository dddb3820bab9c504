"""Advice for the errors about a server that has never answered: what the program can do. Pure.

The advice shows no more of the URL than its scheme, since a path may be secret.
"""

from __future__ import annotations

import httpx2

_ELSEWHERE = frozenset({404, 405, 410, 501})
"""HTTP statuses with which a web server answers if there is no MCP endpoint at the path (RFC 9110, 15.5 and 15.6)."""
_WANTS_TLS = (
    b"plain HTTP request was sent to HTTPS port",  # nginx
    b"HTTP request to an HTTPS server",  # Go, and Caddy
    b"speaking plain HTTP to an SSL-enabled server",  # Apache
    b"requires TLS",  # Tomcat
)
"""Words of web servers, always with status 400, in answer to a request without TLS where they expect TLS."""
_NO_TLS = (
    *("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "BAD_RECORD_TYPE"),
    *("UNKNOWN_PROTOCOL", "record layer failure", "wrong version number"),
)
"""The names that versions of OpenSSL give to the fault that an answer is not TLS."""
_HUNG_UP = ("UNEXPECTED_EOF", "EOF occurred", "closed (EOF)", "reset by peer", "Connection aborted")
"""Words of errors that mean: the server ended the connection during the handshake."""

TRY_HTTPS = "the server speaks TLS there; try https://"


def about_status(status: int, url: httpx2.URL, content: bytes) -> str:
    """Advice on a status that refuses a first request; empty if there is none.

    Args:
        status: The HTTP status.
        url: The URL of the request.
        content: The beginning of the response's body.
    """
    if status == 400 and url.scheme == "http" and any(words in content for words in _WANTS_TLS):
        return TRY_HTTPS
    return f"the server answered {status}{usual_path(url)}" if status in _ELSEWHERE and usual_path(url) else ""


def usual_path(url: httpx2.URL) -> str:
    """Ends a sentence with the usual path of MCP servers; empty if the URL has such a path already."""
    return "" if "mcp" in url.path.lower() else "; MCP servers are usually at /mcp"


def about_tls(url: httpx2.URL, reason: str) -> str:
    """Advice on a connection over TLS that could not be made; empty if there is none.

    Args:
        url: The URL of the request.
        reason: The HTTP library's words.
    """
    if url.scheme != "https":
        return ""
    if any(name in reason for name in _NO_TLS):
        return "the server does not speak TLS there; try http://"
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return (
            "the server's certificate is not trusted; name the file of its authority in SSL_CERT_FILE, or give an "
            "http_client with its own verify="
        )
    if any(words in reason for words in _HUNG_UP):
        return "the server ended the connection during the TLS handshake; if it does not speak TLS, try http://"
    return ""
