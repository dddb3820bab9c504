"""The tools, resources and prompts that a test server offers, each with the work behind it and its task options."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeAlias, TypedDict, get_type_hints

from attrs import field, frozen
from pydantic import BaseModel, ConfigDict, create_model

from mcptasks.testing._results import Kind
from mcptasks.testing._script import JSON, Complete, Script, ScriptSource

TaskSupport: TypeAlias = Literal["required", "optional", "forbidden", "none"]
"""`none`: declares nothing about tasks, and always answers directly. `forbidden`: declares that, and refuses a `task`
field."""

ToolFunction: TypeAlias = Callable[..., Awaitable[object]]
"""An async function that takes a `ToolContext` and then the tool's parameters."""


class OfferOptions(TypedDict, total=False):
    """Options that tools, resources and prompts have in common."""

    description: str
    support: TaskSupport
    """Default: `optional`."""
    ttl_ms: object
    """Any JSON value, None (no limit) or `ABSENT`. Default: the time that the client asks for."""
    poll_interval_ms: object
    """Any JSON value, or `ABSENT`. Default: the server's."""
    immediate_response: str
    """The hint for a model in the answer that creates the task (2025-11-25)."""
    born_input_required: Mapping[str, JSON]
    """Input requests that are open from the start: the task begins as `input_required`."""
    asks_first: Mapping[str, JSON]
    """Input requests that a tool's call asks for before it becomes a task (2026-07-28); `ctx.task.answers` has the
    answers then. A call that is no task does not ask them."""
    cancel: Literal["on", "ignored"]
    """Whether `tasks/cancel` ends the task. Default: the server's."""
    wrap_result: bool
    """Whether values that are not objects are marked as fastmcp marks them (`_meta.fastmcp.wrap_result`)."""
    input_schema: JSON
    """The tool's input schema (tools only)."""
    output_schema: JSON
    """The tool's output schema (tools only)."""


@frozen
class Offer:
    """One tool, resource or prompt."""

    kind: Kind
    name: str
    """The name, or the URI of a resource."""
    script: ScriptSource | None = None
    """The script. If there is neither a script nor a function, a test steers the task by hand."""
    function: ToolFunction | None = None
    arguments_model: type[BaseModel] | None = None
    options: OfferOptions = field(factory=OfferOptions)

    @property
    def support(self) -> TaskSupport:
        """Whether calls can or must become tasks."""
        return self.options.get("support", "optional")

    @property
    def input_schema(self) -> JSON:
        """The JSON schema of a tool's arguments."""
        given = self.options.get("input_schema")
        if given is not None:
            return given
        if self.arguments_model is None:
            return {"type": "object"}
        schema = self.arguments_model.model_json_schema()
        schema.pop("title", None)
        schema.setdefault("properties", {})
        return schema

    def read_arguments(self, arguments: Mapping[str, Any]) -> JSON:
        """The arguments in the types that the function takes; raises pydantic's `ValidationError`."""
        if self.arguments_model is None:
            return dict(arguments)
        checked = self.arguments_model.model_validate(dict(arguments))
        return {name: getattr(checked, name) for name in type(checked).model_fields}

    def listing(self, *, legacy: bool, declares_tasks: bool) -> JSON:
        """The entry in `tools/list`, `resources/list` or `prompts/list`."""
        entry: JSON = {"name": self.name}
        if self.kind == "resource":
            entry["uri"] = self.name
        if "description" in self.options:
            entry["description"] = self.options["description"]
        if self.kind == "prompt":
            entry["arguments"] = []
        if self.kind == "tool":
            entry["inputSchema"] = self.input_schema
            if "output_schema" in self.options:
                entry["outputSchema"] = self.options["output_schema"]
            if legacy and declares_tasks and self.support != "none":
                entry["execution"] = {"taskSupport": self.support}
        return entry


def function_offer(function: ToolFunction, name: str | None, options: OfferOptions) -> Offer:
    """A tool made from an async function, whose annotations give the schema."""
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"a tool function must be async: {function!r}")
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        raise TypeError(f"a tool function takes a context as its first argument: {function!r}")
    hints = get_type_hints(function)
    fields: dict[str, Any] = {
        p.name: (hints.get(p.name, Any), ... if p.default is p.empty else p.default) for p in parameters[1:]
    }
    tool_name = name or function.__name__
    model: type[BaseModel] = create_model(tool_name, __config__=ConfigDict(extra="forbid"), **fields)
    documented: OfferOptions = {**options}
    if "description" not in documented and function.__doc__:
        documented["description"] = inspect.cleandoc(function.__doc__)
    return Offer("tool", tool_name, function=function, arguments_model=model, options=documented)


class OfferBook:
    """The offers of one server, by kind and name."""

    def __init__(self) -> None:
        self._offers: dict[Kind, dict[str, Offer]] = {"tool": {}, "resource": {}, "prompt": {}}

    def add(self, offer: Offer) -> None:
        """Add an offer, and replace an earlier offer of the same name."""
        self._offers[offer.kind][offer.name] = offer

    def find(self, kind: Kind, name: object) -> Offer | None:
        """The offer of that name."""
        return self._offers[kind].get(name) if isinstance(name, str) else None

    def all(self, kind: Kind) -> list[Offer]:
        """The offers of one kind."""
        return list(self._offers[kind].values())


def plain_script(options: OfferOptions, script: ScriptSource | None, result: object) -> ScriptSource | None:
    """The script that `script=` and `result=` of a registration mean."""
    immediate: Script = [Complete(result)]
    if script is not None:
        return script
    if result is not None or options.get("support") in ("none", "forbidden"):
        return immediate
    return None
