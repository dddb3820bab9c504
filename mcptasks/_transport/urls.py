"""URLs of servers: the form to send, the form to show, and the credentials, which no error shows. Pure."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit, urlunsplit

import httpx2
from attrs import field, frozen

from mcptasks._transport.checks import flaw

_SCHEMES = ("http", "https")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_SPOILT = re.compile(r"(?:(https?)(?::/?|//?)|//)(?=[^/\d:])", re.IGNORECASE)
"""A scheme that lacks a character or two, as in "http:/host". A digit must not follow: "//8000" may be a port."""
_PORT_FIRST = re.compile(r":\d")
_LABELS = re.compile(r"(?!.{254})[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
"""The name of a host, within the limits of DNS (RFC 1035, 2.3.4): 63 characters a label, 253 in all."""
_USELESS = "not a url that can be connected to"


@frozen(kw_only=True)
class Address:
    """A server's URL, taken apart."""

    url: str = field(repr=False)
    """The URL to send: without credentials and fragment."""
    endpoint: str
    """The URL to show: without credentials, fragment and query."""
    authorization: str | None = field(repr=False)
    """The Authorization header for the credentials in the URL (RFC 7617); None if there are none."""


def scheme_of(text: str) -> str | None:
    """The scheme of a text that looks like a URL; None if the text does not."""
    scheme, separator, _ = text.partition("://")
    return scheme if separator and _SCHEME.fullmatch(scheme) else None


def address(text: str) -> Address:
    """Take a URL apart.

    Raises:
        ValueError: The URL cannot be a server's. The message says why, and shows neither credentials nor query.
    """
    wrong = flaw(text) or ("a space" if any(map(str.isspace, text)) else "a backslash" if "\\" in text else None)
    if text and wrong is not None:
        raise ValueError(f"{_USELESS}: it has {wrong}")
    scheme = scheme_of(text)
    if scheme is None:
        hint = suggestion(text)
        raise ValueError(
            "cannot connect to a url without http:// or https://; "
            + (f"did you mean {hint}?" if hint else "use http:// or https://")
        )
    if scheme.lower() not in _SCHEMES:
        named = f"{scheme}://" if scheme.isalnum() else "without http:// or https://"
        raise ValueError(f"cannot connect to a url {named}; use http:// or https://")
    parts, port = _split(text)
    userinfo, _, place = parts.netloc.rpartition("@")
    authorization = _basic(userinfo) if userinfo else None
    host = str(parts.hostname)
    shown = f"[{host}]" if ":" in host else host
    return Address(
        url=urlunsplit((parts.scheme, place, parts.path, parts.query, "")),
        endpoint=f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{parts.path}",
        authorization=authorization,
    )


def _split(text: str) -> tuple[SplitResult, int | None]:
    """The parts of a URL, and its port; host and port are checked.

    Raises:
        ValueError: The host or port is missing or invalid.
    """
    # The libraries' errors are not chained: they show parts of the URL.
    found = None
    try:
        parts = urlsplit(text)
        bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
        found = parts, parts.port, httpx2.URL(bare).raw_host.decode("ascii") if parts.hostname else ""
    except (ValueError, httpx2.InvalidURL):
        pass
    if found is None:
        raise ValueError(f"{_USELESS}: its host or port is not valid")
    parts, port, host = found
    if not host:
        raise ValueError(f"{_USELESS}: no host in {parts.scheme}://...")
    if port == 0:
        raise ValueError(f"{_USELESS}: there is no port 0")
    if ":" not in host and not _LABELS.fullmatch(host):
        raise ValueError(f"{_USELESS}: its host is not valid")
    return parts, port


def _basic(userinfo: str) -> str:
    """The value of the Authorization header for a URL's credentials.

    Raises:
        ValueError: The credentials cannot be sent.
    """
    user, _, password = userinfo.partition(":")
    raw = unquote_to_bytes(user), unquote_to_bytes(password)
    try:
        texts = [part.decode("utf-8") for part in raw]
    except UnicodeDecodeError:
        texts = []
    if not texts:
        raise ValueError("the credentials in the url are not UTF-8, percent-encoded")
    if ":" in texts[0]:
        raise ValueError("the user's name in the url has a colon, which HTTP cannot send (RFC 7617, 2)")
    if not all(map(str.isprintable, texts)):
        raise ValueError("the credentials in the url have a control character or an invisible one")
    return f"Basic {b64encode(b':'.join(raw)).decode('ascii')}"


def suggestion(text: str) -> str | None:
    """Guesses the URL that a text without a scheme stands for, and leaves credentials and query out.

    Returns None if the text may be something else than a URL.
    """
    if flaw(text) or any(map(str.isspace, text)) or "\\" in text:
        return None
    spoilt = _SPOILT.match(text)
    text = text[spoilt.end() :] if spoilt else text
    try:
        parts = urlsplit(f"//localhost{text}" if _PORT_FIRST.match(text) else f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    # A password with a slash in it would look like a host and a path.
    if "@" in parts.path or not (_LABELS.fullmatch(host) or _is_address(host)):
        return None
    local = host == "localhost" or _is_address(host)
    if not (spoilt or local or port or ("." in host.strip(".") and parts.path)):
        return None
    # A name without a dot belongs to the local network, as that of a container does.
    near = "." not in host or (_is_address(host) and not ipaddress.ip_address(host).is_global)
    scheme = (spoilt.group(1) or "").lower() if spoilt else ""
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme or ('http' if near else 'https')}://{shown}{f':{port}' if port else ''}{parts.path}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
