"""Which proxy of the environment a URL needs."""

from __future__ import annotations

import httpx2
import pytest

from mcptasks._transport.http import proxies
from mcptasks._transport.http.proxies import proxy_for


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
