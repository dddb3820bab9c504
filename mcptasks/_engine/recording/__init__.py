"""What an engine tells a store, so that no task is lost with the process.

`journal.py`, `nowhere.py` and `resumed.py` do not import `_store`. The other files are imported only if a client has a
store.

journal.py    the seam: what a client and its tasks tell a store, and ask it
nowhere.py    the same for clients without a store: nothing is kept
stored.py     the same over a store: a client's part in it
record.py     one call in a store, and the task that came of it
owed.py       writes that failed because the store was away, until the store takes them
questions.py  the questions of that task, and the lease that allows to act on them
resumed.py    the record of a resumed task until its lease is taken
pool.py       the tasks that clients have left in a store
keys.py       what follows for a call with a key, from the record of the earlier call
"""
