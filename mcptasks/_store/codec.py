"""Encryption of payloads: what a codec is, and the one on `cryptography`."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Protocol

from mcptasks._core.exceptions import StoreError


class Codec(Protocol):
    """Encrypts the payloads of a store: arguments, results, questions, answers, and the words of statuses and errors.

    Names, keys, labels and ids stay readable, since the store searches by them. A codec of your own has these two
    methods; both may be called from any thread.
    """

    def encrypt(self, plain: bytes, bound: bytes) -> bytes:
        """Encrypt a payload.

        Args:
            plain: The payload.
            bound: Names the record and the column. `decrypt` must fail if it gets another name, so that nobody can move
                a payload from one record to another.
        """
        ...

    def decrypt(self, sealed: bytes, bound: bytes) -> bytes:
        """Decrypt a payload.

        Raises:
            StoreError: The key is wrong, or the payload was changed or belongs to another record.
        """
        ...


class FernetCodec:
    """Encrypts payloads with Fernet (AES-128-CBC and HMAC-SHA256) of the package `cryptography`.

    ```python
    key = FernetCodec.new_key()  # keep it where you keep secrets
    store = Store("tasks.db", codec=FernetCodec([key]))
    ```

    To change keys, put the new key first and keep the older ones behind it until their records are purged.

    Args:
        keys: One key or several, as `new_key` makes them. The first one encrypts, all of them decrypt.

    Raises:
        ValueError: A key is invalid, or there is no key.
        ModuleNotFoundError: `cryptography` is not installed.
    """

    __module__ = "mcptasks.store"

    def __init__(self, keys: str | bytes | Sequence[str | bytes]) -> None:
        from cryptography.fernet import Fernet, MultiFernet

        listed = [keys] if isinstance(keys, str | bytes) else list(keys)
        if not listed:
            raise ValueError("keys must have at least one key; FernetCodec.new_key() makes one")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in listed])
        except ValueError:
            # The message must not show a key.
            raise ValueError(
                "keys must be 32 bytes in URL-safe base64 each; FernetCodec.new_key() makes such a key"
            ) from None

    @staticmethod
    def new_key() -> str:
        """Make a random key."""
        from cryptography.fernet import Fernet

        return Fernet.generate_key().decode("ascii")

    def encrypt(self, plain: bytes, bound: bytes) -> bytes:
        """See `Codec.encrypt`."""
        # Fernet takes no associated data, so the name goes into the plaintext, before a length that cannot be mistaken.
        return self._fernet.encrypt(len(bound).to_bytes(4) + bound + plain)

    def decrypt(self, sealed: bytes, bound: bytes) -> bytes:
        """See `Codec.decrypt`."""
        from cryptography.fernet import InvalidToken

        try:
            plain = self._fernet.decrypt(sealed)
        except InvalidToken:
            raise StoreError(
                "the store's payloads were encrypted with another key: give the codec that key too, behind the new one"
            ) from None
        size = int.from_bytes(plain[:4])
        if not hmac.compare_digest(plain[4 : 4 + size], bound):
            raise StoreError("a payload of the store belongs to another record: somebody has changed the store")
        return plain[4 + size :]
