"""When to poll a task. Times go in, delays come out.

policy.py     the rule: when the next poll is due, also of a tool that never ran
rhythm.py     how often a server may be polled: the account behind that rule
call_key.py   what a task runs, as a key: the tool, and a short hash of the arguments
run_times.py  how long the tools of one server have taken
history.py    what is known of one tool: its latest runs, plans, and the account of polls
lengths.py    how long the next run may take, as a distribution
placement.py  polls placed by that distribution
"""
