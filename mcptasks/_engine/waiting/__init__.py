"""Waits for one task or for many, and acts on a task for the program.

waiter.py        waits for a task's outcome, state or deadline; reads the outcome
acting.py        the acts of `Task` besides waiting: asks for a status, answers, cancels
subscription.py  a callback on one task, until the task is over or the callback is removed
progress.py      how far one task is, and callbacks for its progress
updates.py       statuses as they come: an iteration, and callbacks
live_display.py  tasks shown live while they are waited for
live_writers.py  writes that display to a terminal or a pipe
members.py       waits for many tasks together; `_async/groups.py` (`gather` and the like) says what follows
joining.py       calls that `gather` and the like get in place of tasks
mapping.py       `Client.map`: the iteration over the results
mapping_work.py  the calls and tasks under way for that iteration
map_display.py   shows live how far that iteration is
abandoning.py    asks the server to cancel tasks that a program leaves behind
"""
