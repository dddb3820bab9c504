"""Decides which redirects are followed, and words the errors for the others. Pure.

A redirect is followed if the message stays whole and at the same origin: 307 and 308 for any request (Starlette and
FastAPI mounts redirect `/mcp` to `/mcp/`), all redirects for a GET. No part of a request, neither credentials nor
arguments, goes to another origin.
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx2

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""HTTP statuses whose header Location names another URL (RFC 9110, 15.4)."""

LONGEST = 10
"""How many redirects one request may follow; the next is an error, for they may go in a circle. A mount needs one."""


def followed(method: str, status: int, sent_to: httpx2.URL, headers: Mapping[str, str]) -> httpx2.URL | None:
    """The URL to send the request to again; None if the redirect must not be followed.

    Args:
        method: The request's method.
        status: The response's status.
        sent_to: The request's URL.
        headers: The response's headers.
    """
    place = location(sent_to, headers)
    if place is None or not (status in (307, 308) or (method == "GET" and status in REDIRECTS)):
        return None
    return place if _origin(place) == _origin(sent_to) and not place.userinfo else None


def location(sent_to: httpx2.URL, headers: Mapping[str, str]) -> httpx2.URL | None:
    """The URL in a response's header Location; None without a valid one."""
    value = headers.get("location")
    if value is None:
        return None
    try:
        place = sent_to.join(value)
    except (httpx2.InvalidURL, ValueError, TypeError):
        return None
    return place.copy_with(fragment=None) if place.host and place.scheme in ("http", "https") else None


def refusal(status: int, sent_to: httpx2.URL, headers: Mapping[str, str]) -> str:
    """Says why a redirect was not followed, and what to do."""
    place = location(sent_to, headers)
    if place is None:
        return f"HTTP {status}: a redirect that does not say where to"
    shown = place.copy_with(userinfo=b"", query=None)
    if _origin(place) == _origin(sent_to) and not place.userinfo:
        how = (
            "it was the last of too many" if status in (307, 308) else "it would drop the message (307 or 308 keep it)"
        )
        return f"HTTP {status}: a redirect to {shown} was not followed: {how}"
    if sent_to.scheme == "https" and place.scheme == "http":
        secure = shown.copy_with(scheme="https", port=None if place.port == 80 else place.port)
        return (
            f"HTTP {status}: a redirect to {shown} was not followed, since it leaves https; try {secure}, "
            "or mend the proxy that hides the scheme from the server"
        )
    return f"HTTP {status}: a redirect to {shown}, another origin, was not followed; use that URL if it is meant"


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
