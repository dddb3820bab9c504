"""The tables of a store, version by version. There is no way back, and a released version must not be changed.

`reads_from` is the oldest version of the schema whose code can use the tables, so that old and new processes can work
side by side while a fleet is updated.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Migration:
    """The way from one version of the tables to the next."""

    version: int
    reads_from: int
    statements: tuple[str, ...]


_TASK = """CREATE TABLE task (
    id TEXT PRIMARY KEY,
    endpoint TEXT NOT NULL,
    era TEXT,
    kind TEXT,
    name TEXT,
    label TEXT,
    key TEXT,
    labels TEXT NOT NULL,
    digest TEXT,
    arguments {blob},
    phase TEXT NOT NULL,
    task_id TEXT,
    status TEXT,
    message {blob},
    error {blob},
    result {blob},
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    over_at BIGINT,
    expires_at BIGINT,
    cancel_asked_at BIGINT,
    owner TEXT,
    fence BIGINT NOT NULL,
    traceparent TEXT,
    whole_endpoint TEXT,
    whole_key TEXT,
    whole_task_id TEXT
)"""
"""The last three columns hold texts that are too long for an index; see `values.indexed`."""

_QUESTION = """CREATE TABLE question (
    task TEXT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    request {blob},
    answer {blob},
    asked_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT,
    acknowledged_at BIGINT,
    whole_key TEXT,
    PRIMARY KEY (task, key)
)"""

_LABEL = """CREATE TABLE label (
    task TEXT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (task, name)
)"""

_OWNER = """CREATE TABLE owner (
    owner TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    scene TEXT NOT NULL,
    process TEXT NOT NULL,
    boot TEXT NOT NULL,
    alive_until {float} NOT NULL
)"""

_RUN = """CREATE TABLE run (
    endpoint TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    at BIGINT NOT NULL,
    low {float} NOT NULL,
    high {float} NOT NULL,
    least {float} NOT NULL,
    arguments TEXT,
    size BIGINT NOT NULL,
    PRIMARY KEY (endpoint, kind, name, at)
)"""

_ENDPOINT = """CREATE TABLE endpoint (
    endpoint TEXT PRIMARY KEY,
    era TEXT NOT NULL,
    at BIGINT NOT NULL
)"""

_CONSUMER = """CREATE TABLE consumer (
    consumer TEXT PRIMARY KEY,
    owner TEXT NOT NULL
)"""

_DELIVERY = """CREATE TABLE delivery (
    task TEXT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
    consumer TEXT NOT NULL,
    mark TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (task, consumer, mark)
)"""

META = "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
"""Names and values: `version`, `reads_from`, `made_by`, `codec`. Made before the first migration."""

MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        version=1,
        reads_from=1,
        statements=(
            _TASK,
            "CREATE UNIQUE INDEX task_key ON task (endpoint, key)",
            # A server that lost its memory may use an id again, so ids are unique only among tasks that are under way.
            "CREATE UNIQUE INDEX task_live ON task (endpoint, task_id) WHERE phase = 'created'",
            "CREATE INDEX task_id ON task (task_id)",
            "CREATE INDEX task_age ON task (created_at, id)",
            # For claims, in the order in which they take tasks.
            "CREATE INDEX task_queue ON task (endpoint, created_at, id) WHERE phase = 'created'",
            "CREATE INDEX task_phase ON task (phase, over_at)",
            "CREATE INDEX task_owner ON task (owner)",
            _QUESTION,
            # Few questions wait for anything at any time.
            "CREATE INDEX question_open ON question (asked_at) WHERE acknowledged_at IS NULL",
            _LABEL,
            "CREATE INDEX label_value ON label (name, value)",
            _OWNER,
            _RUN,
            _ENDPOINT,
            _CONSUMER,
            _DELIVERY,
        ),
    ),
    # Processes of version 1 name the columns that they write, so they can go on. They count no takeovers.
    Migration(version=2, reads_from=1, statements=("ALTER TABLE task ADD COLUMN takeovers BIGINT NOT NULL DEFAULT 0",)),
)
NEWEST = MIGRATIONS[-1].version
"""The version that this package makes and understands."""
