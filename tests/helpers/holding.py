"""A program that holds a task, for tests that stop it: `holding.py URL STORE LEASE BACKEND`.

It prints a line for each event: "asked" when its handler is called, which then waits for a line on standard input;
"sent True" or "sent False" for whether the answer was sent; and the result.
"""

from __future__ import annotations

import sys
from typing import Any

import anyio
import anyio.to_thread

from mcptasks import Client, PollingPolicy
from mcptasks.store import Store


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


async def hold(url: str, path: str, lease: float) -> None:
    """Make a call, and answer its task's question late."""

    async def answer(_context: Any, _params: Any) -> Any:
        _say("asked")
        await anyio.to_thread.run_sync(sys.stdin.readline)
        return {"value": "late"}

    polling = PollingPolicy(first=0.02, floor=0.02, default_interval=0.02)
    store = Store(path, lease=lease)
    async with Client(url, store=store, elicitation_handler=answer, polling=polling) as client:
        deciding: Any = client._engine().core.questions.deciding
        send = deciding.send

        async def sent(*arguments: Any) -> Any:
            found = await send(*arguments)
            _say(f"sent {found}")
            return found

        deciding.send = sent
        task = await client.call_tool("work", task=True)
        _say(str((await task.result()).data))


if __name__ == "__main__":
    anyio.run(hold, sys.argv[1], sys.argv[2], float(sys.argv[3]), backend=sys.argv[4])
