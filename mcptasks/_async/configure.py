"""Checks a client's arguments and makes its configuration of them, before anything is connected."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from mcptasks import _arguments
from mcptasks._async import handlers
from mcptasks._async.answers import Answerer
from mcptasks._async.extension import ClientTasksExtension
from mcptasks._async.session import Config, make_client
from mcptasks._hosting import HostedKind, hosting
from mcptasks._schedule import PollingPolicy
from mcptasks._transport.targets import Options, resolve
from mcptasks._wire.hosted import AUGMENTABLE


def configure(target: Any, **options: Any) -> Config:
    """The configuration of a client.

    Raises:
        TypeError: A target, handler or option of a kind that is not known.
        ValueError: An argument whose value cannot be right.
        FileNotFoundError: A path to a file that is not there.
    """
    polling = options["polling"]
    if not isinstance(polling, PollingPolicy | None):
        raise TypeError(f"polling must be a PollingPolicy, got {polling!r}")
    places = ("headers", "auth", "http_client", "env", "cwd", "server")
    answerer = Answerer(options["elicitation_handler"], options["sampling_handler"], options["roots"])
    able: list[HostedKind] = [kind for method, kind in AUGMENTABLE.items() if answerer.handles(method)]
    config = Config(
        target=resolve(target, Options(**{name: options[name] for name in places})),
        mode=options["mode"],
        callbacks=_callbacks(options),
        timeout=_arguments.seconds(options["timeout"], "timeout", zero=False),
        polling=polling or PollingPolicy(),
        patience=_arguments.seconds(options["reconnect_timeout"], "reconnect_timeout"),
        answerer=answerer,
        hosting=hosting(options["host_tasks"], able),
    )
    # The SDK checks the mode where a client is made, not where it is entered.
    make_client(config, nullcontext(), config.mode, extension=ClientTasksExtension(_ignore), on_message=_ignore)
    return config


def _callbacks(options: dict[str, Any]) -> dict[str, Any]:
    for name in ("elicitation_handler", "sampling_handler", "log_handler"):
        if options[name] is not None and not callable(options[name]):
            raise TypeError(f"{name} must be callable, got {options[name]!r}")
    callbacks: dict[str, Any] = {}
    if options["log_handler"] is not None:
        callbacks["logging_callback"] = handlers.log_callback(options["log_handler"])
        # 2026-07-28 sends log messages only for requests that ask for them; what is too much the handler may drop.
        callbacks["log_level"] = "debug"
    return callbacks


def _ignore(*_: Any) -> None:
    """Nothing is connected yet."""
