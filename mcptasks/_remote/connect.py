"""How a worker connects to a server: a value that pickles, has a JSON form, and holds no secret.

Secrets are in the environment of the worker; a `Connect` has the names of the variables.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from attrs import field, fields, frozen

from mcptasks._core import argument_checks, safe_text
from mcptasks._core.exceptions import TaskInputRequiredError
from mcptasks._core.models import TaskReference
from mcptasks._core.task_text import is_secret
from mcptasks._store.places import is_database
from mcptasks._transport import configs, urls
from mcptasks._transport.checks import kind_of
from mcptasks._transport.targets import Options, resolve
from mcptasks._wire.versions import terms_of

_TRAVELS = (
    "an http:// or https:// URL, a path to a .py or .js file, a list of strings (a command), or a mapping with "
    "'mcpServers'"
)


def _name(value: Any) -> str:
    found = argument_checks.text(value, "the name of an environment variable")
    if "=" in found or "\0" in found:
        raise ValueError("the name of an environment variable has neither '=' nor a NUL character")
    return found


def _timeout(value: float | timedelta | None) -> float | None:
    return argument_checks.seconds(value, "timeout", zero=False)


def _reconnect_timeout(value: float | timedelta | None) -> float | None:
    return argument_checks.seconds(value, "reconnect_timeout", zero=False)


@frozen
class FromEnv:
    """A value that the worker reads from its own environment when it connects."""

    __module__ = "mcptasks.remote"

    name: str = field(converter=_name)
    """The variable."""

    def read(self, use: str) -> str:
        """The value of the variable in this process.

        Args:
            use: What needs the value, for the error.

        Raises:
            ValueError: The variable is not set here, or is empty.
        """
        value = os.environ.get(self.name)
        if not value:
            words = "is not set" if value is None else "is empty"
            raise ValueError(
                f"the environment variable {self.name}, which {use} of Connect names, {words} on {_here()}; set it "
                "where the worker runs"
            )
        return value


@frozen
class Connect:
    """How to connect to one server, from any machine. The value pickles, converts to JSON text or a mapping, and holds
    no secret.

    ```python
    connect = Connect("https://example.com/mcp", auth=FromEnv("MCP_TOKEN"), store=FromEnv("MCP_STORE"))
    ```

    Raises:
        TypeError: A value is of a kind that cannot travel; the message says what can.
        ValueError: A value is invalid, or is a secret that would travel with every task. The message names the argument
            and shows no secret.
    """

    __module__ = "mcptasks.remote"

    target: str | list[str] | Mapping[str, Any] = field(repr=False, hash=False)
    """The server: a URL; a script or a command, which is started on this machine only; or a mapping with
    `mcpServers`."""
    server: str | None = field(default=None, kw_only=True)
    """Which entry of `mcpServers` to use. The other entries do not travel."""
    mode: str = field(default="auto", kw_only=True)
    """See `Client`."""
    auth: FromEnv | None = field(default=None, kw_only=True)
    """The bearer token."""
    headers: Mapping[str, str | FromEnv] = field(factory=dict[str, "str | FromEnv"], kw_only=True, hash=False)
    """Sent with every HTTP request. A header whose name says that it is secret must be a `FromEnv`."""
    env: Mapping[str, str | FromEnv] = field(factory=dict[str, "str | FromEnv"], kw_only=True, hash=False)
    """Environment variables for a subprocess; a secret must be a `FromEnv`."""
    store: str | FromEnv | None = field(default=None, kw_only=True)
    """The store of the tasks: a path that all workers share, made absolute here, or a `postgresql://` URL. A URL with a
    password must be a `FromEnv`. With a store, a call with `key=` is made once, whatever happens to workers."""
    timeout: float | None = field(default=None, kw_only=True, converter=_timeout)
    """Seconds or a `timedelta` for each request on the wire, not for the work of a task."""
    reconnect_timeout: float | None = field(default=60.0, kw_only=True, converter=_reconnect_timeout)
    """How long to try to restore a lost connection, in seconds or as a `timedelta`; None for no limit."""
    answers_later: bool = field(default=False, kw_only=True)
    """Whether to declare to the server that somebody answers its input requests. A worker does not answer: its wait
    ends with `TaskInputRequiredError`, and any client that resumes the task may answer. With False, servers do not
    ask."""
    endpoint: str = field(default="", kw_only=True)
    """The server's name in references and errors; by default the URL without query, or the program's name."""
    machine: str | None = field(default=None, kw_only=True)
    """The machine on which a subprocess may be started: the one where this value was made. None for a URL."""

    def __attrs_post_init__(self) -> None:
        _check_forms(self)
        if self.machine is not None and self.machine != _here():
            return  # The files of the machine that made this value are not here, and nothing will be started here.
        target = _narrow(self.target, self.server)
        endpoint = resolve(target, Options(**_options(self, _placeholder))).endpoint
        set_value = object.__setattr__
        set_value(self, "target", target)
        set_value(self, "endpoint", endpoint)
        if isinstance(self.store, str) and not is_database(self.store):
            set_value(self, "store", os.path.abspath(self.store))  # noqa: PTH100 - the worker may run in another folder
        set_value(self, "machine", _here() if _is_subprocess(target, self.server) else None)

    def __repr__(self) -> str:
        return f"<Connect {safe_text.line(self.endpoint)}>"

    def to_dict(self) -> dict[str, Any]:
        """Return this value as a mapping of plain values."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(Connect)}

    def to_json(self) -> str:
        """Return this value as JSON text, for `from_json` in any process."""
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> Connect:
        """Read the JSON text that `to_json` wrote, or the mapping in that text.

        Raises:
            ValueError: The text does not describe a `Connect`.
        """
        values: Any = source
        if isinstance(source, str | bytes):
            try:
                values = json.loads(source)
            except (ValueError, RecursionError):
                values = None
        if not isinstance(values, Mapping) or "target" not in values:
            raise ValueError("not a Connect: use what to_json() returned")
        known = {each.name for each in fields(Connect)}
        # A later version may write more fields.
        given = {name: value for name, value in cast("Mapping[str, Any]", values).items() if name in known}
        for name in ("auth", "store"):
            given[name] = _unplain(given.get(name))
        for name in ("headers", "env"):
            held: Any = given.get(name) or {}
            if not isinstance(held, Mapping):
                raise ValueError(f"not a Connect: {name} must be a mapping, not {kind_of(held)}")
            held = cast("Mapping[str, Any]", held)
            given[name] = {key: _unplain(value) for key, value in held.items()}
        return cls(**given)


@frozen
class Resolved:
    """A `Connect` with the values of its variables, ready to connect."""

    key: str = field(repr=False)
    """The same for calls that can share a client."""
    target: Any = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)
    """The arguments of `Client`."""
    endpoint: str


def resolved(connect: Connect) -> Resolved:
    """Read the variables of a `Connect` in this process. Nothing is sent.

    Raises:
        TypeError: The argument is not a `Connect`.
        ValueError: A variable is not set here, or the server is a subprocess of another machine.
    """
    if not isinstance(cast("object", connect), Connect):
        raise TypeError(f"connect must be a mcptasks.remote.Connect, not {kind_of(connect)}")
    if connect.machine not in (None, _here()):
        raise ValueError(
            f"{connect.endpoint} is a subprocess of machine {connect.machine}, and this is {_here()}: a task in a "
            "subprocess is out of reach elsewhere; serve it over HTTP, or make the Connect where the worker runs"
        )
    options = _options(connect, _read)
    options["store"] = _read(connect.store, "store=")
    key = json.dumps([connect.to_dict(), options], sort_keys=True)
    options |= {"mode": connect.mode, "timeout": connect.timeout, "reconnect_timeout": connect.reconnect_timeout}
    if connect.answers_later:
        options |= {"elicitation_handler": _nobody, "sampling_handler": _nobody}
    return Resolved(key, connect.target, options, connect.endpoint)


def leading_to(reference: TaskReference, connect: Connect | None) -> Connect:
    """The `Connect` for the server of a task.

    Args:
        reference: The task's reference.
        connect: The program's `Connect`; None if the reference's URL is enough.

    Raises:
        TypeError: `connect` is not a `Connect`.
        ValueError: The reference names another server, or none that can be reached without a `Connect`.
    """
    if connect is None:
        if not (reference.endpoint or "").startswith(("http://", "https://")):
            raise ValueError("the reference names no URL: give the Connect of its server")
        return Connect(cast("str", reference.endpoint))
    if not isinstance(cast("object", connect), Connect):
        raise TypeError(f"connect must be a mcptasks.remote.Connect or None, not {kind_of(connect)}")
    if reference.endpoint not in (None, connect.endpoint):
        raise ValueError(
            f"the reference is of the server {safe_text.short(reference.endpoint)}, and the Connect leads to "
            f"{safe_text.short(connect.endpoint)}"
        )
    return connect


async def _nobody(context: Any, _params: Any) -> Any:
    """The input handler of a worker, which has nobody to ask."""
    reference = context.reference
    asked: Mapping[str, Any] = {} if context.task is None else context.task.input_requests
    words = "the task waits for input, and a worker has nobody to ask: answer with Client.resume(reference).answer()"
    raise TaskInputRequiredError(words, input_requests=asked, reference=reference)


def _here() -> str:
    return socket.gethostname() or "this machine"


def _is_url(target: Any) -> bool:
    return isinstance(target, str) and urls.scheme_of(target) is not None


def _is_subprocess(target: Any, server: str | None) -> bool:
    if isinstance(target, Mapping):
        entry = configs.chosen(cast("Mapping[str, Any]", target), server)[1]
        return "command" in entry
    return not _is_url(target)


def _narrow(target: Any, server: str | None) -> Any:
    """A target in the form that travels: a path made absolute, and of a mapping of servers only the chosen entry."""
    if isinstance(target, str) and not _is_url(target):
        return os.path.abspath(target)  # noqa: PTH100 - the worker may run in another folder
    if not isinstance(target, Mapping):
        return target
    name, entry = configs.chosen(cast("Mapping[str, Any]", target), server)
    if isinstance(entry, Mapping):
        for part in ("headers", "env"):
            _refuse_secrets(cast("Mapping[str, Any]", entry).get(part), f"{part} of server {name!r}", f"{part}=")
        _refuse_credentials(cast("Mapping[str, Any]", entry).get("url"))
        entry = dict(cast("Mapping[str, Any]", entry))
    return {"mcpServers": {name: entry}}


def _check_forms(connect: Connect) -> None:
    """Check the values, without this machine's files and environment."""
    target: Any = connect.target
    if not isinstance(target, str | list | Mapping) or (isinstance(target, str) and target.endswith(".json")):
        raise TypeError(f"a Connect travels to other machines, so its target must be {_TRAVELS}; got {kind_of(target)}")
    _refuse_credentials(target)
    for name in ("headers", "env"):
        values: Any = getattr(connect, name)
        if not isinstance(values, Mapping):
            raise TypeError(f"{name} must be a mapping of names to strings or FromEnv, not {kind_of(values)}")
        _refuse_secrets(cast("Mapping[str, Any]", values), name, f"{name}=")
    if not isinstance(cast("object", connect.auth), FromEnv | None):
        raise TypeError(f"auth must be FromEnv('NAME') or None, not {kind_of(connect.auth)}: a token would travel")
    _check_store(connect.store)
    if not isinstance(cast("object", connect.answers_later), bool):
        raise TypeError(f"answers_later must be True or False, not {kind_of(connect.answers_later)}")
    terms_of(connect.mode)


def _check_store(store: Any) -> None:
    if not isinstance(store, str | FromEnv | None):
        raise TypeError(f"store must be a path, a postgresql:// URL or FromEnv('NAME'), not {kind_of(store)}")
    if not isinstance(store, str):
        return
    argument_checks.text(store, "store")
    if store == ":memory:":
        raise ValueError("a store in memory is not shared by workers; give a path or a postgresql:// URL")
    if is_database(store) and urlsplit(store).password:
        raise ValueError("the password in store= would travel with every task; give store=FromEnv('NAME')")


def _refuse_credentials(target: Any) -> None:
    if _is_url(target) and "@" in urlsplit(cast("str", target)).netloc:
        raise ValueError("the credentials in the URL would travel with every task; give auth=FromEnv('NAME')")


def _refuse_secrets(values: Any, place: str, argument: str) -> None:
    if not isinstance(values, Mapping):
        return
    for name, value in cast("Mapping[Any, Any]", values).items():
        if isinstance(value, str) and is_secret(name):
            raise ValueError(
                f"the secret {safe_text.short(name)} in {place} would travel with every task; give "
                f"{argument}{{{safe_text.short(name)}: FromEnv('NAME')}}"
            )


def _options(connect: Connect, read: Any) -> dict[str, Any]:
    """The arguments of `Client` for a target; `read` gives the value of a variable."""
    headers = {name: read(value, f"headers[{name!r}]") for name, value in connect.headers.items()}
    env = {name: read(value, f"env[{name!r}]") for name, value in connect.env.items()}
    return {
        "headers": headers or None,
        "env": env or None,
        "auth": read(connect.auth, "auth="),
        "server": connect.server,
        "endpoint": connect.endpoint or None,
    }


def _read(value: Any, use: str) -> Any:
    return value.read(use) if isinstance(value, FromEnv) else value


def _placeholder(value: Any, _use: str) -> Any:
    return "unknown" if isinstance(value, FromEnv) else value


def _plain(value: Any) -> Any:
    if isinstance(value, FromEnv):
        return {"from_env": value.name}
    if isinstance(value, Mapping):
        return {key: _plain(held) for key, held in cast("Mapping[str, Any]", value).items()}
    return list(cast("list[Any]", value)) if isinstance(value, list) else value


def _unplain(value: Any) -> Any:
    if isinstance(value, Mapping) and "from_env" in value:
        return FromEnv(cast("Mapping[str, Any]", value)["from_env"])
    return cast("Any", value)
