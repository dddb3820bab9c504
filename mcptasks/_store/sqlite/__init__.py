"""SQLite: the embedded database of a store, with the standard library alone.

backend.py     the backend: one connection, used by one thread at a time
connection.py  statements in SQLite's dialect, and SQLite's errors in our words
opening.py     making and opening the file; the errors for files that are refused: no store, a network file system
glance.py      a quick read of the tasks, for completion and for `mcptasks list`
files.py       where the file may lie: the default place, modes; which file systems are a network's
clock.py       the clock by which leases are measured
memory.py      a store without a file and without a thread, for tests
"""
