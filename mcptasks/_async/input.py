"""The types of input handlers, and the context that they get.

The engine does not import this module: `Client` passes it a function that makes contexts, like the function that makes
handles.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, cast

import mcp_types as types
from attrs import field, frozen

from mcptasks._core import safe_text

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from mcptasks._async.task import Task
    from mcptasks._core.models import TaskReference, TaskStatus

    TaskT = TypeVar("TaskT", default=Task[Any])
else:
    from typing import TypeVar

    TaskT = TypeVar("TaskT")


@frozen(kw_only=True, eq=False)
class InputContext(Generic[TaskT]):
    """The first argument of an input handler. It says which task asks; the second argument has the request's params.

    Generic in the type of the task. Without a parameter, that is the `Task` of the module from which `InputContext` is
    imported, `mcptasks` or `mcptasks.sync`.
    """

    __module__ = "mcptasks"

    task: TaskT | None = None
    """The task that asks; None if a plain call asks, or if the server does not say which task asks. Reading its
    `last_status` sends nothing."""
    key: str | None = field(default=None, repr=safe_text.short)
    """The input request's key, unique in its task; None if a plain call of 2025-11-25 asks."""
    candidates: Sequence[TaskT] = field(default=(), repr=safe_text.short)
    """The tasks that may have asked, if a 2025-11-25 server does not say which; otherwise empty."""
    meta: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    """The input request's own `_meta`."""

    context: Any = field(default=None, repr=False)
    """The program's `context=` of the call that asks; None if the call has none, or if several calls with different
    contexts may have asked."""

    @property
    def reference(self) -> TaskReference | None:
        """The reference of the task that asks; None if no task is known to ask."""
        return None if self.task is None else cast("Any", self.task).reference

    @property
    def last_status(self) -> TaskStatus | None:
        """The latest status of the task that asks; None if no task is known to ask. Sends nothing."""
        return None if self.task is None else cast("Any", self.task).last_status


ElicitationAnswer: TypeAlias = "types.ElicitResult | types.ErrorData | Mapping[str, Any] | object | None"
ElicitationHandler: TypeAlias = Callable[
    [InputContext[TaskT], types.ElicitRequestParams], "ElicitationAnswer | Awaitable[ElicitationAnswer]"
]
"""Called with the context and the request's params. A mapping, or a dataclass, attrs or pydantic object, accepts the
request with these fields. None declines. An `ElicitResult` can also cancel."""

SamplingAnswer: TypeAlias = "types.CreateMessageResult | types.CreateMessageResultWithTools | types.ErrorData | str"
SamplingHandler: TypeAlias = Callable[
    [InputContext[TaskT], types.CreateMessageRequestParams], "SamplingAnswer | Awaitable[SamplingAnswer]"
]
"""Called with the context and the request's params. A returned string is the assistant's text."""
