"""The servers of a group by name, and names of tools and prompts that begin with the name of their server. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

from attrs import frozen

from mcptasks._core import argument_checks, safe_text


@frozen
class ServerNames:
    """The names of a group's servers.

    Raises:
        TypeError: The separator or a name is no string.
        ValueError: The separator or a name is empty, or two servers may have tools of the same prefixed name.
    """

    names: Sequence[str]
    separator: str

    def __attrs_post_init__(self) -> None:
        argument_checks.text(self.separator, "separator")
        for name in self.names:
            argument_checks.text(name, "the name of a server")
        for one, other in permutations(self.names, 2):
            if f"{other}{self.separator}".startswith(f"{one}{self.separator}"):
                raise ValueError(
                    f"a name that begins with {one + self.separator!r} may belong to server {one!r} or to {other!r}; "
                    "give another separator="
                )

    def prefixed(self, server: str, name: str) -> str:
        """The name of a server's tool or prompt in the group."""
        return f"{server}{self.separator}{name}"

    def split(self, name: Any, what: str) -> tuple[str, str]:
        """The server of a tool or prompt, and the name that the server uses.

        Args:
            name: The name in the group.
            what: The noun for the error: "tool" or "prompt".

        Raises:
            TypeError: The name is no string.
            ValueError: The name begins with the name of no server.
        """
        text = argument_checks.text(name, "name")
        for server in self.names:
            prefix = f"{server}{self.separator}"
            if text.startswith(prefix) and text != prefix:
                return server, text[len(prefix) :]
        known = ", ".join(f"{server}{self.separator}..." for server in self.names)
        raise ValueError(f"no server of the group has the {what} {safe_text.short(text, 80)}; names are: {known}")

    def known(self, server: Any) -> str:
        """A server's name, checked.

        Raises:
            TypeError: The name is no string.
            ValueError: The group has no server of that name.
        """
        name = argument_checks.text(server, "server")
        if name not in self.names:
            raise ValueError(f"no server {safe_text.short(name, 80)} in the group; there are: {', '.join(self.names)}")
        return name


def one_by_endpoint(endpoints: Mapping[str, str], endpoint: str) -> str | None:
    """The server that a reference's endpoint names; None if there is none.

    Args:
        endpoints: The endpoint of each server, by the server's name.
        endpoint: The reference's endpoint.

    Raises:
        ValueError: Several servers have that endpoint.
    """
    found = [name for name, known in endpoints.items() if known == endpoint]
    if len(found) > 1:
        raise ValueError(f"{', '.join(found)} have the same endpoint; say with server= which of them the task is at")
    return found[0] if found else None
