"""Seals payloads for a store and opens them. Leaves out the arguments and results that the program does not keep.

Without a codec, a payload is JSON. With a codec, it is a byte 1, with which no JSON begins, and then the codec's
output. An encrypted payload in a store without a codec is an error, and so is plain JSON in a store with a codec.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from mcptasks._core.exceptions import StoreError
from mcptasks._store.codec import Codec
from mcptasks._store.records import Keep, Sealed

_ENCRYPTED = b"\x01"
_PLAIN = "plain"
"""The marker of a store without a codec."""
_PROBE = b"mcptasks store"


class Payloads:
    """Seals and opens payloads.

    Args:
        keep: Which payloads are kept.
        codec: Encrypts payloads; None to store plain JSON.
    """

    def __init__(self, keep: Keep, codec: Codec | None) -> None:
        self.keep = keep
        self._codec = codec

    # ---- into the store ----

    def arguments(self, task: str, value: Mapping[str, Any] | None) -> Sealed | None:
        """The arguments of a call, if they are kept."""
        return self._sealed(value, task, "arguments") if self.keep.arguments and value else None

    def result(self, task: str, value: Any) -> Sealed | None:
        """A result, if it is kept. The value is the result's JSON as the server sent it."""
        return self._sealed(value, task, "result") if self.keep.results else None

    def words(self, task: str, text: str | None) -> Sealed | None:
        """A status message or an error's words."""
        return None if text is None else self._sealed(text, task, "words")

    def request(self, task: str, key: str, value: Mapping[str, Any]) -> Sealed:
        """A question."""
        return self._sealed(value, task, f"request of {key}")

    def answer(self, task: str, key: str, value: Any) -> Sealed:
        """An answer."""
        return self._sealed(value, task, f"answer to {key}")

    # ---- out of it ----

    def read_arguments(self, task: str, sealed: Sealed | None) -> Mapping[str, Any] | None:
        """The arguments that were kept."""
        return cast("Mapping[str, Any] | None", self._read(sealed, task, "arguments"))

    def read_result(self, task: str, sealed: Sealed | None) -> Any:
        """The result that was kept."""
        return self._read(sealed, task, "result")

    def read_words(self, task: str, sealed: Sealed | None) -> str | None:
        """A status message or an error's words."""
        return cast("str | None", self._read(sealed, task, "words"))

    def read_request(self, task: str, key: str, sealed: Sealed | None) -> Mapping[str, Any] | None:
        """A question."""
        return cast("Mapping[str, Any] | None", self._read(sealed, task, f"request of {key}"))

    def read_answer(self, task: str, key: str, sealed: Sealed | None) -> Any:
        """An answer."""
        return self._read(sealed, task, f"answer to {key}")

    # ---- the store as a whole ----

    def marker(self) -> str:
        """The marker for a new store: that its payloads are plain, or a probe that the codec has encrypted."""
        return _PLAIN if self._codec is None else self._codec.encrypt(_PROBE, _PROBE).hex()

    def check(self, marker: str, place: str) -> None:
        """Check that a store's marker fits this codec.

        Args:
            marker: The store's marker.
            place: The store, for errors.

        Raises:
            StoreError: The store is encrypted and there is no codec, or the other way round; or the key is wrong.
        """
        if self._codec is None:
            if marker != _PLAIN:
                raise StoreError(f"the store {place} is encrypted: give its codec (codec=)")
            return
        if marker == _PLAIN:
            raise StoreError(f"the store {place} is not encrypted: leave codec= out, or begin a new store")
        self._codec.decrypt(bytes.fromhex(marker), _PROBE)

    def own_secret(self, value: bytes) -> str:
        """A secret of the store itself, as it lies in the database."""
        return (value if self._codec is None else self._codec.encrypt(value, _PROBE)).hex()

    def read_own_secret(self, text: str) -> bytes:
        """The secret, read from its form in the database."""
        value = bytes.fromhex(text)
        return value if self._codec is None else self._codec.decrypt(value, _PROBE)

    def _sealed(self, value: Any, task: str, column: str) -> Sealed:
        # Half a surrogate pair is JSON too, in the form that `ensure_ascii` gives it.
        plain = json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii")
        return plain if self._codec is None else _ENCRYPTED + self._codec.encrypt(plain, _bound(task, column))

    def _read(self, sealed: Sealed | None, task: str, column: str) -> Any:
        if sealed is None:
            return None
        encrypted = sealed.startswith(_ENCRYPTED)
        if encrypted and self._codec is None:
            raise StoreError("a payload of the store is encrypted: give the store its codec (codec=)")
        if not encrypted and self._codec is not None:
            raise StoreError("a payload of the store is not encrypted, though the store has a codec: it was changed")
        if self._codec is None:
            return json.loads(sealed)
        return json.loads(self._codec.decrypt(sealed.removeprefix(_ENCRYPTED), _bound(task, column)))


def _bound(task: str, column: str) -> bytes:
    return f"{task}/{column}".encode("utf-8", "surrogatepass")
