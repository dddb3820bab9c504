"""URLs of servers: what is sent, what is shown, what credentials in them become, and what is refused."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcptasks._transport.targets import Options, resolve
from mcptasks._transport.urls import address, suggestion


def basic(text: str) -> str:
    """The header for a user and a password."""
    return f"Basic {b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("userinfo", "sent"),
    [
        ("user:pass", "user:pass"),
        ("user", "user:"),
        ("user:", "user:"),
        (":pass", ":pass"),
        ("user:pa:ss", "user:pa:ss"),
        ("user:p@ss", "user:p@ss"),
        ("us%40er:p%3Aa%2Fss%25", "us@er:p:a/ss%"),
        ("user:p%C3%A4ss", "user:p\u00e4ss"),
        ("\u00fcser:p\u00e4ss", "\u00fcser:p\u00e4ss"),
        ("user:p%zz", "user:p%zz"),
        ("user:two words".replace(" ", "%20"), "user:two words"),
    ],
)
def test_credentials(userinfo: str, sent: str) -> None:
    """Credentials in a URL become a header, percent-decoded and in UTF-8 (RFC 7617), and leave the URL."""
    found = address(f"https://{userinfo}@example.com:8443/mcp?k=1#part")
    assert found.authorization == basic(sent)
    assert found.url == "https://example.com:8443/mcp?k=1"
    assert found.endpoint == "https://example.com:8443/mcp"


@pytest.mark.parametrize("url", ["https://example.com/mcp", "https://@example.com/mcp"])
def test_no_credentials(url: str) -> None:
    """Without credentials there is no header."""
    assert address(url).authorization is None
    assert address(url).url == "https://example.com/mcp"


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://example.com/@scope/mcp?mail=a@b&x=%2F", "https://example.com/@scope/mcp?mail=a@b&x=%2F"),
        ("https://example.com", "https://example.com"),
        ("https://example.com?k=1", "https://example.com?k=1"),
        ("http://example.com:/mcp", "http://example.com:/mcp"),
        ("http://example.com./mcp", "http://example.com./mcp"),
        ("http://under_score/mcp", "http://under_score/mcp"),
        ("http://b\u00fccher.example/\u00fc", "http://b\u00fccher.example/\u00fc"),
        ("http://[fe80::1]/", "http://[fe80::1]/"),
        ("http://127.0.0.1:65535/", "http://127.0.0.1:65535/"),
    ],
)
def test_sent_as_it_is(url: str, sent: str) -> None:
    """All that is no credential is sent as it was given, and the library underneath can send it."""
    assert address(url).url == sent
    assert httpx2.URL(address(url).url).host


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com:0/", "no port 0"),
        ("http://example.com:00/", "no port 0"),
        ("http://example.com:65536/", "host or port is not valid"),
        ("http://example.com:-1/", "host or port is not valid"),
        ("http://example.com:1e3/", "host or port is not valid"),
        ("http://example.com:\u0661/", "host or port is not valid"),
        ("http:///mcp", "no host"),
        ("http://:80/mcp", "no host"),
        ("http://user:pass@/mcp", "no host"),
        ("http://[::1/", "host or port is not valid"),
        ("http://[::1]x/", "host or port is not valid"),
        ("http://[x]/", "host or port is not valid"),
        ("http://256.1.1.1/", "host or port is not valid"),
        ("http://\u2603.net/", "host or port is not valid"),
        ("http://a..b/", "host is not valid"),
        ("http://.a/", "host is not valid"),
        ("http://a,b/", "host is not valid"),
        ("http://ex%41mple.com/", "host is not valid"),
        (f"http://{'a' * 64}/", "host is not valid"),
        (f"http://{'a.' * 127}aa/", "host is not valid"),
        ("http://example.com/ a", "a space"),
        ("http://exa mple.com/", "a space"),
        (" http://example.com/", "white space at its beginning or end; remove it"),
        ("http://example.com/\n", "a newline at its end; remove the newline"),
        ("http://exam\nple.com/", "a newline inside"),
        ("http://exam\tple.com/", "a space"),
        ("http://example.com/\x00", "a NUL"),
        ("http://example.com/\x1b[2J", "a control character"),
        ("http://example.com/\u202e", "a control character or an invisible one"),
        ("http://example.com/\u00a0x", "a control character or an invisible one"),
        ("http://example.com/\ud800", "half a character"),
        ("http://example.com\\mcp", "a backslash"),
        ("http:\\\\example.com", "a backslash"),
    ],
)
def test_refused(url: str, words: str) -> None:
    """What cannot be sent as it is, is a `ValueError` that says why. Nothing is mended in silence."""
    with pytest.raises(ValueError, match=words) as caught:
        address(url)
    assert "example.com" not in str(caught.value).replace("mean http", "")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("localhost:8000/mcp", "http://localhost:8000/mcp"),
        ("localhost", "http://localhost"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("192.168.1.5:80/mcp", "http://192.168.1.5:80/mcp"),
        ("example.com/mcp", "https://example.com/mcp"),
        ("example.com:8443", "https://example.com:8443"),
        ("myserver:8000/mcp", "http://myserver:8000/mcp"),
        ("my_server:8000", "http://my_server:8000"),
        ("[::1]:8000/mcp", "http://[::1]:8000/mcp"),
        (":8000/mcp", "http://localhost:8000/mcp"),
        ("//localhost:8000/mcp", "http://localhost:8000/mcp"),
        ("http:/localhost:8000/mcp", "http://localhost:8000/mcp"),
        ("http//localhost:8000/mcp", "http://localhost:8000/mcp"),
        ("https:localhost", "https://localhost"),
        ("HTTP:/example.com", "http://example.com"),
        ("https:user:hunter2@example.com/mcp?k=hunter2", "https://example.com/mcp"),
        ("http:8000/mcp", "http://http:8000/mcp"),
        ("user:hunter2@example.com/mcp?k=hunter2#hunter2", "https://example.com/mcp"),
        ("server", None),
        ("example.com", None),
        ("path/to/server", None),
        ("./server", None),
        ("../server", None),
        ("/opt/server", None),
        ("C:\\server", None),
        ("user:80/hunter2@example.com/mcp", None),
        ("eyJhbGci.hunter2.c2ln", None),
        ("a b/c", None),
        ("", None),
    ],
)
def test_suggestions(text: str, meant: str | None) -> None:
    """A URL that lacks only its scheme is told with one, as a target and in an entry; nothing else is taken for one."""
    assert suggestion(text) == meant
    for target in (text, {"mcpServers": {"a": {"url": text}}}):
        with pytest.raises((TypeError, ValueError)) as caught:
            resolve(target, Options())
        assert ("did you mean" in str(caught.value)) is (meant is not None)
        assert meant is None or f"did you mean {meant}?" in str(caught.value)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "two"),
    [
        ({"auth": "t"}, "auth= and the credentials in the URL collide"),
        ({"auth": httpx2.BasicAuth("a", "b")}, "auth= and the credentials in the URL collide"),
        ({"headers": {"AUTHORIZATION": "x"}}, "the credentials in the URL and the header Authorization collide"),
        (
            {"headers": {"authorization": "x"}, "auth": "t"},
            "auth= and the credentials in the URL and the header Authorization collide",
        ),
    ],
)
@pytest.mark.parametrize("form", ["text", "entry", "sse"])
def test_collisions(options: dict[str, Any], two: str, form: str) -> None:
    """Two credentials for one header are a `ValueError` that names both: none silently beats the other."""
    url = "https://user:hunter2@example.com/mcp"
    entry = {"url": url, "type": "sse" if form == "sse" else "http"}
    with pytest.raises(ValueError, match=two):
        resolve(url if form == "text" else {"mcpServers": {"a": entry}}, Options(**options))


def test_collisions_in_an_entry() -> None:
    """The header of an entry collides with `auth=` too; `headers=` takes its place."""
    config = {"mcpServers": {"a": {"url": "https://example.com", "headers": {"Authorization": "x"}}}}
    with pytest.raises(ValueError, match="server 'a': auth= and the header Authorization collide"):
        resolve(config, Options(auth="t"))
    assert resolve(config, Options(headers={"authorization": "y"})).endpoint == "https://example.com"


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_given(userinfo: str, host: str, rest: str) -> None:
    """Any text is an address or a `ValueError`; an address has no credentials in it, and the HTTP library takes it."""
    try:
        found = address(f"https://{userinfo}@{host}/{rest}")
    except ValueError:
        return
    url = httpx2.URL(found.url)
    assert not url.userinfo
    assert url.host
    assert "?" not in found.endpoint
    assert found.endpoint.isprintable()
