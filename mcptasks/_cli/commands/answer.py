"""`mcptasks answer`: answers a question of a task, with fields from the command line or typed in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from mcptasks._cli import arguments, exits, naming, options, questions, running, untrusted
from mcptasks._cli.asking import Asker
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure, tell
from mcptasks._cli.files import read_words
from mcptasks._cli.naming import Named
from mcptasks._cli.setting import Setting
from mcptasks._cli.taking_up import with_tasks

if TYPE_CHECKING:
    from mcptasks import Task

_PATIENCE = 5.0
"""Seconds to wait for the question. A 2025-11-25 server puts it again only to a client that waits for the result."""


@click.command(epilog=options.TASK)
@options.task_argument()
@click.argument("words", nargs=-1, metavar="[KEY] [FIELD=VALUE]...")
@click.option("--decline", is_flag=True, help="Decline the question.")
@click.option("--cancel", "dismiss", is_flag=True, help="Dismiss the question without a decision.")
@options.setting(reaches=True, names_server=True)
def command(setting: Setting, task: str, words: Sequence[str], decline: bool, dismiss: bool) -> Exit:
    """Answer a question of a task. Without fields, the command asks in the terminal.

    A FIELD gets its type from the form, as an argument of `call` gets its type from the tool. KEY names the question if
    the task asks several. `show` lists the keys, a long key by its end.

    \b
    mcptasks answer @last sure=true
    mcptasks answer @last --decline
    """
    if decline and dismiss:
        raise click.UsageError("give --decline or --cancel, not both")
    key = words[0] if words and "=" not in words[0] and not words[0].startswith("@") and words[0] != "-" else None
    given = words if key is None else words[1:]
    if given and (decline or dismiss):
        raise click.UsageError("a declined question has no fields")

    async def work(handle: Task[Any], named: Named) -> Exit:
        from mcptasks import ElicitResult

        requests = await _open_requests(handle, named)
        which = chosen(requests, key, named)
        if decline or dismiss:
            value: Any = ElicitResult(action="decline" if decline else "cancel")
        elif given:
            value = fields(requests[which], given)
        else:
            value = await _typed(setting, handle, requests[which], named)
        try:
            await handle.answer(which, value)
        except ValueError as exc:
            raise Failure(Exit.USAGE, str(exc), kind="AnswerError", task=named.json) from None
        if setting.manner.json:
            setting.screen.print_json({"schema": 1, "task": named.json, "answered": which})
        else:
            setting.screen.hint(f"answered; watch it: {setting.command('watch', named.shown)}")
        return Exit.OK

    async def body() -> Exit:
        from mcptasks import BY_HAND

        store = setting.open_store()
        named = await naming.find(store, task)
        return exits.worst(
            await with_tasks(
                setting,
                store,
                [named],
                work,
                lambda _, failure: _tell(setting, failure),
                elicitation_handler=BY_HAND,
                sampling_handler=BY_HAND,
            )
        )

    return running.run(setting, body, running.Leaving(lambda: ("stopped; the question stays open",)))


def _tell(setting: Setting, failure: Failure) -> None:
    tell(setting.screen, failure)


async def _open_requests(task: Task[Any], named: Named) -> Mapping[str, Any]:
    """The open questions of a task.

    Raises:
        Failure: There is none.
    """
    from mcptasks import TaskError, TaskInputRequiredError, TaskTimeoutError

    try:
        # A 2025-11-25 server asks again when the result is waited for.
        await task.result(timeout=_PATIENCE)
    except TaskInputRequiredError as exc:
        if exc.input_requests:
            return exc.input_requests
    except TaskTimeoutError:
        if task.input_requests:
            return task.input_requests
    except TaskError as exc:
        raise Failure(Exit.NO_TASK, f"the task asks nothing: {exc.message}", task=named.json) from None
    raise Failure(Exit.NO_TASK, "the task asks nothing that is to be answered here", task=named.json)


def chosen(requests: Mapping[str, Any], key: str | None, named: Named) -> str:
    """The key of the question that is meant. Pure.

    Raises:
        Failure: There is no such question, or it has to be named.
    """
    shown = questions.short_keys(requests)
    listed = "; ".join(f"{untrusted.line(shown[each], 80)}: {questions.summary(requests[each])}" for each in requests)
    if key is None and len(requests) > 1:
        raise Failure(Exit.USAGE, f"the task asks several questions; name one by its key: {listed}", task=named.json)
    if key is None or key in requests:
        return next(iter(requests)) if key is None else key
    meant = [each for each in requests if key == shown[each]]
    if not meant:
        words = f"the task has no open question {key!r:.80}; it has: {listed}; a field is field=value"
        raise Failure(Exit.USAGE, words, task=named.json)
    return meant[0]


def fields(request: Any, words: Sequence[str]) -> Any:
    """The answer in the words of the command line. Pure, except that it reads the files that words name.

    Raises:
        Failure: A field is invalid.
    """
    if questions.method(request) == questions.SAMPLING:
        if len(words) == 1 and words[0].startswith("text="):
            return words[0].removeprefix("text=")
        raise Failure(Exit.USAGE, "the task asks for a text of a model; write text=...")
    try:
        return arguments.parse(words, questions.params(request).get("requestedSchema"), read_words())
    except ValueError as exc:
        words = str(exc).replace("the tool has no argument", "the question has no field")
        raise Failure(Exit.USAGE, words.replace("the tool", "the question"), kind="ArgumentError") from None


async def _typed(setting: Setting, task: Task[Any], request: Any, named: Named) -> Any:
    """The answer that somebody types.

    Raises:
        Failure: Nobody is there to type, or the question was left open.
    """
    if not setting.screen.can_ask:
        words = f"the task asks: {questions.summary(request)}; give {questions.how_to_answer(request)}"
        raise Failure(Exit.INPUT, words, task=named.json)
    return await Asker(setting).put(task, questions.method(request), dict(questions.params(request)))
