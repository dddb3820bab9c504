"""From a target to a client: credentials, consent to project files, and who answers questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mcptasks._cli import records, targets, trust, untrusted
from mcptasks._cli.entries import Entry
from mcptasks._cli.exits import Exit
from mcptasks._cli.failures import Failure
from mcptasks._cli.naming import Named
from mcptasks._cli.setting import Setting
from mcptasks._cli.targets import Target, TargetError
from mcptasks._cli.terminal import ask_line, ask_secret, confirm

if TYPE_CHECKING:
    from mcptasks import Client
    from mcptasks.store import Store

_TOKEN = "MCPTASKS_TOKEN"


def target_of(setting: Setting, word: str | None, after: list[str] | None) -> Target:
    """Return the server that the command line names, with consent to use it.

    Args:
        setting: The options of the command.
        word: The word of the target; None if a command follows `--`.
        after: The command; None if there is none.

    Raises:
        Failure: The words name no server, or nobody consents to the use of a project's file.
    """
    try:
        found = (
            targets.of_command(after or []) if word is None else targets.of_word(word, setting.scene, setting.config)
        )
    except TargetError as exc:
        raise Failure(Exit.USAGE, str(exc)) from None
    consent(setting, found)
    return found


def target_of_task(setting: Setting, named: Named) -> Target:
    """Return the server of a task: the server of `--server`, or else the one that the store or the reference names.

    Raises:
        Failure: Neither names a server, so `--server` is needed.
    """
    if setting.server is not None:
        return target_of(setting, setting.server, None)
    kept = named.record.labels.get(records.TARGET) if named.record is not None else None
    endpoint = named.record.endpoint if named.record is not None else (named.reference or {}).get("endpoint")
    word = kept or (endpoint if isinstance(endpoint, str) and endpoint.startswith(("http://", "https://")) else None)
    if word is None:
        words = f"nobody has written down how to reach the server of task {named.shown}; give --server TARGET"
        raise Failure(Exit.USAGE, words, task=named.json)
    return target_of(setting, word, None)


def consent(setting: Setting, target: Target) -> None:
    """Ask for consent before a server from a project's file is used.

    Raises:
        Failure: Nobody consents.
    """
    entry = target.given
    if not isinstance(entry, Entry) or not entry.project or setting.trust:
        return
    memory = trust.memory(setting.environ, setting.scene.home)
    if trust.is_trusted(entry, memory):
        return
    does = "connects to" if entry.kind != "stdio" else "starts"
    words = f"{entry.path} is a file of this folder; its entry {entry.name!r} {does} {entry.place}"
    if not setting.screen.can_ask:
        raise Failure(Exit.USAGE, f"{words}; give --trust to use it", kind="ConsentError")
    if not confirm(setting.screen, f"{untrusted.line(words)}. Use it, now and later?"):
        raise Failure(Exit.USAGE, "the server was not used", kind="ConsentError")
    try:
        trust.remember(entry, memory)
    except OSError as exc:
        setting.screen.say(f"cannot remember the answer: {exc}")


def auth_variable(setting: Setting, target: Target, labels: Mapping[str, str]) -> str | None:
    """Return the name of the variable that holds the token; None if no token is to be sent. Pure.

    Args:
        setting: The options.
        target: The server.
        labels: The labels of the task, which may name the variable.
    """
    named = setting.auth_env or labels.get(records.AUTH)
    if named is not None:
        return named
    own = any(name.lower() == "authorization" for name in setting.headers)
    in_url = isinstance(target.given, str) and "@" in target.given.partition("://")[2].partition("/")[0]
    # A token goes only to a URL that somebody has typed. An entry of a configuration has headers of its own.
    return _TOKEN if target.is_url and not own and not in_url and setting.environ.get(_TOKEN) else None


def client_of(
    setting: Setting, target: Target, store: Store | None, labels: Mapping[str, str], **handlers: Any
) -> Client:
    """Return a client of a server, not yet open.

    Args:
        setting: The options of the command.
        target: The server.
        store: Where the client keeps its tasks; None for nowhere.
        labels: The labels of the task that is taken up, which say how the server was reached.
        handlers: Further arguments of `Client`.

    Raises:
        Failure: A variable is not set, or the target is invalid.
    """
    from mcptasks import Client

    given: dict[str, Any] = dict(handlers)
    variable = auth_variable(setting, target, labels)
    if variable is not None:
        token = setting.environ.get(variable)
        if not token:
            raise Failure(Exit.CREDENTIALS, f"the variable {variable}, which holds the token, is not set")
        given["auth"] = token
    if setting.headers:
        given["headers"] = dict(setting.headers)
    if setting.server is None and records.MODE in labels and setting.mode is None:
        given["mode"] = labels[records.MODE]
    elif setting.mode is not None:
        given["mode"] = setting.mode
    try:
        where, more = targets.client_arguments(target, setting.scene, _asker(setting))
        return Client(where, store=store, **more, **given)
    except (ValueError, TypeError, OSError) as exc:
        raise Failure(Exit.USAGE, str(exc), kind=type(exc).__name__) from None


def _asker(setting: Setting) -> Any:
    """Make a function that asks for an input of VS Code, such as a token, if somebody can be asked."""

    def ask(name: str, description: str, secret: bool) -> str:
        if not setting.screen.can_ask:
            variable = f"MCPTASKS_INPUT_{name.upper()}"
            raise ValueError(f"the configuration asks for {name!r:.80}; set the variable {variable}")
        words = f"{untrusted.line(description)}: "
        return ask_secret(setting.screen, words) if secret else ask_line(setting.screen, words)

    return ask


def kept_labels(setting: Setting, target: Target) -> dict[str, str]:
    """Return the labels that say how a server was reached, for later commands. None holds a secret. Pure."""
    found = {records.TARGET: target.again, records.MODE: setting.mode}
    if target.again is not None:
        found[records.AUTH] = setting.auth_env
    return {name: value for name, value in found.items() if value is not None}
