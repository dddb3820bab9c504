"""The command line, made of public names of the package only (tests/cli/test_surface.py).

`--help`, completion, `list` and `show` import neither the SDK nor pydantic nor rich, so they start at once.

app.py          the program: its commands, and how a run of it ends
commands/       the commands, one module each
options.py      options that several commands share, and their types
setting.py      the options that every command gets
completing.py   the offers of shell completion
shells.py       how each shell asks for completions
screen.py       the three streams
exits.py        the exit codes
failures.py     errors, for people and as JSON
running.py      a command's work on an event loop, and its errors
stopping.py     Ctrl-C and other signals: the first cancels the command, the second ends it at once
untrusted.py    text of servers on its way to a terminal
tables.py       tables
durations.py    durations: read from options, and written with their unit
nearest.py      the known word that is nearest to a mistyped one
arguments.py    a tool's arguments from words of the command line
schemas.py      reads a JSON schema: types, choices, properties
files.py        files that words name, and standard input
targets.py      which server is meant
entries.py      one server in a configuration
sources.py      where servers are configured
jsonc.py        JSON with comments
trust.py        consent to files of a folder
connecting.py   from a target to a client
naming.py       which task is meant
records.py      tasks of the store: words for how far they are, and their JSON; a table's columns are in its command
candidates.py   which tasks of a server a lost call may have created
taking_up.py    tasks that were started earlier, each with its server
following.py    one task, followed to its end
calling.py      one call of a tool, to its result
course.py       how far a call has come, and the words when it is stopped
display.py      tasks that are followed, on standard error
questions.py    the questions of a task, in words
asking.py       questions put to a person
values.py       JSON values that come from servers
terminal.py     a person who types
results.py      results as text, as JSON and as files
outcome.py      a result on standard output
reference.py    the reference page
demo.py         the demonstration: one tool, from its start to its result
demo_target.py  which server a demonstration is of
words.py        the words of the demonstration
"""
