"""How long one attempt of a read may take: silence counts, not length. In virtual time."""

from __future__ import annotations

import math

import anyio
import pytest

from mcptasks._core.polling.policy import SILENCES, attempt_limit, pause_limit
from mcptasks._engine.connection.time_limits import Budget
from tests.helpers.virtual_time import virtual


async def run(budget: Budget, *bytes_at: float) -> float:
    """An attempt whose answer's bytes come at these times and which never ends by itself: how long it lasted."""
    begun = anyio.current_time()
    async with anyio.create_task_group() as group:

        async def arrive() -> None:
            for at in bytes_at:
                await anyio.sleep_until(begun + at)
                budget.progressed()

        group.start_soon(arrive)
        with budget.attempt():
            await anyio.sleep_forever()
        group.cancel_scope.cancel()
    return anyio.current_time() - begun


@virtual()
async def test_silent_attempts_grow() -> None:
    """Each attempt without a byte takes twice as long as the one before; the fourth is the last where the client has a
    `reconnect_timeout`."""
    for patience, last in ((60.0, [False, False, False, True]), (math.inf, [False] * 4)):
        budget = Budget(None)
        budget.patience = patience
        lasted, given_up = list[float](), list[bool]()
        for _ in range(SILENCES):
            lasted.append(await run(budget))
            given_up.append(budget.silent())
        assert (lasted, given_up) == ([30.0, 60.0, 120.0, 240.0], last)


@virtual()
async def test_bytes_keep_it_going() -> None:
    """While bytes arrive an attempt goes on, for hours if it takes that; it ends when they have stopped for as long as
    it may be silent."""
    assert await run(Budget(None), *(float(at) for at in range(29, 7200, 29))) == 7192.0 + 30.0


@virtual()
async def test_bytes_outlast_patience_and_deadlines() -> None:
    """Neither `reconnect_timeout` nor a waiter's deadline ends an attempt in the midst of arriving bytes; nor does a
    pause of 4.5 s."""
    budget = Budget(None, anyio.current_time() + 3.0)
    budget.patience = 2.0
    assert await run(budget, 0.5, 5.0, 9.5, 14.0) == 19.0


@virtual()
async def test_a_waiter_that_comes_later() -> None:
    """A deadline that comes up in the midst of a silent attempt shortens it; one that has bytes it does not."""
    for bytes_at, expected in (((), 3.0), ((0.5,), 30.5)):
        budget = Budget(None)

        async def tighten(budget: Budget = budget) -> None:
            await anyio.sleep(1.0)
            budget.tighten(anyio.current_time() + 6.0)

        async with anyio.create_task_group() as group:
            group.start_soon(tighten)
            assert await run(budget, *bytes_at) == expected


@virtual()
async def test_the_programs_own_timeout_is_hard() -> None:
    """`Client(timeout=...)` ends an attempt, whatever arrives, and is the same for each."""
    budget = Budget(2.0)
    assert await run(budget, 0.5, 1.0, 1.5, 1.9) == 2.0
    budget.silent()
    assert await run(budget) == 2.0


@virtual()
async def test_nobody_waits() -> None:
    """An attempt that nobody waits for ends in half a minute though bytes arrive, and is the last; it goes on if
    somebody comes back before that."""
    budget = Budget(None)
    budget.want(False)
    assert await run(budget, *map(float, range(1, 100))) == 30.0
    assert budget.silent()
    budget = Budget(None)

    async def come_and_go() -> None:
        await anyio.sleep(10.0)
        budget.want(False)
        await anyio.sleep(10.0)
        budget.want(True)

    async with anyio.create_task_group() as group:
        group.start_soon(come_and_go)
        assert await run(budget, *map(float, range(1, 100))) == 99.0 + 30.0
    assert not budget.silent()


def test_progress_without_an_attempt() -> None:
    """Bytes that come when no attempt has begun harm nothing; there need not be an event loop's clock to be changed."""

    async def main() -> None:
        Budget(None).progressed()

    anyio.run(main)


@pytest.mark.parametrize(
    ("remaining", "silences", "expected"),
    [
        (9.0, 0, 3.0),
        (9.0, 1, 6.0),
        (9.0, 2, 120.0),
        (0.0, 1, 0.5),
        (900.0, 0, 30.0),
        (900.0, 1, 60.0),
        (None, 3, 240.0),
    ],
)
def test_attempts_within_a_deadline(remaining: float | None, silences: int, expected: float) -> None:
    """A deadline shortens the first attempt to a third and the second to two thirds of what is left, and no other."""
    assert attempt_limit(wire_timeout=None, remaining=remaining, silences=silences) == expected


@pytest.mark.parametrize(("patience", "expected"), [(60.0, 30.0), (5.0, 2.5), (600.0, 30.0), (math.inf, 30.0)])
def test_patience_shortens_the_first(patience: float, expected: float) -> None:
    """The first attempt takes half of `reconnect_timeout` at most."""
    assert attempt_limit(wire_timeout=None, remaining=None, patience=patience) == expected


def test_limits_stay_numbers() -> None:
    """However often a read was in vain, limits are finite."""
    assert math.isfinite(attempt_limit(wire_timeout=None, remaining=None, silences=10**6))
    assert pause_limit(0.5) == 5.0
    assert pause_limit(30.0) == 30.0
