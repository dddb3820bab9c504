"""Keeps what is known of tasks current: by pushes, and by polls if no pushes come.

watch.py         one task as this client knows it, and who is told of its changes
known.py         the tasks to which the program has handles, by id
monitor.py       feeds events to the state machine, and carries out the effects
schedule.py      decides when each task is polled next, by the rules of `_core.polling`, and sleeps until then
plan.py          the times of the next polls
polls.py         begins polls and fetches of results, and hands on what comes of them: an event, or an error
push_streams.py  opens and ends subscriptions (2026-07-28), as `_core.push_coverage` decides
catching_up.py   polls that close the gaps around a push stream
progress_feed.py the server's reports of one call's progress, and who is told of them
stalls.py        tells the program that a task makes no progress, as `_core.patience` decides
early.py         keeps pushes that come before their task is known
telling.py       tells the store what becomes known of watched tasks
taking.py        takes the lease of resumed tasks from the store
learning.py      how long the tools of each server take, learned by all clients of one event loop
"""
