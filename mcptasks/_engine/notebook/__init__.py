"""Shows tasks in notebooks, and makes their stop button work.

display.py      shows one task in a cell, and keeps the display up to date
table.py        shows many tasks in one display, and keeps it up to date
task_list.py    a list of tasks that is shown as such a table
gathering.py    a call that waits for several tasks, and is shown as such a table
stop_button.py  makes the stop button end an `await` at once
"""
