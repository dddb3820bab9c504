"""Leaves a client open, with work going on, and ends in the way that it is told.

Arguments: the URL of a server with the tool `work`; the backend; the way; where the stdio server writes its pid; its
manner.
"""

from __future__ import annotations

import sys

if sys.argv[3] == "atexit-before":
    import atexit

    # Called after whatever is registered from here on.
    atexit.register(lambda: after_the_end())

import atexit
import threading
import time
from contextlib import suppress
from pathlib import Path

from mcptasks import TaskConnectionError, TaskStatus
from tests.portal.scripts.talk import asleep, make_client, say, say_when_still

url, backend, way, pid_file, manner = sys.argv[1:]


def after_the_end() -> None:
    """Use the client when it has been closed for us."""
    try:
        client.list_tools()
    except TaskConnectionError:
        say("error")
    else:
        say("works")


def before_the_end() -> None:
    """Use the client in an exit handler that is registered after it was opened, and close it there."""
    say("tools", len(client.list_tools()))
    client.close()
    say("closed")


def never_return(status: TaskStatus) -> None:
    """A callback that hangs."""
    threading.Event().wait()


def use() -> None:
    """Have a callback that never returns, a future that is outstanding and an iterator that is half read."""
    task.on_status_change(never_return)
    task.on_status_change(lambda status: called.set())
    say("working")
    called.wait()
    kept.append(task.future())
    kept.append(task.updates())


def in_a_thread() -> None:
    """Go on after the main thread has ended."""
    threading.main_thread().join()
    say("alone")
    say("result", task.result(timeout=120).data)


def say_when_it_ends() -> None:
    """Say so when the main thread waits for the background thread at the end of the program."""
    main = threading.main_thread()

    def stands() -> tuple[str, int] | None:
        frame = sys._current_frames().get(main.ident or 0)
        last = frame and (frame.f_code.co_name, frame.f_lasti)
        while frame is not None and asleep(main):
            if frame.f_code.co_name == "shut_down":
                return last
            frame = frame.f_back
        return None

    def watch() -> None:
        before = None
        while before is None or stands() != before:
            before = stands()
            time.sleep(0.02)
        say("ending")

    # Now, since an exit handler can start no thread.
    threading.Thread(target=watch, daemon=True).start()


called = threading.Event()
kept: list[object] = []
tiny = str(Path(__file__).with_name("tiny_server.py"))
stdio = make_client([sys.executable, tiny, pid_file, manner], backend)
client = make_client(url, backend)
if way == "thread":
    opening = threading.Thread(target=lambda: (stdio.open(), client.open()))
    opening.start()
    opening.join()
else:
    stdio.open()
    client.open()
task = client.call_tool("work", task=True)
match way:
    case "end" | "atexit-before":
        use()
    case "exit":
        use()
        sys.exit(3)
    case "exception":
        use()
        raise ValueError("mine")
    case "interrupt":
        use()
        say_when_still("waiting")
        task.result()
    case "block":
        with client, stdio:
            say_when_still("waiting")
            task.result()
    case "thread":
        threading.Thread(target=in_a_thread).start()
    case "daemon":
        use()
        for wait in (task.result, task.wait):
            threading.Thread(target=wait, daemon=True).start()
    case "atexit":
        atexit.register(before_the_end)
    case "dropped":
        del client, stdio, task
    case "hurried":
        use()
        say_when_it_ends()
    case "closed":
        # Left by an exception, which does not wait for callbacks.
        with suppress(ValueError), client, stdio:
            use()
            raise ValueError
    case _:
        raise SystemExit(f"no such way: {way}")
say("end")
