"""Where a store's file may lie: the default place, the modes of file and folder, and network file systems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from mcptasks._core.exceptions import StoreError

_NETWORK = frozenset({"9p", "afs", "beegfs", "ceph", "cifs", "fuse.s3fs", "fuse.sshfs", "lustre", "ncpfs", "virtiofs"})
_NETWORK_PREFIXES = ("nfs", "smb")
_OCTAL = (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\"))
"""How `mountinfo` writes characters that would end a field; the backslash last."""
_MOUNTS = Path("/proc/self/mountinfo")


def default_place() -> Path:
    """The user's own file."""
    state = os.environ.get("XDG_STATE_HOME")
    # A relative path is to be ignored: XDG Base Directory Specification, "Environment variables".
    folder = Path(state) if state and Path(state).is_absolute() else Path.home() / ".local" / "state"
    return folder / "mcptasks" / "tasks.db"


@frozen
class Mount:
    """One line of `/proc/self/mountinfo`."""

    point: str
    kind: str


def mounts(text: str) -> Iterator[Mount]:
    """The file systems of a `mountinfo` (proc(5): field 5 is the mount point, the type follows the " - "). Pure."""
    for line in text.splitlines():
        before, found, after = line.partition(" - ")
        fields = before.split(" ")
        if found and len(fields) > 4:
            point = fields[4]
            for written, character in _OCTAL:
                point = point.replace(written, character)
            yield Mount(point, after.split(" ")[0])


def file_system(path: str, text: str) -> str:
    """The type of the file system on which a path lies: that of the longest mount point above the path; of equal ones,
    the latest. Empty if there is none. Pure."""
    best = Mount("", "")
    for mount in mounts(text):
        point = mount.point.rstrip("/")
        if (path == point or path.startswith(f"{point}/")) and len(mount.point) >= len(best.point):
            best = mount
    return best.kind


def is_network(kind: str) -> bool:
    """Whether a type of file system belongs to a network, so that its locks and shared memory cannot be relied on."""
    return kind in _NETWORK or kind.startswith(_NETWORK_PREFIXES)


def network_file_system(path: Path) -> str | None:
    """The type of the network file system on which a path lies; None if it lies on a local one, or if that is not
    known."""
    try:
        text = _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    kind = file_system(os.path.realpath(path), text)
    return kind if is_network(kind) else None


def make_file(path: Path) -> bool:
    """Make an empty file that only its user can read, and its folder if there is none. Returns whether the file is new.

    Raises:
        StoreError: The folder cannot be made or written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its journals the mode of the file.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise StoreError(f"the store {path} cannot be made: {path.parent} is a file, not a folder") from None
    except OSError as exc:
        raise StoreError(
            f"the store {path} cannot be made: {exc.strerror or type(exc).__name__}; name a file in a folder that this "
            "user can write to"
        ) from exc
    return True


def loose_modes(path: Path) -> Iterator[str]:
    """A sentence for each file of a store that others can read."""
    for suffix in ("", "-wal", "-shm", "-journal", ".key"):
        each = path.with_name(path.name + suffix)
        try:
            mode = each.stat().st_mode & 0o777
        except OSError:
            continue
        if mode & 0o077:
            yield f"{each} has mode {mode:04o}, so that others can read it: chmod 600 {each}"
