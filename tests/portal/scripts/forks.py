"""Forks again and again while many threads call; each child works with a client of its own.

Arguments: the URL of a server with the tool `quick`; the backend; how many forks.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import warnings

from tests.portal.scripts.talk import make_client, say

warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

url, backend, times = sys.argv[1:]
over = threading.Event()


def hammer() -> None:
    """Call, and open and close clients, without pause."""
    while not over.is_set():
        with make_client(url, backend) as own:
            client.call_tool("quick", task=True).result()
            own.list_tools()


with make_client(url, backend) as client:
    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(int(times)):
        client.list_tools()
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(120, exit=True)
            with make_client(url, backend) as own:
                own.call_tool("quick", task=True).result()
            os._exit(0)
        say("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    over.set()
    for thread in threads:
        thread.join()
    say("tools", len(client.list_tools()))
