"""Which process this is, and whether another process of the same machine still runs.

A program that is started again after a crash need not wait until the lease of its dead predecessor ends.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from mcptasks._store.records import Owner

_NAME = 100
"""How many characters of the program's or the machine's name go into an owner's name; the rest is cut off. A unique
part follows, so owners with the same beginning stay apart."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def scene() -> str:
    """The scope in which process ids are unique: this boot and this process namespace (namespaces(7)). Empty if not
    known."""
    try:
        return f"{_BOOT_ID.read_text(encoding='ascii').strip()}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def process() -> str:
    """This process: its id and its start time, since ids are used again."""
    return f"{os.getpid()}:{_started(os.getpid())}"


def is_running(name: str) -> bool:
    """Whether a process of this scene, as `process` names it, still runs."""
    pid, _, started = name.partition(":")
    return bool(started) and _started(int(pid)) == started


def _started(pid: int) -> str:
    """When a process began, in ticks since the boot: field 22 of its `stat` (proc(5)). Empty if it does not run; a
    zombie counts as not running."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The second field is the name in parentheses, and may hold any character.
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def dead(owners: Iterable[Owner], here: str, runs: Callable[[str], bool]) -> list[str]:
    """The owners that are known to be dead before their lease ends. Pure.

    Args:
        owners: The owners on record.
        here: The scene of this process.
        runs: Whether a process of this scene runs.
    """
    return [each.owner for each in owners if here and each.scene == here and not runs(each.process)]


def new_owner(name: str | None, unique: str) -> Owner:
    """An owner for this process.

    Args:
        name: The program's own name for the owner; None for the machine's name.
        unique: The unique part of the owner's name.
    """
    host = _shown(socket.gethostname())
    return Owner(owner=f"{_shown(name or host)}/{unique}", host=host, scene=scene(), process=process())


def _shown(name: str) -> str:
    """A name that every database takes, and that people can read. Pure."""
    return "".join(each if each.isprintable() else "?" for each in name[:_NAME])
