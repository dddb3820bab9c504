"""An HTTP client for the SDK's `sse_client` that hides secrets in URLs and bounds the answers to POSTs.

httpx2 writes the URL of each request to its log at level INFO, and puts the URL into its errors for bad statuses.
`sse_client` reads the answer to a POST to its end, however long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2

from mcptasks._transport.http.senders import whole


class DiscreetURL(httpx2.URL):
    """A URL that is sent unchanged, and shown in another form."""

    def __init__(self, url: httpx2.URL, shown: str) -> None:
        super().__init__(url)
        self._shown = shown

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"URL({self._shown!r})"

    def join(self, url: httpx2.URL | str) -> httpx2.URL:
        """Resolves a URL against the true URL, not against the form that is shown."""
        return httpx2.URL(self).join(url)


class _DiscreetClient(httpx2.AsyncClient):
    """An HTTP client that shows the same text in place of every URL."""

    def __init__(self, shown: str, **options: Any) -> None:
        super().__init__(**options)
        self._shown = shown

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request."""
        if not isinstance(request.url, DiscreetURL):
            request.url = DiscreetURL(request.url, self._shown)
        options["stream"] = True
        response = await super().send(request, **options)
        if request.method == "GET":
            return response  # The event stream, whose bytes are counted where they are read.
        bounded = await whole(response)
        bounded.next_request = response.next_request
        return bounded


def discreet_clients(shown: str) -> Callable[..., httpx2.AsyncClient]:
    """A factory of HTTP clients for the SDK's `sse_client`.

    Args:
        shown: The text to show in place of every URL: a name, or the URL without the parts that may be secret.
    """

    def make(
        headers: dict[str, str] | None = None, timeout: httpx2.Timeout | None = None, auth: httpx2.Auth | None = None
    ) -> httpx2.AsyncClient:
        return _DiscreetClient(shown, headers=headers, timeout=timeout, auth=auth)

    return make
