"""Which proxy of the environment a URL needs. Pure.

`HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` name proxies. `NO_PROXY` lists the hosts that need none, in the form that
curl reads: names (with all subdomains), addresses and networks (`10.0.0.0/8`), each with or without a port, or `*`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from importlib.util import find_spec

import httpx2


def proxy_for(url: httpx2.URL, named: Mapping[str, str]) -> httpx2.Proxy | None:
    """The proxy for a URL; None if the server is to be reached without a proxy.

    Args:
        url: The server's URL.
        named: The environment's proxies, as `urllib.request.getproxies()` returns them.

    Raises:
        ValueError: The environment's value is not a proxy's URL, or the proxy needs a package that is not installed.
    """
    found = named.get(url.scheme) or named.get("all")
    if not found or _excepted(url.host, url.port or (443 if url.scheme == "https" else 80), named.get("no", "")):
        return None
    variable = f"{url.scheme}_proxy" if named.get(url.scheme) else "all_proxy"
    try:
        proxy = httpx2.Proxy(found if "://" in found else f"http://{found}")
    except (ValueError, httpx2.InvalidURL):
        proxy = None
    if proxy is None or not proxy.url.host:
        # The value is not shown: it may hold a password.
        raise ValueError(f"the environment variable {variable.upper()} names no proxy that can be used")
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ValueError(
            f"the environment variable {variable.upper()} names a SOCKS proxy, which needs the package socksio: "
            "install it, or name the server's host in NO_PROXY"
        )
    return proxy


def _excepted(host: str, port: int, exceptions: str) -> bool:
    host = host.strip("[]").rstrip(".").lower()
    return any(_matches(host, port, entry.strip().lower()) for entry in exceptions.split(","))


def _matches(host: str, port: int, entry: str) -> bool:
    entry = entry.partition("://")[2] or entry
    name, separator, wanted = entry.rpartition(":")
    if separator and wanted.isdigit() and (":" not in name or name.endswith("]")):
        if int(wanted[:6]) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        name = entry.removeprefix("*").lstrip(".").rstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
