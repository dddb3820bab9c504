"""What the interceptor makes of what the client declares, and which requests of a server go to a host."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from mcp.shared.message import SessionMessage
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY, JSONRPCNotification, JSONRPCRequest

from mcptasks._transport.intercept import Declare, Interceptor, Send
from mcptasks._wire import hosted


@define
class NotingHost:
    """A host of sampling only that notes what it gets."""

    got: list[object] = field(factory=list[object])
    capability: dict[str, Any] = field(factory=lambda: hosted.capability(["sampling"]))

    def open(self, send: Send) -> None:
        """Nothing runs here."""

    def close(self) -> None:
        """Nothing runs here."""

    def takes(self, message: JSONRPCRequest) -> bool:
        """Sampling, and what is about tasks."""
        return message.method in hosted.ABOUT_TASKS or message.method == "sampling/createMessage"

    def request(self, message: JSONRPCRequest) -> None:
        """Note it."""
        self.got.append(message.method)

    def give_up(self, request_id: object) -> bool:
        """Requests by numbers wait here."""
        self.got.append(request_id)
        return isinstance(request_id, int)


def interceptor(declare: Declare | None = None, host: NotingHost | None = None) -> Interceptor:
    """One that hands nothing else on."""
    return Interceptor(lambda _method, _params: None, lambda: None, declare, host)


def sent(through: Interceptor, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """A request's params as they go out."""
    item = through.outbound(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=1, method=method, params=params)))
    assert item is not None
    assert isinstance(item.message, JSONRPCRequest)
    assert item.message.params is not None
    return item.message.params


def arrives(through: Interceptor, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """The params of a server's request as the SDK gets them; None where it does not get it."""
    item = through.inbound(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=1, method=method, params=params)))
    assert not isinstance(item, Exception)
    return None if item is None else getattr(item.message, "params", None)


def without_sampling(capabilities: dict[str, Any]) -> dict[str, Any]:
    """A rewriting that spoils what it gets, too."""
    del capabilities["sampling"]
    capabilities["elicitation"]["form"] = {"x": 1}
    return capabilities


def test_declared_in_either_protocol() -> None:
    """What the client declares is rewritten in the handshake and in each 2026-07-28 request; the object that the SDK
    puts into all of them stays as it is."""
    through = interceptor(without_sampling)
    shared: dict[str, Any] = {"sampling": {}, "elicitation": {"form": {}}}
    expected = {"elicitation": {"form": {"x": 1}}}
    assert sent(through, "initialize", {"capabilities": shared}) == {"capabilities": expected}
    for method in ("tools/list", "server/discover", "tools/call"):
        meta = {PROTOCOL_VERSION_META_KEY: "2026-07-28", CLIENT_CAPABILITIES_META_KEY: shared}
        assert sent(through, method, {"_meta": meta})["_meta"][CLIENT_CAPABILITIES_META_KEY] == expected
    assert shared == {"sampling": {}, "elicitation": {"form": {}}}


@pytest.mark.parametrize("params", [{}, {"capabilities": None}, {"capabilities": 7}, {"_meta": {}}])
def test_nothing_declared(params: dict[str, Any]) -> None:
    """Where nothing is declared there is nothing to rewrite."""
    assert sent(interceptor(without_sampling), "initialize", dict(params)) == params


def test_hosting_is_declared_in_the_handshake_only() -> None:
    """Hosting is offered in the handshake beside what else is declared, and never in 2026-07-28 requests."""
    through = interceptor(without_sampling, NotingHost())
    tasks: dict[str, Any] = {"list": {}, "cancel": {}, "requests": {"sampling": {"createMessage": {}}}}
    declared: dict[str, Any] = {"sampling": {}, "elicitation": {}}
    meta = {PROTOCOL_VERSION_META_KEY: "2026-07-28", CLIENT_CAPABILITIES_META_KEY: declared}
    assert "tasks" not in sent(through, "tools/list", {"_meta": meta})["_meta"][CLIENT_CAPABILITIES_META_KEY]
    assert sent(through, "initialize", {"capabilities": declared})["capabilities"]["tasks"] == tasks
    assert "tasks" not in declared


ASKED: dict[str, Any] = {"message": "?", "task": {"ttl": 5}, "_meta": {"x": 1}}


def test_requests_for_the_host() -> None:
    """After the handshake the host gets what it takes; a wish for a task that is not offered is ignored."""
    host = NotingHost()
    through = interceptor(host=host)
    # A connection without a handshake has no hosting, whatever the server believes.
    assert arrives(through, "tasks/get", {"taskId": "x"}) == {"taskId": "x"}
    sent(through, "initialize", {"capabilities": {}})
    assert arrives(through, "tasks/get", {"taskId": "x"}) is None
    assert arrives(through, "sampling/createMessage", dict(ASKED)) is None
    assert arrives(through, "elicitation/create", dict(ASKED)) == {"message": "?", "_meta": {"x": 1}}
    assert host.got == ["tasks/get", "sampling/createMessage"]


def test_without_a_host() -> None:
    """Without hosting the SDK gets every request, and hears of no wish for tasks."""
    through = interceptor()
    sent(through, "initialize", {"capabilities": {}})
    assert arrives(through, "tasks/get", {"taskId": "x"}) == {"taskId": "x"}
    assert arrives(through, "sampling/createMessage", dict(ASKED)) == {"message": "?", "_meta": {"x": 1}}
    assert arrives(through, "roots/list", {"task": 7}) == {"task": 7}


@pytest.mark.parametrize(("host", "passes"), [(NotingHost(), {1: False, "x": True}), (None, {1: True})])
def test_who_hears_that_an_answer_is_not_wanted(host: NotingHost | None, passes: dict[Any, bool]) -> None:
    """That the server waits no longer is told to the host, and to the SDK where the request is not the host's."""
    through = interceptor(host=host)
    for request_id, expected in passes.items():
        params = {"requestId": request_id}
        item = SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=params))
        assert (through.inbound(item) is item) is expected
