"""Questions of tasks, put to a person at the terminal: forms, URLs, requests to a model. One question at a time."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mcptasks._cli import questions, untrusted
from mcptasks._cli.questions import Field, FieldError
from mcptasks._cli.setting import Setting
from mcptasks._cli.terminal import NoAnswer, read_line

DECLINE = "!"
"""The text that somebody types to decline a question."""

Quiet = Callable[[], AbstractContextManager[object]]
"""Makes a block in which nothing else is drawn on the terminal."""


class LeftOpen(Exception):
    """Nobody answered, so the question stays open at the server."""


class Asker:
    """Answers the questions of a client's tasks, as an input handler.

    Args:
        setting: The options of the command.
        quiet: Makes a block in which a live display draws nothing.
    """

    def __init__(self, setting: Setting, quiet: Quiet = nullcontext) -> None:
        import anyio

        self._setting = setting
        self._screen = setting.screen
        self._quiet = quiet
        self._turn = anyio.Lock()
        self.fault: str | None = None
        """The fault of the latest answer; printed before the question is asked again."""

    def handlers(self) -> dict[str, Any]:
        """Return the handlers for `Client`. Without a person, questions stay open and can be answered elsewhere."""
        from mcptasks import BY_HAND

        answers = self._screen.can_ask or self._setting.yes
        found: dict[str, Any] = {"elicitation_handler": self.elicit if answers else BY_HAND}
        if self._setting.sampling_command is not None:
            found["sampling_handler"] = self.sample
        elif self._screen.can_ask:
            found["sampling_handler"] = self.decline_sample
        return found

    async def elicit(self, context: Any, params: Any) -> Any:
        """Put an elicitation request to the person; see `ElicitationHandler`.

        Raises:
            LeftOpen: The person leaves the question open, or nobody is there.
        """
        given = params.model_dump(mode="json", by_alias=True, exclude_none=True)
        if self._setting.yes:
            return _agreed(given)
        name = context.task.name if context.task is not None else None
        async with self._turn:
            with self._quiet():
                try:
                    return await self._put(name, given)
                except NoAnswer:
                    raise LeftOpen("the question was left open") from None

    async def put(self, task: Any, method: str, given: dict[str, Any]) -> Any:
        """Put one question, outside of a handler; see `elicit`.

        Raises:
            LeftOpen: The person leaves the question open.
        """
        try:
            if method == questions.SAMPLING:
                words = questions.summary({"method": method, "params": given})
                self._screen.say(f"the task asks {words}", "bold")
                return await read_line(self._screen, "text: ")
            return await self._put(task.name, given)
        except NoAnswer:
            raise LeftOpen("the question was left open") from None

    async def _put(self, asks: str | None, given: dict[str, Any]) -> Any:
        from mcptasks import ElicitResult

        screen = self._screen
        if self.fault is not None:
            screen.say(self.fault, "yellow")
            self.fault = None
        name = untrusted.line(asks, 80) if asks else "the server"
        screen.say(f"{name} asks: {untrusted.lines(str(given.get('message') or ''))}", "bold")
        url = given.get("url")
        if isinstance(url, str):
            screen.say(f"open this page at {questions.host(url)}:")
            screen.say(f"  {untrusted.line(url, 4000)}")
            typed = await read_line(screen, f"press Enter when that is done, {DECLINE} to decline: ")
            return None if typed.strip() == DECLINE else ElicitResult(action="accept")
        screen.say(f"({DECLINE} declines, Ctrl-D leaves the question open)", "dim")
        found: dict[str, Any] = {}
        for field in questions.fields(given.get("requestedSchema")):
            value = await self._field(field)
            if value is _DECLINED:
                return None
            if value is not _LEFT_OUT:
                found[field.name] = value
        return ElicitResult(action="accept", content=found)

    async def _field(self, field: Field) -> Any:
        """The answer to one field; asked again until the answer is valid."""
        screen = self._screen
        if field.description:
            screen.say(f"  {untrusted.line(field.description)}", "dim")
        for number, word in enumerate(field.words, 1):
            screen.say(f"  {number}. {untrusted.line(word, 200)}")
        optional = "" if field.required else ", may be left out"
        default = "" if field.default is None else f" [{untrusted.line(_text(field.default), 80)}]"
        prompt = f"{untrusted.line(field.title, 80)} ({questions.kind_of(field)}{optional}){default}: "
        while True:
            typed = (await read_line(screen, prompt)).strip()
            if typed == DECLINE:
                return _DECLINED
            if not typed and field.default is not None:
                return field.default
            if not typed and not field.required:
                return _LEFT_OUT
            if not typed:
                screen.say("  this field is required", "yellow")
                continue
            try:
                return questions.value_of(field, typed)
            except FieldError as exc:
                screen.say(f"  {exc}", "yellow")

    async def sample(self, _context: Any, params: Any) -> str:
        """Have the command of `--sampling-command` answer a request to a model. The command gets the request as JSON
        on its standard input, and writes the text to its standard output.

        Raises:
            LeftOpen: The command failed.
        """
        import anyio

        given = params.model_dump(mode="json", by_alias=True, exclude_none=True)
        words = shlex.split(self._setting.sampling_command or "")
        try:
            done = await anyio.run_process(words, input=json.dumps(given).encode(), stderr=None, check=False)
        except OSError as exc:
            raise LeftOpen(f"the sampling command cannot be started: {exc}") from None
        if done.returncode:
            raise LeftOpen(f"the sampling command ended with status {done.returncode}")
        return done.stdout.decode("utf-8", "replace").rstrip("\n")

    async def decline_sample(self, _context: Any, params: Any) -> Any:
        """Show a request to a model, and decline it, since `--sampling-command` was not given."""
        from mcp_types import ErrorData

        given = params.model_dump(mode="json", by_alias=True, exclude_none=True)
        with self._quiet():
            words = questions.summary({"method": questions.SAMPLING, "params": given})
            self._screen.say(f"the server asks {words}; declined (--sampling-command answers)", "yellow")
        # The code and the words are those of 2025-11-25, client/sampling, "Error Handling".
        return ErrorData(code=-1, message="User rejected sampling request")


_DECLINED = object()
_LEFT_OUT = object()


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _agreed(given: dict[str, Any]) -> Any:
    """The answer of `--yes`: the defaults of the form, and yes for each field without one that takes yes.

    Raises:
        LeftOpen: The form needs more than that, or a page has to be opened.
    """
    from mcptasks import ElicitResult

    if "url" in given:
        raise LeftOpen("--yes does not open pages")
    found: dict[str, Any] = {}
    for field in questions.fields(given.get("requestedSchema")):
        if field.default is not None:
            found[field.name] = field.default
        elif field.schema.get("type") == "boolean":
            found[field.name] = True
        elif field.required:
            raise LeftOpen(f"--yes has no answer for the field {untrusted.line(field.name, 80)}")
    return ElicitResult(action="accept", content=found)
