"""Streamable HTTP of our own: messages out, answers in, and faults as values.

transport.py  the transport that `mcp.Client` gets: two streams over exchanges
exchange.py   one JSON-RPC request and its answer
posting.py    notifications, and answers to the server's requests
under_way.py  the requests without an answer yet, each in a cancel scope
endpoint.py   HTTP requests out, successful responses in; the error for any other response, with its words; the session
senders.py    one HTTP request: over our connections, or with the program's client
lanes.py      the connections, each in a pool of its own
listening.py  the stream of the server's own messages (GET, 2025-11-25)
events.py     from bytes to server-sent events
bodies.py     bodies: decompressed, and bounded
streams.py    a raw body that can be closed at any point
redirects.py  which redirects are followed; no credentials go to another origin
proxies.py    which proxy of the environment a URL needs
faults.py     which exceptions of the network and the HTTP libraries count as faults, so that reads are retried
advice.py     what a program can do about a status or a TLS error of a server that never answered before
doors.py      whether a server that gives no HTTP answer speaks TLS
older.py      recognizes an HTTP+SSE server
"""
