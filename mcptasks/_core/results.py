"""Reads the results of calls part by part, and drops only malformed parts. Pure.

A known part becomes the SDK's type. An unknown object is kept as the server sent it. Any other part is dropped and
named. Parts are checked one by one, since the SDK's models for whole results make several errors for each bad part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar, cast

import mcp_types
from attrs import Factory, define, frozen
from mcp_types import BlobResourceContents, ContentBlock, GetPromptResult, PromptMessage, TextResourceContents
from pydantic import BaseModel, ValidationError

from mcptasks._core.json import as_list, as_object, kind_of
from mcptasks._core.models import Content, ResourceContents, ToolResult
from mcptasks._core.problems import first_problem
from mcptasks._core.verdicts import is_true

_BLOCKS: Mapping[str, tuple[Any, ...]] = {
    "text": (mcp_types.TextContent, "text"),
    "image": (mcp_types.ImageContent, "data", "mimeType"),
    "audio": (mcp_types.AudioContent, "data", "mimeType"),
    "resource_link": (mcp_types.ResourceLink, "name", "uri"),
    "resource": (mcp_types.EmbeddedResource,),
}
"""The content blocks by their type: the SDK's model, and the fields that must be strings."""
_NAMED = 20
"""How many dropped parts are named; the others are counted. A log line stays readable."""
_REFUSED = 1000
"""How many messages of a prompt may be malformed; with more, the whole result counts as malformed. The check of a
malformed message is slow."""

_EntryT = TypeVar("_EntryT")


class NothingFits(Exception):
    """No part of a result is valid for the request. Says what is wrong, without values."""


@frozen
class _Wrong:
    """The reason why an entry is dropped."""

    words: str


def unfinished(result: Mapping[str, Any]) -> str | None:
    """Says what is wrong with a result's `resultType`; None if the result is complete.

    A client must treat an unknown type as an error (2026-07-28, basic, "Result Types").
    """
    kind = result.get("resultType")
    if not isinstance(kind, str) or kind == "complete":
        return None
    return (
        "resultType: a task, with which only tools/call may be answered" if kind == "task" else "resultType: not known"
    )


@define
class Reader:
    """Reads one result, and remembers the parts that it drops."""

    left_out: list[str] = Factory(list[str])
    """The places and problems of the first parts that were dropped."""
    more: int = 0
    """How many further parts were dropped."""

    def tool(self, raw: Any) -> ToolResult:
        """A tool's result, with `data` left None.

        Raises:
            NothingFits: There is no valid content, no structured content, and no error.
        """
        result = self._result(raw)
        content: list[Content] | None = self._entries(result, "content", _block)
        structured, is_error = result.get("structuredContent"), self._flag(result, "isError")
        if content is None and structured is None and not is_error:
            raise self._nothing("content")
        meta = self._optional(result, "_meta", "an object", as_object)
        return ToolResult(
            content=tuple(content or ()), structured_content=structured, is_error=is_error, meta=meta or {}
        )

    def resource(self, raw: Any) -> list[ResourceContents]:
        """The parts of a resource.

        Raises:
            NothingFits: There are no valid parts.
        """
        contents: list[ResourceContents] | None = self._entries(self._result(raw), "contents", _contents)
        if contents is None:
            raise self._nothing("contents")
        return contents

    def prompt(self, raw: Any) -> GetPromptResult:
        """A prompt, with the messages that fit the SDK's type.

        Raises:
            NothingFits: There are no valid messages.
        """
        result = self._result(raw)
        refused = 0

        def message(entry: Mapping[str, Any]) -> PromptMessage | _Wrong:
            nonlocal refused
            if refused == _REFUSED:
                raise NothingFits(f"messages: more than {_REFUSED} of them do not fit")
            try:
                return PromptMessage.model_validate(entry, by_name=False)
            except ValidationError as exc:
                refused += 1
                return _Wrong(first_problem(exc))

        messages = self._entries(result, "messages", message)
        if messages is None:
            raise self._nothing("messages")
        meta = self._optional(result, "_meta", "an object", as_object)
        return GetPromptResult(
            messages=messages,
            description=self._optional(result, "description", "a string", _text),
            _meta=None if meta is None else cast("Any", dict(meta)),
        )

    def without_raw(self, content: Iterable[Content]) -> list[ContentBlock]:
        """The blocks that the SDK knows; the others are dropped."""
        kept: list[ContentBlock] = []
        for index, block in enumerate(content):
            if isinstance(block, Mapping):
                self._leave_out(f"content.{index}", "a block that is not known")
            else:
                kept.append(block)
        return kept

    def _result(self, raw: Any) -> Mapping[str, Any]:
        result = as_object(raw)
        if result is None:
            raise NothingFits(f"it is {kind_of(raw)}, not an object")
        fault = unfinished(result)
        if fault is not None:
            raise NothingFits(fault)
        return result

    def _entries(
        self, result: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any]], _EntryT | _Wrong]
    ) -> list[_EntryT] | None:
        """The valid entries of a list; None if there is no list, or a list without a valid entry."""
        value = result.get(name)
        if name not in result:
            return None
        lone = as_object(value)
        found = as_list(value) if lone is None else [lone]
        if found is None:
            self._leave_out(name, f"{kind_of(value)}, not an array")
            return None
        kept: list[_EntryT] = []
        for index, value in enumerate(found):
            entry = as_object(value)
            told = _Wrong(f"{kind_of(value)}, not an object") if entry is None else read(entry)
            if isinstance(told, _Wrong):
                self._leave_out(f"{name}.{index}", told.words)
            else:
                kept.append(told)
        return kept if kept or not found else None

    def _flag(self, result: Mapping[str, Any], name: str) -> bool:
        if is_true(result.get(name)):
            return True
        return bool(self._optional(result, name, "a boolean", lambda value: value if value in (0, "false") else None))

    def _optional(
        self, result: Mapping[str, Any], name: str, right: str, read: Callable[[Any], _EntryT | None]
    ) -> _EntryT | None:
        value = result.get(name)
        found = read(value)
        if found is None and value is not None:
            self._leave_out(name, f"{kind_of(value)}, not {right}")
        return found

    def _leave_out(self, place: str, what: str) -> None:
        if len(self.left_out) < _NAMED:
            self.left_out.append(f"{place}: {what}")
        else:
            self.more += 1

    def _nothing(self, name: str) -> NothingFits:
        said = [words for words in self.left_out if words.startswith(name)]
        return NothingFits(said[0] if said else f"{name}: missing")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _block(entry: Mapping[str, Any]) -> Content:
    kind = entry.get("type", "text" if "text" in entry else None)
    model, *needed = _BLOCKS.get(kind, (None,)) if isinstance(kind, str) else (None,)
    return entry if model is None else cast("Content", _read(model, needed, entry))


def _contents(entry: Mapping[str, Any]) -> ResourceContents:
    is_text = isinstance(entry.get("text"), str)
    model, needed = (TextResourceContents, "text") if is_text else (BlobResourceContents, "blob")
    return cast("ResourceContents", _read(model, ("uri", needed), entry))


def _read(model: type[BaseModel], needed: Iterable[str], entry: Mapping[str, Any]) -> BaseModel | Mapping[str, Any]:
    # A failed validation takes ten times as long as a successful one, so the needed fields are checked first.
    if all(isinstance(entry.get(name), str) for name in needed):
        with suppress(ValidationError):
            return model.model_validate(entry, by_name=False)
    return entry
