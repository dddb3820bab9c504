"""What a client has done so far, in numbers."""

from __future__ import annotations

from datetime import timedelta

from attrs import define, fields, frozen


@frozen(kw_only=True)
class ClientStats:
    """What a client has done since it was opened (`Client.stats()`)."""

    __module__ = "mcptasks"

    calls: int = 0
    """Requests that may create a task: `tools/call`, `resources/read` and `prompts/get`."""
    uncertain_calls: int = 0
    """Calls that failed although the request may have reached the server, so that an unknown task may run there."""
    tasks: int = 0
    """Tasks that this client created or took up."""
    tasks_ended: int = 0
    """Tasks whose end this client has seen, including `tasks_failed` and `tasks_cancelled`."""
    tasks_failed: int = 0
    """Tasks that failed, or that the server forgot before this client saw their end."""
    tasks_cancelled: int = 0
    """Tasks that ended as cancelled."""
    polls: int = 0
    """Statuses that the server gave when the client asked (`tasks/get`)."""
    pushes: int = 0
    """Statuses that the server sent unasked."""
    results: int = 0
    """Results that were fetched on their own (`tasks/result`)."""
    failed_looks: int = 0
    """Polls and fetches that were given up; those who waited for the task got an error."""
    input_rounds: int = 0
    """How often tasks began to wait for input."""
    input_wait: timedelta = timedelta()
    """How long tasks have waited for input in all. A wait counts when it has ended."""
    reconnects: int = 0
    """How often the client has connected again after it lost the connection."""
    leases_taken: int = 0
    """Tasks of the client's store that this client took up: resumed, recovered or claimed ones."""
    takeovers: int = 0
    """Those of `leases_taken` that another client held when it died: its process has ended, or its lease."""
    leases_lost: int = 0
    """Tasks of the store that this client held, until it found that another client holds them."""
    commits: int = 0
    """Transactions in which this client has written to its store; several writes share one."""
    commit_time: timedelta = timedelta()
    """How long the transactions in `commits` took together."""
    failed_commits: int = 0
    """Transactions that the store did not carry out. They are not counted in `commits`."""

    @property
    def tasks_active(self) -> int:
        """Tasks whose end this client has not seen."""
        return self.tasks - self.tasks_ended


@define
class Counters:
    """The numbers of `ClientStats` while the client runs; its fields mean the same."""

    calls: int = 0
    uncertain_calls: int = 0
    tasks: int = 0
    tasks_ended: int = 0
    tasks_failed: int = 0
    tasks_cancelled: int = 0
    polls: int = 0
    pushes: int = 0
    results: int = 0
    failed_looks: int = 0
    input_rounds: int = 0
    input_wait: timedelta = timedelta()
    reconnects: int = 0
    leases_taken: int = 0
    takeovers: int = 0
    leases_lost: int = 0
    commits: int = 0
    commit_time: timedelta = timedelta()
    failed_commits: int = 0

    def add_poll(self) -> None:
        """Count an answer to `tasks/get`."""
        self.polls += 1

    def add_push(self) -> None:
        """Count a status that the server sent unasked."""
        self.pushes += 1

    def now(self) -> ClientStats:
        """The numbers as they stand."""
        return ClientStats(**{each.name: getattr(self, each.name) for each in fields(Counters)})
