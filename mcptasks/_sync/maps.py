# Generated from mcptasks/_async/maps.py by `nox -s generate`. Do not edit: change the source and run that again.
"""`Client.map`: calls a tool for each item of an input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, overload

from mcptasks._async.maps import Arguments, Label
from mcptasks._core.argument_checks import TaskMode
from mcptasks._core.iterators import BlockingResults
from mcptasks._core.models import DataT, ToolResult
from mcptasks._portal.facade import blocking
from mcptasks._sync.calls import Calls


class Maps(Calls):
    """The part of `Client` that calls a tool for many items."""

    @overload
    def map(
        self,
        name: str,
        arguments: Iterable[Arguments],
        *,
        limit: int | None = None,
        task: TaskMode = "prefer",
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: Label | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: Literal[True] = True,
        as_type: type[DataT],
        return_exceptions: Literal[False] = False,
        detach: bool = False,
        cancel_on_error: bool | None = None,
        progress: bool = False,
    ) -> BlockingResults[ToolResult[DataT]]: ...

    @overload
    def map(
        self,
        name: str,
        arguments: Iterable[Arguments],
        *,
        limit: int | None = None,
        task: TaskMode = "prefer",
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: Label | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: Literal[True] = True,
        as_type: type[DataT],
        return_exceptions: bool,
        detach: bool = False,
        cancel_on_error: bool | None = None,
        progress: bool = False,
    ) -> BlockingResults[ToolResult[DataT] | Exception]: ...

    @overload
    def map(
        self,
        name: str,
        arguments: Iterable[Arguments],
        *,
        limit: int | None = None,
        task: TaskMode = "prefer",
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: Label | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        return_exceptions: Literal[False] = False,
        detach: bool = False,
        cancel_on_error: bool | None = None,
        progress: bool = False,
    ) -> BlockingResults[ToolResult]: ...

    @overload
    def map(
        self,
        name: str,
        arguments: Iterable[Arguments],
        *,
        limit: int | None = None,
        task: TaskMode = "prefer",
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: Label | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        return_exceptions: bool,
        detach: bool = False,
        cancel_on_error: bool | None = None,
        progress: bool = False,
    ) -> BlockingResults[ToolResult | Exception]: ...

    @blocking
    def map(
        self,
        name: str,
        arguments: Iterable[Arguments],
        *,
        limit: int | None = None,
        task: TaskMode = "prefer",
        ttl: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        label: Label | None = None,
        meta: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        context: Any = None,
        raise_on_error: bool = True,
        as_type: Any = None,
        return_exceptions: bool = False,
        detach: bool = False,
        cancel_on_error: bool | None = None,
        progress: bool = False,
    ) -> BlockingResults[Any]:
        """Call a tool once for each item of an input, as tasks; iterate over the results in the order of the input.

        An item is taken from the input only when there is room for its call, so the input may be endless. The client's
        handlers answer the tasks' input requests. An error is raised when its item's turn comes, and ends the
        iteration; a note on the error says which item failed. No further call is started once an error is known.

        The iteration ends early by an error, by a cancelled scope around a step, or because the iterator is closed or
        dropped. The client then asks the server to cancel the calls that were started and not handed out, since nobody
        has a handle on them. An item whose error was raised counts as handed out, so after a timeout its task goes on.

        Args:
            name: The tool.
            arguments: The arguments of each call: an iterable of mappings (or of None for none).
            limit: How many calls may run at the same time; None for any number.
            task: Whether each call is to become a task: "prefer", "require" or "forbid"; see `call_tool`.
            ttl: See `call_tool`.
            timeout: Seconds or a `timedelta` for each call, from its start to its result.
            label: A word of your own for all the tasks, or a function that gets an item's number and the item, and
                returns a word. The function must be plain, and must not block.
            meta: See `call_tool`.
            headers: Sent with each of the calls; see `call_tool`.
            context: The context of each of the calls; see `call_tool`.
            raise_on_error: See `call_tool`.
            as_type: See `call_tool`.
            return_exceptions: Return an item's error in place of its result, and go on.
            detach: Let calls that are under way go on if the iteration ends early. A cancellation then ends only the
                step around which it happens, and the iteration can go on.
            cancel_on_error: Whether an error that ends the iteration cancels the other calls: True or False; None to
                follow `detach`.
            progress: Show how far the calls are while the iteration goes on: in a notebook, or on `sys.stderr`, like
                the function `progress` of this package.

        Raises:
            TypeError: An argument has a wrong type.
            ValueError: The limit is less than 1, or the name, label or `meta` cannot be sent.
            TaskStateError: An earlier step was cancelled, which ended the iteration.
            Exception: `call_tool` raises, or the input does. An error about an item's arguments calls them
                `arguments[0]`, `arguments[1]` and so on.
        """
        return self._iterate(
            lambda: self._inner.map(
                name,
                self._pulled(arguments),
                limit=limit,
                task=task,
                ttl=ttl,
                timeout=timeout,
                label=label,
                meta=meta,
                headers=headers,
                context=context,
                raise_on_error=raise_on_error,
                as_type=as_type,
                return_exceptions=return_exceptions,
                detach=detach,
                cancel_on_error=cancel_on_error,
                progress=progress,
            ),
            answers=True,
        )
