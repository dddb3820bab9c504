"""Which redirects are followed, and what the errors for the others say."""

from __future__ import annotations

import httpx2
import pytest

from mcptasks._transport.http.redirects import followed, refusal

SENT = httpx2.URL("https://example.com/mcp?key=secret")


@pytest.mark.parametrize(
    ("method", "status", "location", "expected"),
    [
        ("POST", 307, "/mcp/", "https://example.com/mcp/"),
        ("POST", 308, "mcp/", "https://example.com/mcp/"),
        ("POST", 307, "https://example.com:443/x", "https://example.com/x"),
        ("POST", 307, "https://EXAMPLE.com/x", "https://example.com/x"),
        ("POST", 307, "/x#part", "https://example.com/x"),
        ("POST", 301, "/mcp/", None),
        ("POST", 302, "/mcp/", None),
        ("POST", 303, "/mcp/", None),
        ("GET", 301, "/mcp/", "https://example.com/mcp/"),
        ("DELETE", 303, "/mcp/", None),
        ("POST", 307, "http://example.com/mcp", None),
        ("POST", 307, "https://example.com:8443/mcp", None),
        ("POST", 307, "https://evil.com/mcp", None),
        ("POST", 307, "//evil.com/mcp", None),
        ("POST", 307, "https://user:pass@example.com/mcp", None),
        ("POST", 307, "mailto:x", None),
        ("POST", 307, "https://example.com:port/", None),
        ("POST", 307, "http://[", None),
        ("POST", 307, "https://example.com\x7f/", None),
    ],
)
def test_redirects(method: str, status: int, location: str, expected: str | None) -> None:
    """A redirect is followed within the origin and where it keeps the message; nothing else is."""
    place = followed(method, status, SENT, {"location": location})
    assert (None if place is None else str(place)) == expected


@pytest.mark.parametrize(
    ("status", "location", "words"),
    [
        (307, "https://other.com/mcp?token=secret", "to https://other.com/mcp, another origin, was not followed"),
        (307, "https://user:secret@other.com/mcp", "to https://other.com/mcp, another origin"),
        (307, "http://example.com/mcp/", "since it leaves https; try https://example.com/mcp/"),
        (302, "/mcp/", "to https://example.com/mcp/ was not followed: it would drop the message"),
        (307, "/mcp", "to https://example.com/mcp was not followed: it was the last of too many"),
        (307, "mailto:x", "a redirect that does not say where to"),
    ],
)
def test_refused_redirects(status: int, location: str, words: str) -> None:
    """A redirect that is not followed is told with the URL to use, and without a query or credentials."""
    told = refusal(status, SENT, {"location": location})
    assert words in told
    assert "secret" not in told
