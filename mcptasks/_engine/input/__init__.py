"""A server sends input requests ("questions") while a task runs; the program's handlers answer.

inbox.py           where questions come in, and answers go out
routing.py         decides which task asks if the server does not say (2025-11-25): facts in, tasks out
locating.py        collects the facts for `routing.py`: calls under way, statuses, polls
held_questions.py  keeps questions that came as requests until they are answered, over a new link too (2025-11-25)
result_streams.py  holds `tasks/result` open, so that the server can ask (2025-11-25)
answering.py       picks the open questions that nobody is answering, so that no handler is called twice; sends answers
deciding.py        asks the store first: a question is recorded before it is asked, an answer before it is sent
handler_run.py     one handler at work on one question, which is reserved meanwhile
handlers.py        how a program's handlers are called and stopped: async, sync, by hand
task_input.py      what this folder keeps with a task: drafts, failures, whether the server sent its question
answers.py         turns a handler's value into the JSON of an answer
sent_answers.py    sends answers by `tasks/update` (2026-07-28), again if they got lost
hosting.py         runs tasks for the server (2025-11-25)
"""
