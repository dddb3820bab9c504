"""How messages get to a server and back: the seam with the `mcp` SDK.

sdk_client.py   the `mcp.Client` under a client: its claims, callbacks and notifications
lent.py         a session of the SDK's that the program lends, in place of such a client
targets.py      from the target that a program gives to a function that connects to it, again and again
checks.py       headers, tokens, variables and commands, checked; no error shows a secret
configs.py      `{"mcpServers": ...}`: picks the entry to connect to
config_files.py  the same in `.json` files
urls.py         URLs: the form to send, the form that errors show, the credentials in them
http/           Streamable HTTP of our own
stdio/          a server in a subprocess
sse.py          HTTP+SSE (2024-11-05) by the SDK's client
discreet.py     URLs without secrets in the HTTP library's log lines
foreign.py      a transport of the program's own, whose messages are checked
intercepted.py  a transport whose two streams pass through an interceptor
intercept.py    messages rewritten on their way through the SDK
"""
