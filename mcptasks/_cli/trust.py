"""Consent to use servers that files of a folder configure: a cloned repository must not start programs unasked.

The answer is remembered for the file, the entry and what the entry says; a changed entry is asked about again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from mcptasks._cli.entries import Entry


def fingerprint(entry: Entry) -> str:
    """Return what identifies an entry with all that it says. Pure."""
    import hashlib  # Completion, which imports the commands, has no time for it.

    said = json.dumps([str(entry.path), entry.name, entry.fields], sort_keys=True, default=str)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


def memory(environ: Mapping[str, str], home: Path) -> Path:
    """Return the file in which consent is remembered. Pure."""
    base = environ.get("XDG_STATE_HOME")
    return (Path(base) if base else home / ".local" / "state") / "mcptasks" / "trusted.json"


def is_trusted(entry: Entry, path: Path) -> bool:
    """Whether somebody has consented to this entry as it stands."""
    return fingerprint(entry) in _read(path)


def remember(entry: Entry, path: Path) -> None:
    """Write down that somebody consents to this entry.

    Raises:
        OSError: The file cannot be written.
    """
    found = _read(path) | {fingerprint(entry): f"{entry.path}: {entry.name}"}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # In one step, so that two commands at once leave a whole file.
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_text(json.dumps(found, indent=1), encoding="utf-8")
    part.replace(path)


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, str]", found) if isinstance(found, dict) else cast("dict[str, Any]", {})
