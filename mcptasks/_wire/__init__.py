"""The JSON of both task protocols: requests out, answers and notifications in.

dialect.py   what each protocol can do, and how: one object for each connection
legacy.py    tasks of 2025-11-25: requests out, events in
modern.py    tasks of 2026-07-28 (`io.modelcontextprotocol/tasks`): requests out, events in
parsing.py   the fields of a task's state, in both protocols, out of unchecked JSON
envelope.py  carries answers through the SDK that its models do not have
hosted.py    tasks that the client does for the server (2025-11-25)
decoding.py  bytes -> JSON values and JSON-RPC messages, for every transport
pages.py     lists (tools, resources, prompts) page by page, without bad entries
unfit.py     carries results past the SDK that it refuses as a whole
versions.py  the protocol versions that a client offers
"""
