"""A server in a subprocess, over its stdin and stdout.

transport.py      what `mcp.Client` gets; turns the server's end into an error with its last words on stderr
process.py        one process: started, watched, ended with its children
pipes.py          pipes read and written without blocking the event loop
lines.py          bytes -> lines, in linear time
conversation.py   from lines to messages, and to errors for requests whose answers are spoilt
open_requests.py  the unanswered requests; which of them an error without an id answers
stderr.py         the server's stderr: passed on, the last lines kept for errors
"""
