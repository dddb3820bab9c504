"""Compares the generated files on disk with the rendered files: the exact text, and the exact set of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mcptasks._tools.names import COMMAND

MEND = f"To mend: `{COMMAND}` (or `python -m mcptasks._tools`) writes the files; an orphan is deleted by hand."


def differences(folder: Path, files: Mapping[str, str]) -> Iterator[str]:
    """A line for each file that is missing, stale or an orphan. Compiled files are ignored."""
    for name, text in sorted(files.items()):
        path = folder / name
        if not path.is_file():
            yield f"{_shown(folder, name)}: missing"
        elif (found := path.read_bytes()) != text.encode():
            yield f"{_shown(folder, name)}: stale at line {_first_difference(found, text.encode())}"
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if not path.is_dir() and "__pycache__" not in place.parts and place.as_posix() not in files:
            yield f"{_shown(folder, place.as_posix())}: orphan, which nothing generates"


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write the files that differ; returns their names. Deletes nothing."""
    folder.mkdir(exist_ok=True)
    written: list[str] = []
    for name, text in files.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != text.encode():
            path.write_bytes(text.encode())
            written.append(_shown(folder, name))
    return written


def _shown(folder: Path, name: str) -> str:
    return f"mcptasks/{folder.name}/{name}"


def _first_difference(found: bytes, wanted: bytes) -> int:
    lines = found.splitlines(keepends=True), wanted.splitlines(keepends=True)
    for number, (one, other) in enumerate(zip(*lines, strict=False), 1):
        if one != other:
            return number
    return min(map(len, lines)) + 1
