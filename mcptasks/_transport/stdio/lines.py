"""Cuts a server's output into lines, in linear time, and keeps only the beginning of a line that is too long. Pure."""

from __future__ import annotations

from attrs import frozen

HEAD = 4096
"""How many bytes of a line that is too long are kept. The members of JSON-RPC, such as the id, fit into them."""


@frozen
class Overlong:
    """A line with more bytes than allowed, which was not kept."""

    head: bytes
    """The line's beginning."""


class Lines:
    """The lines of one output.

    Args:
        max_size: How many bytes a line may have.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        # Not a list of pieces: a server that writes byte by byte would make an object for each byte.
        self._line = bytearray()
        self._skipping = False

    def feed(self, chunk: bytes) -> list[bytes | Overlong]:
        """The lines that a chunk completes, without line feeds. A line that is too long comes before it is complete."""
        found: list[bytes | Overlong] = []
        *ends, rest = chunk.split(b"\n")
        for piece in ends:
            self._add(piece, found)
            found.extend(self.end())
        self._add(rest, found)
        return found

    def end(self) -> list[bytes | Overlong]:
        """The line that has begun, as a complete line; an empty list if none has."""
        line, self._line = self._line, bytearray()
        self._skipping = False
        return [bytes(line)] if line else []

    def _add(self, piece: bytes, found: list[bytes | Overlong]) -> None:
        if self._skipping:
            return
        if len(self._line) + len(piece) > self._max_size:
            self._line += piece[:HEAD]
            found.append(Overlong(bytes(self._line[:HEAD])))
            self._line = bytearray()
            self._skipping = True
        else:
            self._line += piece
