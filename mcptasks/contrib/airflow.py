"""Airflow: an operator that calls a tool and gives its worker slot back, and the trigger that waits for the task.

Needs the extra `airflow`. A trigger returns no value: when the task is over, the operator fetches the value on a
worker. So no large value gets into Airflow's database, and a trigger that runs twice does no harm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from mcptasks._core.models import Status, TaskReference
from mcptasks._remote.connect import leading_to, resolved
from mcptasks._remote.shared import clients
from mcptasks._remote.starting import acancel, start
from mcptasks.contrib._packages import need
from mcptasks.remote import Connect, follow

need(__name__, "apache-airflow-core", least=(3, 3), below=4, extra="airflow")
need(__name__, "apache-airflow-task-sdk", least=(1, 3), below=2, extra="airflow")

from airflow.sdk import BaseOperator  # noqa: E402 - the version is checked before
from airflow.triggers.base import BaseTrigger, TriggerEvent  # noqa: E402

_LOOKED_FOR: tuple[Status, ...] = ("completed", "failed", "cancelled", "input_required")
"""The statuses that end the wait of a trigger. In a triggerer, nobody answers input requests, so the operator fails at
"input_required", with the task's reference."""


class McpTaskTrigger(BaseTrigger):
    """Waits until a task is over, in Airflow's triggerer. All triggers of a server share one connection.

    The event's payload has the reference of the task and its status. A repeated event has the same reference.

    Args:
        connect: `Connect.to_dict()`: how to connect to the server from the triggerer.
        reference: `TaskReference.to_dict()`.
        detach: Leave the task running if a person kills the Airflow task. By default the server is asked to cancel it.
    """

    def __init__(self, connect: Mapping[str, Any], reference: Mapping[str, Any], detach: bool = False) -> None:
        super().__init__()
        self.connect = dict(connect)
        self.reference = dict(reference)
        self.detach = detach

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The import path of this class, and the arguments from which Airflow makes the trigger again."""
        arguments = {"connect": self.connect, "reference": self.reference, "detach": self.detach}
        return f"{__name__}.{type(self).__name__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the end of the task, or for its question, and yield one event.

        Raises:
            ValueError: A variable of the environment is missing in the triggerer.
            TaskError: What `Task.wait` raises.
        """
        reference = TaskReference.from_json(self.reference)
        server = resolved(leading_to(reference, Connect.from_json(self.connect)))
        async with clients().using(server) as client:
            status = await client.resume(reference).wait(state=_LOOKED_FOR)
        yield TriggerEvent({"reference": self.reference, "status": str(status.status)})

    async def on_kill(self) -> None:
        """Ask the server to cancel the task: a person has marked or cleared the Airflow task."""
        if not self.detach:
            await acancel(Connect.from_json(self.connect), TaskReference.from_json(self.reference))


class McpToolOperator(BaseOperator):
    """Calls a tool, and defers until its task is over. The tool's value is pushed to XCom.

    With `Connect(store=...)`, a try after a crash waits for the task of the earlier try. If that task failed, the new
    try fails too; to call again, give another `key`.

    Args:
        connect: How to connect to the server, from workers and from the triggerer.
        tool: The tool.
        arguments: The tool's arguments; templated.
        key: The idempotency key; templated. None makes one from the dag, the run, the task and the map index, which are
            the same for all tries. Only used with `Connect(store=...)`.
        deferrable: With False, the operator keeps the worker's slot, and no triggerer is needed.
        detach: Leave the task running if a person kills the Airflow task. By default the server is asked to cancel it.
        wait_timeout: How long the trigger waits; then the Airflow task fails and the task at the server goes on.
        options: Further arguments of `BaseOperator`, such as `task_id`.
    """

    template_fields: Sequence[str] = ("arguments", "key")

    def __init__(
        self,
        *,
        connect: Connect,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        key: str | None = None,
        deferrable: bool = True,
        detach: bool = False,
        wait_timeout: timedelta | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.connect = connect
        self.tool = tool
        self.arguments = arguments
        self.key = key
        self.deferrable = deferrable
        self.detach = detach
        self.wait_timeout = wait_timeout

    def execute(self, context: Any) -> Any:
        """Call the tool, and defer; or return its value if the server made no task of the call.

        Raises:
            ValueError: A variable of the environment is missing, or the server is a subprocess. Nothing was sent.
            TaskError: What the call raises.
        """
        keys = None if self.connect.store is None else [self.key or _key(context["ti"])]
        started = start(self.connect, self.tool, [self.arguments], keys=keys)[0]
        if started.error is not None:
            raise started.error
        if started.reference is None:
            return started.value
        if not self.deferrable:
            return follow(self.connect, started.reference, detach=self.detach)
        trigger = McpTaskTrigger(self.connect.to_dict(), started.reference.to_dict(), self.detach)
        return self.defer(trigger=trigger, method_name="execute_complete", timeout=self.wait_timeout)

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:  # noqa: ARG002 - Airflow calls it so
        """Fetch the value of the task in the trigger's event.

        Raises:
            TaskError: What `Task.result` raises.
        """
        return follow(self.connect, event["reference"], detach=True)


def _key(ti: Any) -> str:
    """The idempotency key of a task instance, the same for all its tries."""
    return "/".join(map(str, (ti.dag_id, ti.run_id, ti.task_id, ti.map_index)))
