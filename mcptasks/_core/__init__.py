"""The rules: pure values and decisions. Nothing here does I/O, reads a clock or knows an event loop.

`_wire` turns JSON into events, `state.advance` turns events into effects, and the engine carries the effects out.

    argument_checks.py  a program's arguments, checked; each error names the argument
    carried.py          what a call was given that stays with its task: headers, a context
    server_names.py     the servers of a group, and names that begin with a server's
    sendable.py         from a program's values to the JSON that is sent
    exceptions.py       the errors and the warning that programs see
    models.py           the values that programs see: statuses, references, results
    progress.py         how far a task is, and how reports of progress are merged
    progress_lines.py   what a live display says in a terminal or a pipe; durations in words, for notebooks too
    iterators.py        iterators over results that a program can close
    public_names.py     the names by which tracebacks and pickles know public classes
    events.py           the events, effects and outcomes of a task's state machine
    state.py            the state machine of one task: events in, effects out
    input_state.py      the part of that machine for input requests: open, being answered, closed
    verdicts.py         how work ended; whether a result reports that it failed
    outcome.py          a raw result -> the value that the program asked for
    results.py          results read part by part; only malformed parts are dropped
    forms.py            elicitation forms: defaults, and whether an answer keeps to the schema
    hosted_tasks.py     tasks that this client does for a server (2025-11-25)
    retention.py        until when a server keeps a task, also if it changes the `ttl`; the warnings about `ttl=`
    faults.py           what one failed request means, by HTTP status or JSON-RPC error: retry, reconnect or raise;
                        also the error for an answer that is too large
    patience.py         when a wait has gone on for too long
    retries.py          what follows from a failure: try again, and when, or give up
    throttle.py         how fast one client sends to a server that gets too many requests (HTTP 429)
    push_coverage.py    which tasks a subscription covers, and when to subscribe again
    polling/            when to poll a task
    trace.py            the seam through which a client tells what it does
    stats.py            what a client has done so far, in numbers
    json.py             type-safe looks into unchecked JSON
    content.py          the text in a content block or an input request
    safe_text.py        strangers' text made short and harmless, in errors too: how much is shown
    task_text.py        a task on one line, without secrets
    html.py             tasks, statuses and results as HTML for notebooks
    html_progress.py    bars, moments ("3 min ago") and the red of failures in that HTML
    lateness.py         the words of errors that end a wait
    problems.py         a validation error in one line, without values
    causes.py           which exceptions may stand above ours in a traceback
    unknown_tasks.py    why a server may not know a task
    tracebacks.py       the root of nested exception groups; tracebacks without library lines
    program_line.py     the line of the program that made a call, and warnings that point there
"""
