"""How blocking programs reach the async world: a background thread with an event loop.

facade.py       the base classes of the generated classes
portal.py       one background thread with an event loop
registry.py     the portals of the process: who leases them, so that their threads end; fork and exit
runner.py       one client's calls, its opening and closing, and its lease of a portal, even after an interrupt
call.py         one call from a thread: started, waited for, interrupted by Ctrl-C
groups.py       calls about tasks of several clients
iteration.py    an async iterator's steps for the calling thread
desk.py         input handlers on the thread that waits
workers.py      threads for callbacks
stop_button.py  Jupyter's stop button in a blocking wait
tracebacks.py   errors that point at the program's call
"""
