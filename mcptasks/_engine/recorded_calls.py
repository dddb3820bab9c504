"""Records creating calls in the store: each call before it is sent, and its outcome before the program learns of it.

Without a store, nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import anyio

from mcptasks._core.exceptions import TaskError
from mcptasks._engine.connection.tool_list import may_be_repeated
from mcptasks._engine.core import Core
from mcptasks._engine.creating_calls import Call, Created, may_have_arrived
from mcptasks._engine.recording.journal import Earlier, Intent

_GIVEN_UP = "the call was cancelled before the server answered"


async def intend(core: Core, call: Call) -> Earlier | None:
    """Record that a call is about to be sent. If there is an earlier call with the same key, return it; the call must
    not be sent then.

    Args:
        core: The client.
        call: The call. Its `record` is set.

    Raises:
        ValueError: The call has a key or labels, and the client has no store.
        TaskKeyError: The key belongs to a call of another tool or with other arguments.
        TaskUncertainError: The call may have been carried out before.
        StoreError: The store cannot be written, or has not kept the answer of the earlier call.
    """
    if not core.journal.keeps:
        if call.key is not None or call.labels:
            name = "labels" if call.key is None else "key"
            raise ValueError(f"{name}= is kept in a store, and this client has none: give store= to the client")
        return None

    async def may_repeat() -> bool:
        return call.on_uncertain == "send" or await _is_idempotent(core, call)

    intent = Intent(
        kind=call.kind, name=call.name, arguments=call.arguments, label=call.label, key=call.key, labels=call.labels
    )
    found = await core.journal.intend(intent, may_repeat)
    if isinstance(found, Earlier):
        call.record = found.record
        return found
    call.record = found
    return None


async def settle(core: Core, call: Call, send: Callable[[Core, Call], Awaitable[Created | None]]) -> Created | None:
    """Send a call, and record its outcome.

    Args:
        core: The client.
        call: The call, which `intend` has recorded.
        send: `create` or `plainly`, which may raise anything.
    """
    with core.journal.calling():
        return await _settle(core, call, send)


async def _settle(core: Core, call: Call, send: Callable[[Core, Call], Awaitable[Created | None]]) -> Created | None:
    record = call.record
    try:
        created = await send(core, call)
    except Exception as exc:
        words = exc.message if isinstance(exc, TaskError) else str(exc) or type(exc).__name__
        with anyio.CancelScope(shield=True):  # Bounded, since a database waits for a lock for a bounded time.
            await (record.uncertain(words) if may_have_arrived(call, exc) else record.refused(words))
        raise
    except BaseException:
        record.given_up(_GIVEN_UP, sent=call.sent)
        raise
    call.came = created
    if created is not None:
        latest = core.connection.latest
        assert latest is not None, "it has answered"
        with anyio.CancelScope(shield=True):  # Without a recorded id, the task would be lost.
            if created.seen is None:
                await record.immediate(created.result, latest.dialect.era)
            else:
                status = created.seen.status
                expires = None if status.ttl is None else datetime.now(UTC) + status.ttl
                place = None if created.mark is None else created.mark.place
                traceparent = None if place is None else place.traceparent
                await record.created(status, latest.dialect.era, expires, traceparent)
    return created


async def _is_idempotent(core: Core, call: Call) -> bool:
    """Whether the server says that a repeated call of this tool has no further effect."""
    if call.kind != "tool":
        return False
    try:
        return may_be_repeated(await core.tools.get(call.name))
    except TaskError:
        return False  # Without the tool list, nothing says so.
