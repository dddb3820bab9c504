"""Ways to spoil one answer: another content, another encoding, other HTTP around it, other pieces."""

from __future__ import annotations

from attrs import frozen

from tests.helpers.conversing import JSON
from tests.helpers.raw_server import Reply
from tests.helpers.spoilt_http import BAD_FORMS, FORMS, LEGACY_FORMS, Parts
from tests.helpers.spoilt_words import BAD_TEXTS, TEXTS, Field, Words, as_event_of_lines

TRANSIENT = (
    "202",
    "204",
    "502",
    "503",
    "503 and Retry-After",
    "nothing, closed",
    "nothing, reset",
    "half, reset",
    "silence",
)
"""Bad forms after which a read is repeated, so that a single one does no harm."""
CUTS = ("whole", "bytes", "odd")


@frozen
class Mutation:
    """One way to spoil an answer."""

    words: Field | Words | None = None
    text: str = "plain"
    form: str = "JSON"
    cut: str = "whole"

    @property
    def is_right(self) -> bool:
        """Whether the answer still means the same by the specifications."""
        return self.words is None and self.text in TEXTS and (self.form in FORMS or self.form in LEGACY_FORMS)

    @property
    def is_transient(self) -> bool:
        """Whether a read must be repeated after this answer."""
        return self.form in TRANSIENT

    def reply(self, message: JSON, session: str | None) -> tuple[Reply, bytes | None]:
        """The answer to a POST, and the bytes for a GET that resumes its stream."""
        form = {**FORMS, **LEGACY_FORMS, **BAD_FORMS}[self.form]
        found = form(Parts(self._texts(message), session))
        return Reply(self._pieces(found.bytes(session)), found.end), found.kept

    def head(self) -> Reply | None:
        """What to send in place of the head of a stream that stays open; None for a right head."""
        if self.form not in BAD_FORMS or self.form.startswith("stream"):
            return None
        found = BAD_FORMS[self.form](Parts([b"{}"], None))
        return Reply(self._pieces(found.bytes(None)), found.end)

    def event(self, message: JSON) -> tuple[bytes, bool]:
        """A message on a stream that stays open, and whether the stream ends with it."""
        ending = {"stream, CRLF": b"\r\n", "stream, CR": b"\r"}.get(self.form, b"\n")
        sent = b"".join(as_event_of_lines(text, ending) for text in self._texts(message))
        half = self.form.startswith("stream, half")
        return sent[: len(sent) // 2] if half else sent, half

    def _texts(self, message: JSON) -> list[bytes]:
        write = {**TEXTS, **BAD_TEXTS}[self.text]
        return [write(each) for each in (self.words.messages(message) if self.words is not None else [message])]

    def _pieces(self, whole: bytes) -> list[bytes]:
        sizes = {
            "whole": len(whole),
            "bytes": 1 if len(whole) < 3000 else 701,
            "odd": 53 if len(whole) < 60_000 else 40_009,
        }
        size = max(sizes[self.cut], 1)
        return [whole[start : start + size] for start in range(0, len(whole), size)]
