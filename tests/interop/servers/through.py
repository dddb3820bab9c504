"""Has a server forked that uses the streams of this process: `through.py SOCKET ARGUMENT ...` is a server over stdio.

To the client this process is the server: it ends as the server ends, and the server is killed if this process is. It
imports next to nothing, so that it starts within 20 ms. `forking.py` is the other end.
"""

import json
import os
import signal
import socket
import sys


def main() -> None:
    """Have the server forked, and wait for its end."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    says = connection.makefile("rb")
    if says.readline() != b"ready\n":
        sys.exit("the process that forks servers has ended")
    job = json.dumps({"arguments": sys.argv[2:], "environ": dict(os.environ)}).encode() + b"\n"
    socket.send_fds(connection, [job], [0, 1, 2])
    pid = int(says.readline())
    # Only the server holds the streams now: who reads them sees their end when the server is over.
    for stream in (0, 1, 2):
        os.close(stream)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda sent, _: os.kill(pid, sent))
    code = int(says.readline() or b"1")
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
