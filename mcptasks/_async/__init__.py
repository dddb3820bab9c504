"""The async surface: signatures, docstrings, and one call each into the engine (`groups.py` and `group.py` do more).

`nox -s generate` generates `_sync` from these files, one file each. Both worlds use group_claims.py, input.py,
parts.py, several.py and storing.py as they are.

    client.py       `Client`
    calls.py        `Client.call_tool`
    reads.py        `Client.read_resource` and `get_prompt`
    maps.py         `Client.map`
    about.py        what `Client` says of its server and of itself: `server_info`, `task_support`, `stats`
    recovering.py   `Client.recover`, `claims` and `release`: tasks of a store
    store.py        `Store`, with the methods that programs call
    storing.py      turns `store=` into the store of a client, and recovered tasks into `Recovery`
    task.py         `Task`
    groups.py       `gather`, `as_completed`, `wait`
    displays.py     `progress`
    group.py        `Group`: several servers as one
    group_calls.py  calls of a `Group`
    group_maps.py   `Group.map`
    group_claims.py the iteration behind `Group.claims`
    several.py      the clients of a `Group`: opens them, opens them again, closes them; names the server in errors
    parts.py        the names that these files use of the rest of the client; each is imported at its first use
    input.py        the types of input handlers, and `InputContext`
"""
