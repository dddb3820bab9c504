"""The commands, one module each; `app.COMMANDS` has their short descriptions.

answer.py      answers what a task asks
adopt.py       takes a task into the store
call.py        calls a tool, and prints its result
cancel.py      asks servers to cancel
completion.py  the script for a shell
demo.py        the demonstration
forget.py      deletes tasks from the store
list.py        the tasks of the store
recover.py     what a crash has left
result.py      the result of a task
servers.py     the configured servers
settle.py      what became of a call that may exist
show.py        everything that is known of a task
store.py       looks after the store
tools.py       the tools of a server
wait.py        waits in silence
watch.py       follows tasks
"""
