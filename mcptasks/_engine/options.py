"""A client's options as one value, checked before anything is connected.

A new option needs three lines: a parameter of `Client`, an argument of the call there, and a field. The field is here,
or in `_transport.targets.Options` if only some kinds of target use the option.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import Factory, field, frozen

from mcptasks._core import argument_checks
from mcptasks._core.hosted_tasks import HostedKind, HostTasks, hosting
from mcptasks._core.patience import Patience
from mcptasks._core.polling.policy import PollingPolicy
from mcptasks._engine.input.handlers import BY_HAND, ByHand, LogHandler, Roots, log_callback, roots_of
from mcptasks._telemetry.options import Telemetry
from mcptasks._transport.checks import kind_of
from mcptasks._transport.targets import Target
from mcptasks._wire.versions import Terms, terms_of

if TYPE_CHECKING:
    # Only for type checkers, so that programs without a store do not wait for the import.
    from mcptasks._store.access import Access

InputHandler: TypeAlias = "Callable[..., Any] | ByHand | None"
"""Answers one kind of input request. With `BY_HAND`, the program answers with `Task.answer`."""


def _polling(value: Any) -> PollingPolicy:
    if not isinstance(value, PollingPolicy | None):
        raise TypeError(f"polling must be a PollingPolicy, got {kind_of(value)}")
    return value or PollingPolicy()


def _roots(value: Roots | None) -> Roots | None:
    if value is not None and not callable(value):
        roots_of(value)
    return value


def _target(resolve: Callable[[], Target]) -> Target:
    return resolve()


def _terms(given: ClientOptions) -> Terms:
    terms = terms_of(given.mode)
    if given.target.bare and terms.older:
        raise ValueError(f"mode={terms.offered!r} has no meaning for an MCPServer object, which speaks every version")
    return terms


def _callable(value: Any, name: str) -> None:
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be callable, got {kind_of(value)}")


def _elicitation_handler(value: InputHandler) -> InputHandler:
    if value is not BY_HAND:
        _callable(value, "elicitation_handler")
    return value


def _sampling_handler(value: InputHandler) -> InputHandler:
    if value is not BY_HAND:
        _callable(value, "sampling_handler")
    return value


def _log_handler(value: LogHandler | None) -> LogHandler | None:
    _callable(value, "log_handler")
    return value


def _timeout(value: float | timedelta | None) -> float | None:
    return argument_checks.seconds(value, "timeout", zero=False)


def _reconnect_timeout(value: float | timedelta | None) -> float | None:
    return argument_checks.seconds(value, "reconnect_timeout", zero=False)


def _store(find: Callable[[], GivenStore | None]) -> GivenStore | None:
    return find()


def _wait_for_server(value: float | timedelta | None) -> float | None:
    return argument_checks.seconds(value, "wait_for_server")


def _opening_wait(given: ClientOptions) -> float | None:
    if given.wait_for_server is not None and not given.target.lasting:
        raise ValueError(f"wait_for_server= is for URLs: it has no meaning for {given.target.endpoint}")
    return given.wait_for_server or None


def _telemetry(value: Any) -> Telemetry | None:
    if value is not None and value is not False and not isinstance(value, Telemetry):
        raise TypeError(f"telemetry must be a Telemetry, False or None, got {kind_of(value)}")
    return None if value is False else value or Telemetry()


def _patience(value: Any) -> Patience | None:
    if not isinstance(value, Patience | None):
        raise TypeError(f"patience must be a Patience, got {kind_of(value)}")
    return value


def _hosting(given: ClientOptions) -> HostTasks | None:
    handlers: dict[HostedKind, InputHandler] = {
        "elicitation": given.elicitation_handler,
        "sampling": given.sampling_handler,
    }
    answered: list[HostedKind] = [
        kind for kind, handler in handlers.items() if handler is not None and handler is not BY_HAND
    ]
    return hosting(given.host_tasks, answered)


@frozen
class GivenStore:
    """The store that a client writes to."""

    access: Access
    own: bool
    """Whether the store was made for this client, which then closes it at its end."""


@frozen(kw_only=True)
class ClientOptions:
    """The arguments of `Client(...)`, checked.

    Fields are checked from top to bottom, and the first fault is raised. A field with `init=False` is the checked form
    of another field, if that check needs fields above it.

    Raises:
        TypeError: A target, handler or option is of an unknown kind.
        ValueError: An option has an invalid value.
        FileNotFoundError: A path leads to no file.
    """

    polling: PollingPolicy = field(converter=_polling)
    roots: Roots | None = field(converter=_roots, repr=False)
    target: Target = field(converter=_target)
    """Passed as a function that resolves the target, so that the target is checked before the fields below."""
    mode: str
    terms: Terms = field(init=False, default=Factory(_terms, takes_self=True))
    """How to negotiate the protocol: the checked form of `mode`."""
    elicitation_handler: InputHandler = field(converter=_elicitation_handler, repr=False)
    sampling_handler: InputHandler = field(converter=_sampling_handler, repr=False)
    log_handler: LogHandler | None = field(converter=_log_handler, repr=False)
    timeout: float | None = field(converter=_timeout)
    """Seconds for each request on the wire, and for making a connection; None for no limit."""
    reconnect_timeout: float | None = field(converter=_reconnect_timeout)
    """Seconds for which we try to make a lost connection again; None for no limit."""
    wait_for_server: float | None = field(converter=_wait_for_server)
    """Seconds to wait for a server that is not up yet; for URLs only."""
    opening_wait: float | None = field(init=False, default=Factory(_opening_wait, takes_self=True))
    """Seconds for which the first connection is tried again: the checked form of `wait_for_server`. None for one
    attempt."""
    host_tasks: bool | HostTasks
    hosting: HostTasks | None = field(init=False, default=Factory(_hosting, takes_self=True))
    """How the client hosts tasks for the server: the checked form of `host_tasks`. None if it hosts none."""
    store: GivenStore | None = field(converter=_store, repr=False)
    """The store to which the client writes. Passed as a function that finds the store, like `target`."""
    telemetry: Telemetry | None = field(converter=_telemetry)
    """None for no spans and no metrics."""
    patience: Patience | None = field(converter=_patience)
    """When waits are given up as stalled; None for never."""

    @property
    def log_callbacks(self) -> dict[str, Any]:
        """Return the SDK client's callback for log messages, by its parameter name."""
        if self.log_handler is None:
            return {}
        # A modern server sends log messages only for requests that ask for them. With "debug" all of them come, and the
        # handler can drop some.
        return {"logging_callback": log_callback(self.log_handler), "log_level": "debug"}
