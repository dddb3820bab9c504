"""Calls and waits in the workers of other systems: values that travel, and one shared client for each server.

This package knows nothing about any engine; `mcptasks.contrib` has the adapters.

    connect.py   how a worker connects to a server: `Connect`, `FromEnv`
    shared.py    the clients of an event loop, shared by all calls to the same server
    calls.py     `arun` and `afollow`: a call, or a wait for a task that exists
    blocking.py  `run` and `follow`: the same for threads
    starting.py  calls that are made here, at most `limit` at once, and waited for elsewhere
"""
