"""The input requests ("questions") of a task: which are open, which are being answered, which are closed. Pure.

The rules:

- A question has a key that is unique for the task's life (ext-tasks, "Task Input Requests"). It is open from when the
  client first sees it until the server accepts its answer. From then on it is closed, even if the server still lists it
  for a while (acknowledgements are eventually consistent). We count the polls that still list it; the caller, which has
  a clock, decides when that is too long. A server that reuses a key for another request breaks the protocol.
- A task counts as `working` once all its questions were answered, whatever the server still lists.
- A 2025-11-25 server sends questions as requests of its own. Such a question is open until it is answered or withdrawn.
  Meanwhile the task counts as `input_required`.
- Whoever answers a question reserves it first, so that no question is put to a person twice.
- The memory is bounded: a task may have `AT_ONCE` open questions, and `IN_A_LIFE` in all. When a question is closed,
  only its digest is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from attrs import evolve, field, frozen

from mcptasks._core.json import as_object
from mcptasks._core.models import TaskStatus
from mcptasks._core.safe_text import short

AT_ONCE = 1_000
"""How many questions one task may have open at once. With more, waiting for the task fails: nobody can answer so many,
and the server could fill the memory."""
IN_A_LIFE = 10_000
"""How many questions one task may ask in all. With more, waiting for the task fails: the server asks in a loop."""


@frozen
class InputAsked:
    """The server sent a question as a request of its own (2025-11-25)."""

    key: str
    request: Any


@frozen
class InputWithdrawn:
    """The server withdrew a question that it had sent as a request."""

    key: str


@frozen
class InputReserved:
    """Somebody has begun to answer a question."""

    key: str


@frozen
class InputReleased:
    """A reserved question was not answered, and is open again."""

    key: str


@frozen
class InputAnswered:
    """The server accepted the answer to a question."""

    key: str


InputEvent: TypeAlias = InputAsked | InputWithdrawn | InputReserved | InputReleased | InputAnswered


@frozen
class Questions:
    """The questions of one task. Never changed in place."""

    asked: Mapping[str, bytes] = field(factory=dict[str, bytes], repr=False)
    """The digests of all questions that were ever seen, by key."""
    held: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """The open questions that the server sent as requests of its own, by key."""
    answered: frozenset[str] = frozenset()
    """The keys of the questions whose answers the server accepted."""
    reserved: frozenset[str] = frozenset()
    """The keys of the questions that somebody is answering."""
    again: Mapping[str, int] = field(factory=dict[str, int])
    """By the key of an answered question: how many polls in a row still listed the question."""
    gone: frozenset[str] = frozenset()
    """The keys of answered questions that at least one poll did not list any more."""

    def polled(self, status: TaskStatus) -> Questions:
        """The questions after a poll.

        A poll that still lists an answered question proves no fault. It may even follow a poll that did not list the
        question, if several processes of the server learn of the answer at different times.
        """
        if not self.answered:
            return self
        shown = self.answered & status.input_requests.keys()
        again = {key: self.again.get(key, 0) + 1 for key in shown}
        return evolve(self, again=again, gone=self.gone | (self.answered - shown))

    def seen(self, status: TaskStatus) -> Questions:
        """The questions, with those that a status lists added."""
        new = {key: _digest(request) for key, request in status.input_requests.items() if key not in self.asked}
        return evolve(self, asked={**self.asked, **new}) if new else self

    def breach(self, status: TaskStatus) -> str | None:
        """Says how the questions in a status break the protocol, or that they are too many; None if all is well."""
        requests = status.input_requests
        if len(requests) + len(self.held) > AT_ONCE:
            return f"the server asks {len(requests)} questions at once; {AT_ONCE} are allowed"
        if len(requests.keys() - self.asked.keys()) + len(self.asked) > IN_A_LIFE:
            return f"the server asks without end: more than {IN_A_LIFE} questions for one task"
        for key, request in requests.items():
            if key in self.asked and self.asked[key] != _digest(request):
                return f"the server uses the key {short(key, 80)} of an earlier question for another one"
        return None

    @property
    def full(self) -> bool:
        """Whether one more question that the server sends as a request would be too many."""
        return len(self.held) >= AT_ONCE or len(self.asked) >= IN_A_LIFE

    def shown(self, word: TaskStatus) -> TaskStatus:
        """The status that a program sees, made from the server's own status."""
        asked: Mapping[str, Any] = word.input_requests if word.status == "input_required" else {}
        if word.is_terminal or not (asked or self.held):
            return word
        left = {key: request for key, request in asked.items() if key not in self.answered}
        if left or self.held:
            return evolve(word, status="input_required", input_requests={**left, **self.held})
        return evolve(word, status="working", status_message=None, input_requests={})

    def after(self, event: InputEvent) -> Questions:
        """The questions after an event."""
        key = event.key
        held = {other: request for other, request in self.held.items() if other != key}
        match event:
            case InputAsked(_, request):
                return evolve(self, asked={**self.asked, key: _digest(request)}, held={**held, key: request})
            case InputReserved():
                return evolve(self, reserved=self.reserved | {key})
            case InputReleased():
                return evolve(self, reserved=self.reserved - {key})
            case InputWithdrawn():
                return evolve(self, held=held, reserved=self.reserved - {key})
            case InputAnswered():
                return evolve(self, held=held, reserved=self.reserved - {key}, answered=self.answered | {key})


NO_QUESTIONS = Questions()


def _content(request: Any) -> Any:
    """A request without its `_meta`, into which a server may put something new each time."""
    found = as_object(request)
    params = None if found is None else as_object(found.get("params"))
    if found is None or params is None:
        return request
    return {**found, "params": {name: value for name, value in params.items() if name != "_meta"}}


def _digest(request: Any) -> bytes:
    """A digest of all of a question but its `_meta`. Takes linear time, and works at any depth of nesting."""
    digest = hashlib.blake2b(digest_size=16)
    rest = [_content(request)]
    while rest:
        item = rest.pop()
        if isinstance(item, Mapping):
            found = cast("Mapping[str, Any]", item)
            text = f"{{{len(found)}"
            for key in sorted(found, key=str):
                rest += (found[key], key)
        elif isinstance(item, list):
            text = f"[{len(cast('list[Any]', item))}"
            rest += cast("list[Any]", item)
        elif isinstance(item, str):
            text = f'"{len(item)}:{item}'
        elif isinstance(item, float) and item.is_integer():
            text = hex(int(item))
        else:
            # Python refuses to write integers of thousands of digits in decimal.
            text = hex(item) if isinstance(item, int) else f"{type(item).__name__}:{item}"
        digest.update(text.encode(errors="surrogatepass"))
    return digest.digest()
