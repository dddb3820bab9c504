"""An open client as the SDK's `ClientSession`, for programs that take one.

errors.py      our errors as the SDK's
negotiated.py  what the client has negotiated with the server
requests.py    requests go out over the present connection, within limits
view.py        `TaskSession`: calls, which may become tasks, and lists
"""
