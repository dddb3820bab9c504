"""Calls and waits in the workers of other systems: values that travel, one client for each server and process.

Nothing here knows of any engine; `mcptasks.contrib` has the adapters.

    connect.py   how a worker gets to a server: `Connect`, `FromEnv`
    shared.py    the clients of an event loop, shared by all calls to the same server
    calls.py     `arun` and `afollow`: a call, or a wait for a task that exists
    blocking.py  `run` and `follow`: the same for threads
    starting.py  calls that are made here and waited for elsewhere
"""
