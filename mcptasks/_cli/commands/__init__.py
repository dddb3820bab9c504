"""The commands, one module each; `app.COMMANDS` has their short descriptions.

answer.py      answers a question of a task
adopt.py       takes a task into the store
call.py        calls a tool, and prints its result
cancel.py      asks servers to cancel
completion.py  the script for a shell
demo.py        the demonstration
forget.py      deletes tasks from the store
list.py        the tasks of the store, as a table
recover.py     tasks and calls that a crash has left
result.py      the result of a task
servers.py     the configured servers
settle.py      records what became of an uncertain call
show.py        everything that is known of a task
store.py       looks after the store
tools.py       the tools of a server
wait.py        waits in silence
watch.py       follows tasks
"""
