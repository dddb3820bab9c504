"""Where servers are configured: our own file, and the files of other programs. Reads files, and starts nothing.

Sources: the documentation of Claude Code ("MCP", scopes), Claude Desktop ("Connect to local MCP servers"), Cursor
("Model Context Protocol", locations), VS Code ("MCP configuration reference"), Gemini CLI ("MCP servers",
settings.json) and Windsurf ("Cascade MCP").
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from mcptasks._cli import entries, jsonc
from mcptasks._cli.entries import Entry
from mcptasks._cli.values import mapping

SOURCES = ("claude-code", "claude-desktop", "cursor", "vscode", "gemini", "windsurf")
"""The programs whose configuration is read, by the names that come before `:name`."""

_PROJECT: Mapping[str, str] = {
    "claude-code": ".mcp.json",
    "cursor": ".cursor/mcp.json",
    "vscode": ".vscode/mcp.json",
    "gemini": ".gemini/settings.json",
}
"""The file of a folder; it is looked for in the working directory and above."""


@frozen
class Scene:
    """The folders and the environment, which decide where configurations are."""

    environ: Mapping[str, str]
    home: Path
    cwd: Path
    platform: str = sys.platform

    @property
    def own(self) -> Path:
        """Our own configuration: `MCPTASKS_CONFIG`, or `servers.json` in the user's folder for configuration."""
        given = self.environ.get("MCPTASKS_CONFIG")
        if given:
            return Path(given).expanduser()
        base = self.environ.get("XDG_CONFIG_HOME")
        return (Path(base) if base else self.home / ".config") / "mcptasks" / "servers.json"


@frozen
class Problem:
    """A file that cannot be read, or is invalid."""

    words: str


def own_entries(scene: Scene, config: Path | None) -> list[Entry]:
    """Return the servers of our own configuration, or of the file that `--config` names.

    Raises:
        ValueError: The file is invalid, or the file of `--config` does not exist.
    """
    path = scene.own if config is None else config
    text = _text(path)
    if text is None:
        if config is not None:
            raise ValueError(f"no such file: {path}")
        return []
    return entries.read(text, path, "mcptasks")


def entries_of(source: str, scene: Scene) -> Iterator[Entry | Problem]:
    """Yield the servers that a program has configured, the nearest first, and a problem for each unreadable file."""
    for path, project in files_of(source, scene):
        try:
            text = _text(path)
            if text is not None and path == scene.home / ".claude.json":
                yield from _claude_user(text, path, scene)
            elif text is not None:
                yield from entries.read(text, path, source, project=project)
        except (ValueError, OSError) as exc:
            yield Problem(str(exc))


def files_of(source: str, scene: Scene) -> list[tuple[Path, bool]]:
    """Return the files in which a program configures servers, and whether each belongs to a folder. Pure."""
    relative = _PROJECT.get(source)
    # The file in the home directory is the user's own, also when it is met on the way up.
    folders = [each for each in (scene.cwd, *scene.cwd.parents) if each != scene.home]
    found = [(folder / relative, True) for folder in folders] if relative else []
    return found + [(path, False) for path in _user_files(source, scene)]


def _user_files(source: str, scene: Scene) -> list[Path]:
    base = {
        "darwin": scene.home / "Library" / "Application Support",
        "win32": Path(scene.environ.get("APPDATA") or scene.home / "AppData" / "Roaming"),
    }.get(scene.platform, Path(scene.environ.get("XDG_CONFIG_HOME") or scene.home / ".config"))
    return {
        "claude-code": [scene.home / ".claude.json"],
        "claude-desktop": [base / "Claude" / "claude_desktop_config.json"],
        "cursor": [scene.home / ".cursor" / "mcp.json"],
        "vscode": [base / "Code" / "User" / "mcp.json"],
        "gemini": [scene.home / ".gemini" / "settings.json"],
        "windsurf": [scene.home / ".codeium" / "windsurf" / "mcp_config.json"],
    }[source]


def _claude_user(text: str, path: Path, scene: Scene) -> Iterator[Entry]:
    """The servers of `~/.claude.json`: first those for this folder, then those for all folders."""
    try:
        value = jsonc.load(text)
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from None
    top = mapping(value)
    projects = mapping(top.get("projects"))
    for folder in (scene.cwd, *scene.cwd.parents):
        yield from entries.of_object(mapping(projects.get(str(folder))), path, "claude-code")
    yield from entries.of_object(top, path, "claude-code")


def _text(path: Path) -> str | None:
    """The text of a file; None if there is no such file."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8") from None
