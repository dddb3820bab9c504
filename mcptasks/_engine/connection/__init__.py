"""Sends requests over a link, and makes the link again when it is lost.

connection.py     sends requests: `read` repeats a request after a fault, `once` does not; pauses after `Retry-After`
supervisor.py     makes the link, watches it, makes it again when it is lost
opening.py        how long connecting may take, and whether to wait for a server that is not up yet
link.py           one connection that was made
incoming.py       hands on what the server sends unasked: notifications, questions
reach.py          whether the server can be reached at the moment
facts.py          what the server says of itself, and what follows for tasks
turns.py          the line in which requests wait: at most 32 are under way at once
time_limits.py    how long one request may take
task_requests.py  sends `tasks/get`, `result`, `cancel`, `update`, `list`; has `_wire` make events of the answers
retention.py      warns if the server keeps tasks for less time than `ttl=` asks
tool_list.py      the server's tool list: which tools make tasks, which wrap their values
list_pages.py     fetches lists page by page, `tasks/list` too; gives up lists that never end
errors.py         turns a fault into the error that the program sees
"""
