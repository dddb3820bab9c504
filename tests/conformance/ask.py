"""Has a client run by the program of `forks.py`: the conformance suite starts this file in place of the client.

    python -I -S ask.py SOCKET URL

It imports little, and starts in no time.
"""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as _connection:
    _connection.connect(sys.argv[1])
    _request = json.dumps({"arguments": sys.argv[2:], "environment": dict(os.environ)}).encode() + b"\n"
    _sent = socket.send_fds(_connection, [_request], [1, 2])
    _connection.sendall(_request[_sent:])
    _code = _connection.recv(1)
sys.exit(_code[0] if _code else "the client has ended without a word")
