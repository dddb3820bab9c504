"""The header Retry-After, as the endpoint reads it. Whole exchanges are tested in test_transport.py."""

from __future__ import annotations

import pytest

from mcptasks._transport.http.endpoint import retry_after


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
