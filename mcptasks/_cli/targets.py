"""Which server is meant: from the words of the command line to what `Client` takes. Starts and connects nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from mcptasks._cli import entries, sources
from mcptasks._cli.entries import Entry
from mcptasks._cli.nearest import nearest
from mcptasks._cli.sources import SOURCES, Problem, Scene

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CONFIG = re.compile(r"(?P<path>.+\.json)(?::(?P<name>.+))?", re.DOTALL)
_SCRIPTS = (".py", ".js")


class TargetError(ValueError):
    """Words that name no server. The message says what would."""


@frozen
class Target:
    """A server that somebody named."""

    given: str | list[str] | Entry = field(repr=False)
    """A URL, a path, a command, or an entry of a configuration."""
    shown: str
    """The server's name for people; holds no secret."""
    again: str | None = None
    """The word with which a later command reaches the server from any folder; None if there is no such word, or if it
    would hold a secret."""

    @property
    def is_url(self) -> bool:
        """Whether the target is a URL that somebody wrote, rather than an entry, a file or a command."""
        return isinstance(self.given, str) and _URL.match(self.given) is not None

    @property
    def is_lasting(self) -> bool:
        """Whether the server outlives this command. A server with a URL does; the command starts any other server."""
        return self.given.kind != "stdio" if isinstance(self.given, Entry) else self.is_url


def of_command(words: Sequence[str]) -> Target:
    """Return the target of `-- command arguments`. The arguments may hold secrets, so no word leads there again.

    Raises:
        TargetError: There are no words.
    """
    if not words or not words[0].strip():
        raise TargetError("a command must follow after --")
    return Target(list(words), Path(words[0]).name)


def of_word(word: str, scene: Scene, config: Path | None = None) -> Target:
    """Return the target of one word: a URL, a file, `FILE.json[:entry]`, a configured name, or `source:name`.

    Args:
        word: The word.
        scene: Which files there are.
        config: The file that `--config` names.

    Raises:
        TargetError: The word names no server.
    """
    if not word.strip():
        raise TargetError("the target is empty; give a URL, a file, a configured name, or a command after --")
    if _URL.match(word):
        shown = entries.shown_url(word)
        return Target(word, shown, again=word if shown == word else None)
    source, colon, name = word.partition(":")
    if colon and source in SOURCES:
        return _of_source(source, name, scene)
    match = _CONFIG.fullmatch(word)
    if match:
        return _of_file(Path(match["path"]).expanduser(), match["name"])
    if word.endswith(_SCRIPTS):
        path = Path(word).expanduser()
        if not path.is_file():
            raise TargetError(f"no such file: {word}")
        return Target(str(path), path.name, again=str(path.absolute()))
    return _of_name(word, scene, config)


def _of_name(word: str, scene: Scene, config: Path | None) -> Target:
    try:
        found = sources.own_entries(scene, config)
    except (ValueError, OSError) as exc:
        raise TargetError(str(exc)) from None
    entry = _named(word, found)
    if entry is not None:
        again = word if config is None and "MCPTASKS_CONFIG" not in scene.environ else f"{entry.path.absolute()}:{word}"
        return Target(entry, word, again=again)
    near = nearest(word, [each.name for each in found])
    if near:
        raise TargetError(f"no server {word!r:.80} is configured; did you mean {near!r}?")
    if re.fullmatch(r"[\w.-]+(:\d+)?(/\S*)?", word) and re.search(r"[:/]|^localhost|\.\w", word):
        near_by = re.match(r"localhost\b|127\.", word) is not None
        meant = f"{'http' if near_by else 'https'}://{word}"
        raise TargetError(f"a URL begins with http:// or https://; did you mean {meant:.200}?")
    raise TargetError(
        f"no server {word!r:.80} is configured (`mcptasks servers` lists them); a target is a URL, a file that ends in "
        ".py, .js or .json, a configured name, or a command after --"
    )


def _of_file(path: Path, name: str | None) -> Target:
    try:
        found = entries.read(path.read_text(encoding="utf-8-sig"), path, "file")
    except FileNotFoundError:
        raise TargetError(f"no such file: {path}") from None
    except UnicodeDecodeError:
        raise TargetError(f"{path}: not UTF-8") from None
    except (ValueError, OSError) as exc:
        raise TargetError(str(exc)) from None
    names = ", ".join(each.name for each in found) or "none"
    if name is None and len(found) != 1:
        raise TargetError(f"{path} has these servers: {names}; write {path}:NAME")
    entry = found[0] if name is None else _named(name, found)
    if entry is None:
        raise TargetError(f"{path} has no server {name!r:.80}; it has: {names}")
    return Target(entry, entry.name, again=f"{path.absolute()}:{entry.name}")


def _of_source(source: str, name: str, scene: Scene) -> Target:
    found = list(sources.entries_of(source, scene))
    servers = [each for each in found if isinstance(each, Entry)]
    entry = _named(name, servers)
    if entry is not None:
        return Target(entry, f"{source}:{name}", again=f"{source}:{name}")
    wrong = [each.words for each in found if isinstance(each, Problem)]
    if wrong:
        raise TargetError(wrong[0])
    names = ", ".join(dict.fromkeys(each.name for each in servers)) or "none"
    raise TargetError(f"{source} has no server {name!r:.80}; it has: {names}")


def _named(name: str, found: list[Entry]) -> Entry | None:
    return next((each for each in found if each.name == name), None)


def client_arguments(target: Target, scene: Scene, ask: entries.Ask) -> tuple[Any, dict[str, Any]]:
    """Return the target that `Client` takes, and the further arguments that an entry asks for.

    Args:
        target: The target.
        scene: The environment, whose variables entries name.
        ask: Asks for what an entry leaves open.

    Raises:
        ValueError: A variable of the entry is not set.
    """
    if not isinstance(target.given, Entry):
        return target.given, {}
    config = {"mcpServers": {target.given.name: entries.resolved(target.given, scene.environ, ask)}}
    return config, {"server": target.given.name}
