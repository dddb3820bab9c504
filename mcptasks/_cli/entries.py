"""One server in a configuration of this or of another program, in the form in which `Client` takes it. Pure.

Programs differ in a few names: VS Code says `servers`, Windsurf `serverUrl`, Gemini `httpUrl`. Values may refer to the
environment: `${NAME}`, `${NAME:-default}` and `${env:NAME}`; in VS Code also to `${input:ID}`, `${workspaceFolder}` and
`${userHome}`. Messages name entries, fields and variables, and show no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from attrs import field, frozen

from mcptasks._cli import jsonc

_VARIABLE = re.compile(r"\$\{(?P<kind>env:|input:)?(?P<name>[^}:]+)(?::-(?P<default>[^}]*))?\}")
_URLS = ("url", "httpUrl", "serverUrl")
_KEPT = ("type", "transport", "command", "args", "env", "cwd", "headers")

Ask = Callable[[str, str, bool], str]
"""Asks a person for an input of VS Code: its id, its description, whether it is secret. Raises `ValueError` if nobody
can be asked."""


@frozen
class Entry:
    """A server that a file configures."""

    name: str
    fields: Mapping[str, Any] = field(repr=False)
    """The entry as it stands in the file."""
    path: Path
    """The file."""
    source: str
    """The program whose file it is: "mcptasks", "claude-code", "cursor" and so on; "file" for one that was named."""
    project: bool = False
    """Whether the file belongs to a folder, such as a cloned repository, rather than to the user."""
    inputs: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """The inputs that the file declares, by id (VS Code)."""

    @property
    def kind(self) -> str:
        """The transport to the server: "http", "sse" or "stdio"."""
        said = str(self.fields.get("type") or self.fields.get("transport") or "").lower()
        if not any(name in self.fields for name in _URLS):
            return "stdio"
        return "sse" if said == "sse" or ("url" in self.fields and self.source == "gemini") else "http"

    @property
    def place(self) -> str:
        """Where the server is, without a secret: scheme, host and path of a URL, or the name of a program."""
        url = next((self.fields[name] for name in _URLS if isinstance(self.fields.get(name), str)), None)
        if isinstance(url, str):
            return shown_url(url)
        command = self.fields.get("command")
        return Path(command).name if isinstance(command, str) else "?"


def shown_url(url: str) -> str:
    """Return a URL without credentials, query and fragment, which may be secrets."""
    scheme, separator, rest = url.partition("://")
    bare = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = bare.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def read(text: str, path: Path, source: str, *, project: bool = False) -> list[Entry]:
    """Return the servers of a file.

    Args:
        text: The content of the file.
        path: The file.
        source: The program whose file it is.
        project: Whether the file belongs to a folder rather than to the user.

    Raises:
        ValueError: The file is no configuration of servers. The message begins with the path.
    """
    try:
        value = jsonc.load(text)
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path}: must hold a JSON object")
    return of_object(cast("dict[str, Any]", value), path, source, project=project)


def of_object(value: Mapping[str, Any], path: Path, source: str, *, project: bool = False) -> list[Entry]:
    """Return the servers of one object with `mcpServers` (or `servers`); see `read`."""
    key = "servers" if "mcpServers" not in value and "servers" in value else "mcpServers"
    servers = value.get(key)
    if servers is None:
        return []
    if not isinstance(servers, Mapping):
        raise ValueError(f"{path}: {key} must be an object")
    found = cast("Mapping[str, Any]", servers)
    wrong = next((name for name, each in found.items() if not isinstance(each, Mapping)), None)
    if wrong is not None:
        raise ValueError(f"{path}: the entry {wrong!r:.80} must be an object")
    inputs = _inputs(value.get("inputs"))
    return [
        Entry(name=name, fields=each, path=path, source=source, project=project, inputs=inputs)
        for name, each in found.items()
    ]


def _inputs(declared: object) -> dict[str, Any]:
    several: list[Any] = cast("list[Any]", declared) if isinstance(declared, list) else []
    return {
        each["id"]: each
        for each in several
        if isinstance(each, Mapping) and isinstance(cast("Mapping[str, Any]", each).get("id"), str)
    }


def resolved(entry: Entry, environ: Mapping[str, str], ask: Ask) -> dict[str, Any]:
    """Return the entry in the form of `mcpServers`, with the variables filled in.

    Args:
        entry: The entry.
        environ: The environment.
        ask: Asks for inputs that the environment does not have.

    Raises:
        ValueError: A variable is not set, or the entry names no server.
    """
    fields = {name: entry.fields[name] for name in _KEPT if entry.fields.get(name) is not None}
    urls = [name for name in _URLS if isinstance(entry.fields.get(name), str)]
    if urls:
        fields["url"] = entry.fields[urls[-1]]
        fields.setdefault("type", entry.kind)
    if "url" not in fields and "command" not in fields:
        raise ValueError(f"{_where(entry)} has neither a URL nor a command")
    known: dict[str, str] = {}

    def fill(match: re.Match[str]) -> str:
        found = _variable(match, entry, environ)
        if found is None and match["kind"] == "input:":
            name = match["name"]
            if name not in known:
                declared = cast("Mapping[str, Any]", entry.inputs.get(name, {}))
                known[name] = ask(name, str(declared.get("description") or name), bool(declared.get("password")))
            found = known[name]
        if found is None:
            raise ValueError(f"{_where(entry)} uses the variable {match['name']}, which is not set")
        return found

    return cast("dict[str, Any]", _filled(fields, fill))


def _variable(match: re.Match[str], entry: Entry, environ: Mapping[str, str]) -> str | None:
    """The value of one variable; None if there is none."""
    name = match["name"]
    if match["kind"] == "input:":
        return environ.get(f"MCPTASKS_INPUT_{re.sub(r'[^A-Z0-9]', '_', name.upper())}")
    if match["kind"] is None and name in ("workspaceFolder", "userHome"):
        return str(entry.path.parent.parent if name == "workspaceFolder" else Path.home())
    value = environ.get(name)
    # An empty variable counts as not set, as in a shell's `:-`.
    return match["default"] if not value and match["default"] is not None else value


def _filled(value: Any, fill: Callable[[re.Match[str]], str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(fill, value)
    if isinstance(value, Mapping):
        return {name: _filled(each, fill) for name, each in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [_filled(each, fill) for each in cast("list[Any]", value)]
    return value


def _where(entry: Entry) -> str:
    return f"{entry.path}: the entry {entry.name!r:.80}"
