"""Checks the arguments that come with a server and may hold a secret: headers, tokens, variables, commands.

An error names the place, the wrong type and the right one, and shows no value. Pure, except for `command`, `is_file`
and `why_no_file`, which look at the file system.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from mcp.client.stdio import StdioServerParameters

from mcptasks._core import safe_text

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header (RFC 9110, 5.1 and 5.6.2)."""
_SET_BY_THE_CLIENT = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "last-event-id",
        "transfer-encoding",
    }
)
"""Headers that belong to the protocol or to HTTP itself, besides those whose names begin with "mcp-"."""
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
"""The beginning of `NAME=value`, which a shell would take for a variable."""
_LONGEST_NAME = 200
"""How many characters an endpoint's name may have; a longer one is refused. Names go into log lines and errors."""
_VOWELS = frozenset("aeio")
"""Letters that follow the article "an". "u" is not among them: we write "a URL"."""
_REMOVE_IT = "white space at its beginning or end; remove it"


def kind_of(value: Any) -> str:
    """Names a value's type and does not show the value: "an int", "a list", "None"."""
    if value is None:
        return "None"
    name = type(value).__name__
    return name if name == "bytes" else f"{'an' if name[:1].lower() in _VOWELS else 'a'} {name}"


def flaw(text: str) -> str | None:
    """Names the first thing in a text that cannot be part of one line of a protocol, to follow "it has"; or None."""
    if "\x00" in text:
        return "a NUL character"
    if text.rstrip("\r\n") != text:
        return "a newline at its end; remove the newline"
    if "\n" in text or "\r" in text:
        return "a newline inside"
    if text.strip() != text:
        return _REMOVE_IT
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "half a character (a lone surrogate)"
    if not text.replace("\t", " ").isprintable():
        return "a control character or an invisible one"
    return None


# --- headers and tokens -------------------------------------------------------------------------------------------


def strings(value: Any, name: str) -> dict[str, str]:
    """Checks a mapping of strings to strings; None counts as an empty mapping.

    Raises:
        TypeError: The value is not a mapping of strings to strings.
    """
    if value is None:
        return {}
    wanted = f"{name} must be a mapping of strings to strings"
    if not isinstance(value, Mapping):
        raise TypeError(f"{wanted}, got {kind_of(value)}")
    for number, (key, held) in enumerate(cast("Mapping[Any, Any]", value).items(), 1):
        if not isinstance(key, str):
            raise TypeError(f"{wanted}; its key number {number} is {kind_of(key)}")
        if not isinstance(held, str):
            place = f"{name}[{key!r}]" if _TOKEN.fullmatch(key) else f"its value number {number}"
            raise TypeError(f"{wanted}; {place} is {kind_of(held)}")
    return dict(cast("Mapping[str, str]", value))


def headers(value: Any, name: str = "headers") -> dict[str, str]:
    """Checks that headers can be sent as they are.

    Raises:
        TypeError: The value is not a mapping of strings to strings.
        ValueError: A name or a value is not allowed in a header, or a name comes twice; the message names the header.
    """
    found = strings(value, name)
    spellings: dict[str, str] = {}
    for number, (header, held) in enumerate(found.items(), 1):
        if not _TOKEN.fullmatch(header):
            # The name is not shown: a program that gives a whole header line here has the value in it.
            raise ValueError(f"{name}: name number {number} is empty or has a character that no header's name can have")
        if header.lower() in spellings:
            raise ValueError(f"{name} has one header twice: {spellings[header.lower()]} and {header}")
        spellings[header.lower()] = header
        wrong = flaw(held) or (None if held.isascii() else "a character outside ASCII")
        if wrong is not None:
            raise ValueError(f"{name}[{header!r}] has {wrong}")
    return found


def call_headers(value: Any) -> dict[str, str]:
    """Checks the headers that a program gives to one call; the names in lower case.

    Raises:
        TypeError: See `headers`.
        ValueError: See `headers`; or the client sets a header of that name itself.
    """
    found = headers(value)
    for name in found:
        if name.lower() in _SET_BY_THE_CLIENT or name.lower().startswith("mcp-"):
            raise ValueError(f"headers[{name!r}]: the client sets this header itself; leave it out")
    return {name.lower(): held for name, held in found.items()}


def token(value: str) -> str:
    """Checks a bearer token.

    Raises:
        ValueError: The text cannot be a bearer token (RFC 6750, 2.1).
    """
    wrong = flaw(value)
    if not value.strip():
        wrong = "no characters"
    elif not value.isascii():
        wrong = wrong or "a character outside ASCII"
    elif " " in value or "\t" in value:
        wrong = wrong or "white space in it; give the token alone, without a word such as Bearer"
    if wrong is not None:
        raise ValueError(f"auth must be a token of printable ASCII characters; it has {wrong}")
    return value


def endpoint(value: Any) -> str | None:
    """Checks the program's own name for a server.

    Raises:
        TypeError: The name is not a string.
        ValueError: The name is empty, too long, or has an invisible character.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"endpoint must be a string, a name for the server; got {kind_of(value)}")
    wrong = flaw(value)
    if not (value.isprintable() and safe_text.line(value, len(value)) == value):
        wrong = wrong or "an invisible character"
    if not value.strip():
        wrong = "no characters"
    elif len(value) > _LONGEST_NAME:
        wrong = f"more than {_LONGEST_NAME} characters"
    if wrong is not None:
        raise ValueError(f"endpoint must be a name that can be shown; it has {wrong}")
    return value


# --- subprocesses -------------------------------------------------------------------------------------------------


def variables(value: Any, name: str = "env") -> dict[str, str]:
    """Checks environment variables.

    Raises:
        TypeError: The value is not a mapping of strings to strings.
        ValueError: A name or a value is not allowed in an environment variable; the message names the variable.
    """
    found = strings(value, name)
    for number, (variable, held) in enumerate(found.items(), 1):
        wrong = "no characters" if not variable else "an '='" if "=" in variable else _unsendable(variable)
        if wrong is not None:
            raise ValueError(f"{name}: name number {number} has {wrong}")
        wrong = _unsendable(held)
        if wrong is not None:
            raise ValueError(f"{name}[{safe_text.short(variable, 80)}] has {wrong}")
    return found


def directory(value: Any) -> str | None:
    """Checks the folder in which a subprocess is to run.

    Raises:
        TypeError: The value is not a path.
        ValueError: The path is empty, or has a character that is not allowed in a path.
    """
    path: Any = os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, os.PathLike) else value
    if path is None:
        return None
    if not isinstance(path, str):
        raise TypeError(f"cwd must be a path, got {kind_of(path)}")
    wrong = "no characters" if not path else _unsendable(path)
    if wrong is not None:
        raise ValueError(f"cwd has {wrong}")
    return path


def command(parameters: StdioServerParameters) -> None:
    """Checks that a command's words can be handed to the operating system.

    Raises:
        ValueError: A word has a character that is not allowed there, or the program's name is a whole command line.
    """
    program = parameters.command
    wrong = _unsendable(program)
    if wrong is not None:
        raise ValueError(f"the program's name in the command has {wrong}")
    for number, argument in enumerate(parameters.args, 1):
        wrong = _unsendable(argument)
        if wrong is not None:
            raise ValueError(f"argument {number} of the command has {wrong}")
    if not program.strip():
        raise ValueError("command must not be empty")
    if (len(program.split()) > 1 or _ASSIGNMENT.match(program)) and not _is_there(parameters):
        raise ValueError(
            "the program's name holds a whole command line; give each word by itself, in a list of strings "
            "(in mcpServers: the program as command and the others as args; variables as env)"
        )
    if program.strip() != program and not _is_there(parameters):
        raise ValueError(f"the program's name in the command has {_REMOVE_IT}")


def is_file(path: str) -> bool:
    """Whether a file exists at that path; False also if the text cannot be a path."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def why_no_file(path: str) -> str:
    """Ends the sentence "no such file: ..." with what is known about the path."""
    try:
        if Path(path).is_dir():
            return ", which is a folder"
        return "" if Path(path).is_absolute() else f" in {safe_text.short(str(Path.cwd()), 200)}"
    except (OSError, ValueError):
        return ""


def _is_there(parameters: StdioServerParameters) -> bool:
    program, place = parameters.command, parameters.cwd
    search = (parameters.env or {}).get("PATH")
    return (
        is_file(program)
        or (place is not None and is_file(os.path.join(place, program)))  # noqa: PTH118
        or shutil.which(program, path=search) is not None
    )


def _unsendable(text: str) -> str | None:
    """Names what makes a text unfit as an argument, path or variable of the operating system; None if it is fit."""
    if "\x00" in text:
        return "a NUL character"
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return "half a character (a lone surrogate)"
    return None
