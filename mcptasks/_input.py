"""The questions that a task asks in its midst: which are open, which are being answered, which are over. Pure.

The rules:

- A question has a key that is unique for the task's life (ext-tasks, "Task Input Requests"). It is open from when it
  is first seen until its answer was accepted. Then it is over, also where the server shows it again: its
  acknowledgement is eventually consistent. How long it is shown again is counted, for whoever knows the time. A key
  that comes with another request breaks the protocol.
- A task whose questions were all answered counts as `working`, whatever the server still shows.
- A 2025-11-25 server asks by requests of its own. Such a question is open until it is answered or taken back, and the
  task counts as `input_required` meanwhile.
- Whoever answers reserves the question first, so that nobody is asked twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import evolve, field, frozen

from mcptasks._json import as_object
from mcptasks._models import TaskStatus


@frozen
class InputAsked:
    """The server asks by a request of its own (2025-11-25)."""

    key: str
    request: Any


@frozen
class InputWithdrawn:
    """What the server asked by a request of its own it does not want to know any more."""

    key: str


@frozen
class InputReserved:
    """Somebody sets about answering a question."""

    key: str


@frozen
class InputReleased:
    """Who had reserved a question did not answer it; it is open again."""

    key: str


@frozen
class InputAnswered:
    """The answer to a question was accepted by the server."""

    key: str


InputEvent: TypeAlias = InputAsked | InputWithdrawn | InputReserved | InputReleased | InputAnswered


@frozen
class Questions:
    """The questions of one task. Never changed in place."""

    asked: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """Every question that was ever seen, by key."""
    held: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """The open ones that the server asked by requests of its own."""
    answered: frozenset[str] = frozenset()
    """The keys of those whose answers were accepted."""
    reserved: frozenset[str] = frozenset()
    """The keys of those that somebody is answering."""
    again: Mapping[str, int] = field(factory=dict[str, int])
    """How many looks in a row have shown a question whose answer was accepted."""
    gone: frozenset[str] = frozenset()
    """The keys of answered questions that some look has not shown any more."""

    def looked(self, status: TaskStatus) -> Questions:
        """After a look. One that shows an answered question proves nothing, nor does one that does not and is followed
        by one that does: they may come from servers that learn of answers at different times."""
        if not self.answered:
            return self
        shown = self.answered & status.input_requests.keys()
        again = {key: self.again.get(key, 0) + 1 for key in shown}
        return evolve(self, again=again, gone=self.gone | (self.answered - shown))

    def seen(self, status: TaskStatus) -> Questions:
        """With the questions that a status shows."""
        if status.input_requests.keys() <= self.asked.keys():
            return self
        return evolve(self, asked={**self.asked, **status.input_requests})

    def reused(self, status: TaskStatus) -> str | None:
        """A key in a status that came with another request before."""
        for key, request in status.input_requests.items():
            if key in self.asked and _content(self.asked[key]) != _content(request):
                return key
        return None

    def shown(self, word: TaskStatus) -> TaskStatus:
        """What a program is told where the server says this."""
        asked: Mapping[str, Any] = word.input_requests if word.status == "input_required" else {}
        if word.is_terminal or not (asked or self.held):
            return word
        left = {key: request for key, request in asked.items() if key not in self.answered}
        if left or self.held:
            return evolve(word, status="input_required", input_requests={**left, **self.held})
        return evolve(word, status="working", status_message=None, input_requests={})

    def after(self, event: InputEvent) -> Questions:
        """After something was done about a question."""
        key = event.key
        held = {other: request for other, request in self.held.items() if other != key}
        match event:
            case InputAsked(_, request):
                return evolve(self, asked={**self.asked, key: request}, held={**held, key: request})
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
    """What a request asks: all but `_meta`, where a server may put something new each time."""
    found = as_object(request)
    params = None if found is None else as_object(found.get("params"))
    if found is None or params is None:
        return request
    return {**found, "params": {name: value for name, value in params.items() if name != "_meta"}}
