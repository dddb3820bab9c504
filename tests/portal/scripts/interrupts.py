"""Blocks in the way that it is told, is interrupted, and says when that reached the main thread and what works then.

Arguments: the URL of a server with the tools `work` and `must` and, in 2025-11-25, `ask`; the backend.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mcptasks.sync import Task, as_completed, gather, wait
from tests.helpers.threads import eventually, loop_tasks, threads
from tests.portal.scripts.talk import hear, make_client, say, say_when_still

url, backend = sys.argv[1:]
answers: list[str] = []


def handler(context: object, params: Any) -> dict[str, str]:
    """Answers with what it is told, as `input()` would."""
    del context, params
    say("asked", threading.get_ident() == threading.main_thread().ident)
    return {"value": hear()}


with make_client(url, backend, elicitation_handler=handler) as client:
    task: Task[Any] = client.call_tool("work", task=True)
    task.status()

    many = [task, client.task(task.task_id), task]

    def update() -> None:
        """Wait for the second status, which does not come."""
        updates = task.updates()
        next(updates)
        next(updates)

    def stranger() -> None:
        """Wait in another thread, which no interrupt concerns."""
        answers.append(task.result().data)

    ways: dict[str, Callable[[], object]] = {
        "result": task.result,
        "timed": lambda: task.result(timeout=3600),
        "wait": task.wait,
        "updates": update,
        "plain": lambda: client.call_tool("must"),
        "create": lambda: client.call_tool("work", task=True),
        "status": task.status,
        "gather": lambda: gather(*many, cancel_on_error=True),
        "completed": lambda: list(as_completed(many)),
        "wait for many": lambda: wait(many),
        "map": lambda: list(client.map("must", [None, None, None])),
        "open": lambda: make_client(url, backend).open(),
        "with": lambda: make_client(url, backend).__enter__(),
    }
    living = loop_tasks(client)
    alive = len(threads())
    say("ready")
    while (way := hear()) != "finish":
        if way == "stranger":
            threading.Thread(target=stranger).start()
            continue
        with suppress(KeyboardInterrupt):
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                say_when_still("waiting")
                ways[way]()
                say("returned")
            except KeyboardInterrupt:
                # On a busy machine a second interrupt may come when the call of the first is already left, also here.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say("interrupted", time.monotonic())
        if hear() == "check":
            eventually(lambda: loop_tasks(client) <= living, "a task of the interrupted call is left on the loop")
            eventually(lambda: len(threads()) <= alive, "a thread of the interrupted call is left")
            client.list_tools()
            say("works")
    say("result", task.result(timeout=120).data)
    with make_client(url, backend) as another:
        say("another", another.protocol_version)
say("closed", *answers)
