"""Names in a group of servers: prefixed, split again, and never ambiguous."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks._core.server_names import ServerNames, one_by_endpoint

NAMES = ServerNames(("git", "hub"), "_")


@pytest.mark.parametrize("name", ["search", "_", "hub_search", "git_"])
@pytest.mark.parametrize("server", NAMES.names)
def test_split_undoes_prefixed(server: str, name: str) -> None:
    """The server and the name come back, whatever the tool is called."""
    assert NAMES.split(NAMES.prefixed(server, name), "tool") == (server, name)


@pytest.mark.parametrize("name", ["search", "git", "git_", "github_search", ""])
def test_names_of_no_server(name: str) -> None:
    """A name that begins with no server's name, or that is nothing but one, is refused."""
    with pytest.raises(ValueError, match=r"tool|name must not be empty"):
        NAMES.split(name, "tool")


@pytest.mark.parametrize(
    ("names", "separator"), [(("git", "git_hub"), "_"), (("x_", "x"), "__"), (("a", "a"), "."), (("", "a"), "_")]
)
def test_ambiguous_names(names: Any, separator: str) -> None:
    """Servers that a name may both belong to are refused, in either order."""
    for order in (names, names[::-1]):
        with pytest.raises(ValueError, match=r"give another separator=|empty"):
            ServerNames(order, separator)


def test_endpoints() -> None:
    """An endpoint leads to its one server, to none, or to an error that names the several."""
    assert one_by_endpoint({"a": "x", "b": "y"}, "y") == "b"
    assert one_by_endpoint({"a": "x"}, "y") is None
    with pytest.raises(ValueError, match="a, b have the same endpoint"):
        one_by_endpoint({"a": "x", "b": "x"}, "x")
