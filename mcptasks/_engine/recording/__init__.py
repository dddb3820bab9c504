"""What an engine tells a store, so that no task is lost with the process. Nothing of a store is imported here but by
`stored.py`, which is imported only if a client has one.

journal.py    what a client and its tasks tell, and what they get to know: the seam
nowhere.py    the same for clients without a store: nothing is kept
stored.py     the same over a store: a client's part in it
record.py     one call in a store, and the task that came of it
questions.py  the questions of that task, and the lease that allows to act on them
resumed.py    the record of a resumed task until its lease is taken
pool.py       the tasks that clients have left in a store
keys.py       what a call with a key comes to, by the record of the call before
"""
