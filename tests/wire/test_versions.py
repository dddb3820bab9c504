"""Which protocol versions are asked for, and what is made of a server's refusal."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import MCPError
from mcp.server.mcpserver import MCPServer
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS

from mcptasks import Client
from mcptasks._wire.versions import Terms, agreed, hint, terms_of, unspeakable


@pytest.mark.parametrize(
    ("mode", "terms"),
    [
        ("auto", Terms(mode="auto")),
        ("legacy", Terms(mode="legacy")),
        ("2024-11-05", Terms(mode="legacy", offered="2024-11-05")),
        ("2025-03-26", Terms(mode="legacy", offered="2025-03-26")),
        ("2025-06-18", Terms(mode="legacy", offered="2025-06-18")),
        ("2025-11-25", Terms(mode="legacy", offered="2025-11-25")),
        ("2026-07-28", Terms(mode="2026-07-28")),
    ],
)
def test_modes(mode: str, terms: Terms) -> None:
    """Every version that the SDK speaks is a mode; those of the handshake are offered in it."""
    assert terms_of(mode) == terms


def test_every_version_is_a_mode() -> None:
    """So also with an SDK that knows more of them."""
    assert all(terms_of(version) for version in KNOWN_PROTOCOL_VERSIONS)


@pytest.mark.parametrize("mode", ["", "newest", "1999-01-01", "2025-11-25 ", "AUTO"])
def test_unknown_modes(mode: str) -> None:
    """Any other is a `ValueError` that lists them."""
    with pytest.raises(ValueError, match=r"^mode must be one of auto, legacy, 2024-11-05, .*2026-07-28; got '"):
        Client(["server"], mode=mode)


@pytest.mark.parametrize("mode", [None, 5, ["auto"]])
def test_modes_of_a_wrong_type(mode: Any) -> None:
    """What is no string is a `TypeError`."""
    with pytest.raises(TypeError, match=r"^mode must be one of auto, legacy, "):
        Client(["server"], mode=mode)


def test_an_mcpserver_object() -> None:
    """The SDK runs an `MCPServer` without streams in which a version could be put; it speaks the newest of them."""
    Client(MCPServer("plain"), mode="2025-11-25")
    with pytest.raises(ValueError, match="mode='2025-06-18' has no meaning for an MCPServer object"):
        Client(MCPServer("plain"), mode="2025-06-18")


def test_later_connections() -> None:
    """They keep the version that the first one came to, and what it discovered."""
    assert agreed("2025-03-26", None) == Terms(mode="legacy", offered="2025-03-26")
    assert agreed("2026-07-28", "found") == Terms(mode="2026-07-28", prior="found")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1999-01-01", "answers with the protocol version '1999-01-01', which this client does not speak"),
        ("x" * 1000, "which this client does not speak"),
        ("\x1b[2J", r"'\\x1b\[2J'"),
        ("2026-07-28", "give mode='2026-07-28'"),
    ],
)
def test_answers_that_name_no_version_of_the_handshake(version: str, words: str) -> None:
    """They are an error that has the server's word, short and harmless."""
    error = unspeakable({"protocolVersion": version})
    assert error is not None
    assert len(error.message) < 250
    with pytest.raises(ValueError, match=words):
        raise ValueError(error.message)


@pytest.mark.parametrize("answer", [{}, {"protocolVersion": 5}, {"protocolVersion": "2024-11-05"}])
def test_other_answers(answer: dict[str, Any]) -> None:
    """What is well, or garbled in another way, is none."""
    assert unspeakable(answer) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"supported": ["2025-03-26", "2025-06-18"]},
            " (the server speaks 2025-06-18, 2025-03-26: give mode='2025-06-18')",
        ),
        ({"supported": ["1999-01-01"]}, " (the server names no version that this client speaks)"),
        ({"supported": [None, 5, "2025-03-26"]}, " (the server speaks 2025-03-26: give mode='2025-03-26')"),
        ({"supported": "2025-03-26"}, ""),
        ({"supported": None}, ""),
        (None, ""),
        ("words", ""),
    ],
)
def test_hints(data: Any, said: str) -> None:
    """A refusal that names what the server speaks is told with the mode to give."""
    assert hint(MCPError(code=-32022, message="Unsupported protocol version", data=data)) == said
    assert not hint(ConnectionError("gone"))
