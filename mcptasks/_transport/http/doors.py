"""Finds out whether a server that gave no HTTP answer to a first request speaks TLS, and says so in the error."""

from __future__ import annotations

import ssl

import anyio
import httpx2
from attrs import evolve
from mcp import MCPError

from mcptasks._core.faults import Fault
from mcptasks._transport.http.advice import TRY_HTTPS, about_tls
from mcptasks._transport.http.faults import failure

_LOOK_SECONDS = 3.0
"""Seconds that a server has for a TLS handshake that is only a test; a slower server counts as one without TLS. The
program waits meanwhile for an error."""


async def explained(exc: MCPError, url: httpx2.URL, *, direct: bool) -> MCPError:
    """Adds advice to the failure of a first request. A failure with advice is final: another request would not help.

    Returns the failure unchanged if there is no advice.

    Args:
        exc: The failure; its data is a `Fault` if there was no HTTP answer.
        url: The URL of the request.
        direct: Whether our connections go to the server without a proxy; otherwise a test would tell nothing.
    """
    fault = exc.data
    if not isinstance(fault, Fault) or fault.status is not None or fault.action == "raise":
        return exc
    advice = about_tls(url, fault.reason)
    # A TLS server that gets plain HTTP hangs up, or answers with a TLS alert, which is not HTTP.
    if not advice and direct and url.scheme == "http" and fault.sent and await _speaks_tls(url):
        advice = TRY_HTTPS
    return failure(evolve(fault, action="raise", reason=f"{advice} ({fault.reason})")) if advice else exc


async def _speaks_tls(url: httpx2.URL) -> bool:
    """Whether a server takes part in a TLS handshake. Nothing else is sent, so the certificate need not be trusted."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with anyio.move_on_after(_LOOK_SECONDS):
            async with await anyio.connect_tcp(
                url.host, url.port or 80, ssl_context=context, tls_standard_compatible=False
            ):
                return True
    except ssl.SSLError as exc:
        return "ALERT" in (exc.reason or "")  # Only a TLS server refuses a handshake with an alert.
    except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
        pass
    return False
