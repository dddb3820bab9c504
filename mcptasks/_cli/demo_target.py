"""Finds the server of a demonstration, and explains words that were probably meant otherwise."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from mcptasks._cli import entries

_LAUNCHERS = frozenset({"python", "python3", "node", "npx", "uv", "uvx", "docker", "deno", "bun", "bunx"})
"""Programs that start servers. They are recognized even if they are not installed."""
_PROGRAM = "python -m mcptasks"


def target_of(words: Sequence[str]) -> str | list[str]:
    """Return the server that some words stand for: a URL or a path, or a command."""
    return words[0] if len(words) == 1 and _is_place(words[0]) else list(words)


def misread(words: Sequence[str]) -> str | None:
    """Return what to write instead if a tool stands in the place of a command or of a part of it."""
    if not words or shutil.which(words[0]) is not None:
        return None
    if not words[0].strip():
        return "the target is empty; give a URL, a file or a command, or nothing for the demo's own server"
    if len(words) == 1 and (program := _first_of_command(words[0])):
        # The other words are not shown: they may hold a secret, and the output may go into a log.
        told = "a command is not one word: write it without quotes, after the options and --"
        return f"{told}: {_PROGRAM} demo -- {shlex.quote(program)} ..."
    if len(words) == 1:
        if _is_place(words[0]) or Path(words[0]).exists():
            return None
        told = f"{words[0]!r} is no URL, no file and no program; for a tool of that name write"
        return f"{told}: {_PROGRAM} demo --tool {shlex.quote(words[0])}"
    if not _is_place(words[0]):
        return None
    line = f"{_PROGRAM} demo {shlex.quote(words[0])} --tool {shlex.quote(words[1])}"
    if len(words) > 2:
        line += f" --arguments {shlex.quote(words[2] if words[2].startswith('{') else '{...}')}"
    return f"only options may follow a URL or a file; for the tool {words[1]!r} write: {line}"


def place_of(target: str | Sequence[str]) -> tuple[str, bool]:
    """Return where a server is, without a secret, and whether it outlives the command that connects to it.

    Args:
        target: A URL, a file that is there, or a command.
    """
    if not isinstance(target, str):
        script = [Path(word).name for word in target[1:2] if word.endswith((".py", ".js")) and "=" not in word]
        return " ".join([Path(target[0]).name, *script]), False
    if "://" in target:
        return entries.shown_url(target), True
    if target.endswith(".json"):
        path = Path(target)
        entry = entries.read(path.read_text(encoding="utf-8-sig"), path, "file")[0]
        return entry.place, entry.kind != "stdio"
    return Path(target).name, False


def no_target(error: TypeError) -> str:
    """Return the message for a word that is no target of any kind.

    Args:
        error: The error of `Client`, whose words are about Python; it has the URL that was probably meant, if any.
    """
    meant = re.search(r"did you mean (\S+)\?", str(error))
    if meant:
        return f"a URL begins with http:// or https://; did you mean {meant[1]}?"
    return "no URL, and no file that ends in .py, .js or .json; a command follows after the options and --"


def _is_place(word: str) -> bool:
    """Whether a word is a file, or the URL of a server, even a mistyped one."""
    return ":" in word or word.endswith((".py", ".js", ".json"))


def _first_of_command(text: str) -> str | None:
    """The program of a command that was given as one string; None if the string may be something else."""
    if not any(map(str.isspace, text)) or "://" in text or Path(text).exists():
        return None
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    if len(words) < 2 or not (shutil.which(words[0]) or Path(words[0]).exists() or words[0] in _LAUNCHERS):
        return None
    return words[0]
