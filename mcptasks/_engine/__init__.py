"""One open client. Its folders build on each other: `connection` < `recording` < `watching` < `input` < `waiting`.

`connection` sends requests and receives answers. `watching` polls, feeds what it learns to the state machine
(`_core.state`), and carries out the effects. `input` has the server's questions answered. `waiting` waits for tasks,
for the program. All of them tell `recording` what a store must know.

    connection/        sends requests over a link, and makes the link again when it is lost
    recording/         what a store is told, so that no task is lost with the process
    watching/          keeps what is known of tasks current: pushes and polls
    input/             the server asks, the program's handlers answer
    waiting/           waits for one task, or for many
    notebook/          displays in notebooks, and the stop button
    session/           an open client as the SDK's `ClientSession`
    engine.py          builds the parts of one client, opens and closes them
    core.py            the parts of an open client, as its other parts and its handles see them
    handles.py         remembers the tasks that the program has handles to
    lifetime.py        keeps an engine open in a task of its own
    lending.py         engines on sessions that the program has opened, for as long as calls need them
    sdk_clients.py     makes the SDK's client for one connection
    home.py            checks that a client is used in its own process and on its own event loop
    options.py         a client's arguments, checked
    observing.py       counts, logs and measures what is told through `_core.trace`
    abilities.py       what the server of the present connection can do with tasks
    calling.py         makes a call, and gets its task or value
    background.py      runs calls that cannot become tasks, and gives them handles all the same
    creating_calls.py  sends calls that may create a task
    recorded_calls.py  tells the store of creating calls: before they are sent, and how they ended
    recovering.py      takes over tasks that other clients have left in a store
    exchanges.py       creating calls that go on if their callers are cancelled
    leaving.py         what the end of a client waits for: cancellations, attempts to take a lease
    callbacks.py       calls the program's callbacks: each in order, and never two calls of one at once
"""
