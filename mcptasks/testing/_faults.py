"""Faults as values, and the book that says which requests meet which faults.

`_answering.py` carries out protocol faults, `_asgi.py` HTTP faults.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from attrs import field, frozen

from mcptasks.testing._bell import Bell
from mcptasks.testing._script import JSON


@frozen
class Delay:
    """Wait, then go on with the next fault of the rule, or with the request."""

    seconds: float


@frozen
class RpcError:
    """Answer with a JSON-RPC error."""

    code: int = -32603
    message: str = "Internal error"
    data: object = None


@frozen
class Drop:
    """Never answer, on a connection that stays open."""


@frozen
class Garbage:
    """Send a well-formed answer with a wrong result: the real result with fields left out or changed, or another one.

    If the result is a 2025-11-25 `{"task": {...}}`, the fields are those of the task in it.
    """

    drop: tuple[str, ...] = ()
    """Fields to leave out, e.g. `("taskId",)`."""
    change: Mapping[str, object] = field(factory=dict[str, object])
    """Fields to set, e.g. `{"taskId": "another"}`, `{"status": "thinking"}`, `{"status": 7}`."""
    replace: JSON | None = None
    """A result to send in place of the real one; None to change the real one."""

    def spoil(self, result: JSON) -> JSON:
        """The wrong result to send in place of this real one."""
        if self.replace is not None:
            return dict(self.replace)
        inner: Any = result.get("task")
        target: JSON = dict(cast("JSON", inner)) if isinstance(inner, dict) else dict(result)
        for name in self.drop:
            target.pop(name, None)
        target.update(self.change)
        return {**result, "task": target} if isinstance(inner, dict) else target


@frozen
class ForgetTask:
    """Forget the task that the request names, then go on."""


@frozen
class Restart:
    """Restart the server while the request is under way: every connection and HTTP session ends."""

    keep_tasks: bool = True


@frozen
class HttpStatus:
    """Answer with this HTTP status and no JSON-RPC message (503, 502, 429, 404 ...)."""

    status: int = 503
    retry_after: str | None = None
    """The value of `Retry-After`: seconds, or an HTTP date."""
    body: str = ""
    headers: Mapping[str, str] = field(factory=dict[str, str])


@frozen
class HttpBody:
    """Answer 200 with this body, by default broken JSON. `$ID` in it stands for the id of the request."""

    body: str = '{"jsonrpc": "2.0", "id": $ID, "result": {'
    content_type: str = "application/json"


@frozen
class Truncate:
    """Start the real answer, send half of its body, and close the connection."""


@frozen
class Disconnect:
    """End the TCP connection without any answer: by a reset (RST) or by an orderly close."""

    reset: bool = True


@frozen
class NoHttpAnswer:
    """Never answer, not even with headers."""


ProtocolFault: TypeAlias = Delay | RpcError | Drop | Garbage | ForgetTask | Restart
HttpFault: TypeAlias = HttpStatus | HttpBody | Truncate | Disconnect | NoHttpAnswer
Fault: TypeAlias = ProtocolFault | HttpFault

_HTTP_FAULTS = (HttpStatus, HttpBody, Truncate, Disconnect, NoHttpAnswer)
_HTTP_COMPANIONS = (*_HTTP_FAULTS, Delay, ForgetTask, Restart)


class FaultRule:
    """The faults that some requests meet; returned by `FaultBook.add`."""

    def __init__(
        self, method: str, faults: tuple[Fault, ...], times: int | None, skip: int, after: bool, task_id: str | None
    ) -> None:
        self.method = method
        self.faults = faults
        self.after = after
        self.task_id = task_id
        self.fired = 0
        """How many requests have met the rule."""
        self._times = times
        self._skip = skip

    @property
    def http(self) -> bool:
        """Whether the rule acts below the protocol, and therefore only on HTTP connections."""
        return any(isinstance(fault, _HTTP_FAULTS) for fault in self.faults)

    @property
    def endless(self) -> bool:
        """Whether the rule has no limit on the number of requests."""
        return self._times is None

    @property
    def spent(self) -> bool:
        """Whether the rule has met as many requests as it was planned for."""
        return self._times is not None and self.fired >= self._times

    def __repr__(self) -> str:
        return f"<FaultRule {self.method} {self.faults} fired {self.fired} of {self._times}>"

    def meets(self, method: str, params: Mapping[str, Any]) -> bool:
        """Whether a request meets the rule; if so, counts the request. Not thread-safe by itself."""
        if self.spent or self.method not in (method, "*"):
            return False
        if self.task_id is not None and params.get("taskId") != self.task_id:
            return False
        if self._skip > 0:
            self._skip -= 1
            return False
        self.fired += 1
        return True


class FaultBook:
    """The faults that a test has planned. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[FaultRule] = []
        self._bell = Bell()

    def add(
        self,
        method: str,
        *faults: Fault,
        times: int | None = 1,
        skip: int = 0,
        after: bool = False,
        task_id: str | None = None,
    ) -> FaultRule:
        """Plan faults, carried out in order, for the next `times` requests of a method (None: for all of them).

        `method` is a JSON-RPC method, `"*"`, or `"http:GET"` / `"http:DELETE"` for the bare HTTP requests of
        2025-11-25. `skip` lets that many requests pass first. With `after=True` the request is carried out, and only
        its answer is spoilt. `task_id` restricts the rule to requests about one task. If several rules fit a request,
        the request meets the oldest. Raises `ValueError` if there is no fault, or if `RpcError`, `Drop` or `Garbage`
        stands beside an HTTP fault.
        """
        if not faults:
            raise ValueError("a rule needs at least one fault")
        rule = FaultRule(method, faults, times, skip, after, task_id)
        if rule.http and not all(isinstance(fault, _HTTP_COMPANIONS) for fault in faults):
            raise ValueError("RpcError, Drop and Garbage cannot stand in one rule with an HTTP fault")
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Drop all rules."""
        with self._lock:
            self._rules.clear()

    @property
    def pending(self) -> list[FaultRule]:
        """The rules that have not met as many requests as planned; rules without a limit are left out."""
        with self._lock:
            return [rule for rule in self._rules if not (rule.endless or rule.spent)]

    def match(self, method: str, params: Mapping[str, Any], *, http: bool) -> FaultRule | None:
        """The rule that a request meets, among the HTTP rules or the protocol rules; None if there is none."""
        with self._lock:
            met = next((rule for rule in self._rules if rule.http == http and rule.meets(method, params)), None)
        if met is not None:
            self._bell.ring()
        return met

    async def wait_fired(self, rule: FaultRule, times: int = 1) -> None:
        """Wait until `times` requests have met the rule."""
        await self._bell.until(lambda: True if rule.fired >= times else None)
