"""Digests of arguments, which tell two calls apart without storing the arguments.

A digest is an HMAC-SHA256 of the call as canonical JSON. The key of a store in a file lies in another file beside it,
so that nobody can guess short arguments with a copy of the database alone. (In PostgreSQL the key lies in the database,
encrypted if the store has a codec.) A digest names its key, so that a lost key file does not make equal calls look
different.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mcptasks._core.exceptions import StoreError

_SHORT = 8
"""Bytes of a short digest: as many as the hash of arguments in `CallKey` has."""
_SIZE = 32
"""Bytes of a key: as many as SHA-256 makes."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)
"""The encoder, made only once: to make one takes as long as a short digest."""


class Digests:
    """Makes digests with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._name = hashlib.sha256(b"mcptasks digest key" + key).hexdigest()[:8]

    def of(self, kind: str | None, name: str | None, arguments: Mapping[str, Any] | None) -> str:
        """The digest of a call: its kind, its name and its arguments as JSON."""
        call = [kind, name, arguments or {}]
        canonical = _CANONICAL.encode(call).encode("ascii")
        return f"1:{self._name}:{hmac.digest(self._key, canonical, 'sha256').hex()}"

    def keyed(self, value: str) -> str:
        """A short digest of a text, for texts that can be guessed."""
        return hmac.digest(self._key, b"keyed " + value.encode(), "sha256")[:_SHORT].hex()


def differ(one: str | None, other: str | None) -> bool:
    """Whether two digests prove that two calls differ. Digests with different keys prove nothing. Pure."""
    if one is None or other is None or one.rpartition(":")[0] != other.rpartition(":")[0]:
        return False
    return not hmac.compare_digest(one, other)


def new_key() -> bytes:
    """A random key."""
    return secrets.token_bytes(_SIZE)


def key_in(path: Path) -> bytes:
    """The key in a file. Makes the file if there is none.

    Raises:
        StoreError: The file cannot be made or read, or holds no valid key.
    """
    if not path.exists():
        try:
            _make(path)
        except OSError as exc:
            raise StoreError(
                f"the key file {path} cannot be made: {exc.strerror or type(exc).__name__}; see the disk, and the mode "
                "of the folder"
            ) from exc
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, UnicodeError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it holds no key"
        raise StoreError(
            f"the key file {path} cannot be read: {why}; put a backup in its place, or delete it: calls that are "
            "recorded already can then no longer be compared"
        ) from exc
    if len(key) != _SIZE:
        raise StoreError(f"the key file {path} holds no key: put a backup in its place, or delete it")
    return key


def _make(path: Path) -> None:
    """Write a new key, whole or not at all. If another process was faster, its key stays."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(new_key().hex())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
