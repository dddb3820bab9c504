"""The rules of the HTTP transport that need no network: redirects, proxies, statuses."""

from __future__ import annotations

import httpx2
import pytest

from mcptasks._core.faults import of_status
from mcptasks._transport.http import proxies
from mcptasks._transport.http.endpoint import retry_after
from mcptasks._transport.http.proxies import proxy_for
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


@pytest.mark.parametrize(
    ("url", "named", "expected"),
    [
        ("http://a.example.com/", {"http": "http://p:1"}, "http://p:1"),
        ("https://a.example.com/", {"http": "http://p:1"}, None),
        ("https://a.example.com/", {"all": "p:2"}, "http://p:2"),
        ("https://a.example.com/", {"https": "http://p:1", "all": "http://p:2"}, "http://p:1"),
        ("http://a.example.com/", {"http": "http://p:1", "no": "example.com"}, None),
        ("http://a.example.com/", {"http": "http://p:1", "no": ".example.com"}, None),
        ("http://a.example.com/", {"http": "http://p:1", "no": "*.example.com, x"}, None),
        ("http://notexample.com/", {"http": "http://p:1", "no": "example.com"}, "http://p:1"),
        ("http://a.example.com/", {"http": "http://p:1", "no": "*"}, None),
        ("http://a.example.com:81/", {"http": "http://p:1", "no": "example.com:80"}, "http://p:1"),
        ("http://a.example.com:81/", {"http": "http://p:1", "no": "example.com:81"}, None),
        ("http://10.1.2.3/", {"http": "http://p:1", "no": "10.0.0.0/8"}, None),
        ("http://11.1.2.3/", {"http": "http://p:1", "no": "10.0.0.0/8"}, "http://p:1"),
        ("http://[::1]:5/", {"http": "http://p:1", "no": "::1"}, None),
        ("http://[::1]:5/", {"http": "http://p:1", "no": "[::1]:5"}, None),
        ("http://localhost:5/", {"all": "socks5://p:1", "no": "localhost,127.0.0.1"}, None),
        ("http://a/", {"no": "b"}, None),
        ("http://a/", {"http": ""}, None),
    ],
)
def test_proxies(url: str, named: dict[str, str], expected: str | None) -> None:
    """The environment's proxy is used for all hosts but those that are excepted."""
    proxy = proxy_for(httpx2.URL(url), named)
    assert (None if proxy is None else str(proxy.url)) == expected


@pytest.mark.parametrize("value", ["ftp://p:1", "http://", "http://p:port", "http://user:s3cret@p:port"])
def test_no_proxies(value: str) -> None:
    """What is no proxy is a `ValueError` that names the variable and shows none of its value."""
    with pytest.raises(ValueError, match="ALL_PROXY") as caught:
        proxy_for(httpx2.URL("http://a/"), {"all": value})
    assert "s3cret" not in str(caught.value)


def test_a_socks_proxy_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy needs a package, which the error names."""

    def absent(_: str) -> None:
        """No package is there."""

    monkeypatch.setattr(proxies, "find_spec", absent)
    with pytest.raises(ValueError, match="HTTPS_PROXY names a SOCKS proxy, which needs the package socksio"):
        proxy_for(httpx2.URL("https://a/"), {"https": "socks5://p:1"})


@pytest.mark.parametrize(
    ("status", "session", "words", "code", "action", "sent", "patient"),
    [
        (503, False, "", None, "retry", True, False),
        (429, True, "", None, "retry", True, False),
        (500, False, "", None, "retry", True, False),
        (404, False, "", None, "retry", False, True),
        (410, False, "", None, "retry", True, True),
        (400, False, "", None, "raise", True, False),
        (401, False, "", None, "raise", False, False),
        (403, False, "", None, "raise", False, False),
        (413, False, "", None, "raise", False, False),
        (501, False, "", None, "raise", True, False),
        (404, True, "", None, "reopen", True, False),
        (404, True, "Session not found", -32001, "reopen", False, False),
        (400, True, "Bad Request: No valid session ID provided", -32000, "reopen", False, False),
        (400, True, "Bad Request: Server not initialized", -32000, "reopen", False, False),
        (400, True, "Missing session ID", -32600, "reopen", False, False),
        (400, True, "Session expired", None, "reopen", True, False),
        (400, True, "Parse error", -32700, "raise", True, False),
        (401, True, "", None, "reopen", True, False),
        (503, True, "", None, "retry", True, False),
    ],
)
def test_statuses(
    status: int, session: bool, words: str, code: int | None, action: str, sent: bool, patient: bool
) -> None:
    """An outage is waited for; a session that the server does not know, in whichever words, is made again; a refusal
    is told, with whether the work can have begun."""
    fault = of_status(status, f"HTTP {status}", in_session=session, words=words, code=code, wait=3.0)
    assert (fault.action, fault.sent, fault.patient) == (action, sent, patient)
    assert (fault.status, fault.retry_after, fault.meaning) == (status, 3.0, "connection")
    assert fault.reason == (f"HTTP {status}: {words}" if words else f"HTTP {status}")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("3", 3.0),
        (" 3 ", 3.0),
        ("0", 0.0),
        ("9" * 400, 999_999_999.0),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10.0),
        ("Sunday, 06-Nov-94 08:49:47 GMT", 10.0),
        ("Sun Nov  6 08:49:47 1994", 10.0),
        ("Sun, 06 Nov 1994 08:49:27 GMT", 0.0),
        ("-3", None),
        ("1.5", None),
        ("\u0663", None),
        ("soon", None),
        ("", None),
        ("Sun, " * 100_000, None),
        ("Sun, 06 Nov 999999 08:49:37 GMT", None),
    ],
)
def test_retry_after(value: str, expected: float | None) -> None:
    """Retry-After is whole seconds or an HTTP date in any of its three forms, all of them UTC; a past one is now, and
    nonsense is nothing."""
    assert retry_after({"retry-after": value}, 784111777.0) == expected
    assert retry_after({}, 784111777.0) is None
