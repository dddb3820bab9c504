"""Results of tools, resources and prompts: as text, as JSON, and as files. Pure, except for writing files."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from mcptasks._cli import untrusted


@frozen
class Blob:
    """Binary content of a result."""

    mime_type: str
    data: bytes


def text_of(result: Any) -> str:
    """Return the text to print for a result: the value as text or JSON, then the texts, with one line for each blob."""
    parts: list[str] = []
    data = getattr(result, "data", None)
    blocks = [plain(each) for each in contents(result)]
    if isinstance(data, str):
        parts.append(data)
    elif data is not None:
        parts.append(json.dumps(plain(data), indent=2, ensure_ascii=False, default=str))
    else:
        parts += [text for block in blocks if (text := _text(block)) is not None]
    parts += [f"[{untrusted.line(blob.mime_type, 80)}, {size(len(blob.data))}; -o FILE]" for blob in blobs(result)]
    parts += [f"[link to {block['uri']}]" for block in blocks if block.get("type") == "resource_link"]
    return "\n".join(parts)


def as_json(result: Any) -> Any:
    """Return a result as `--json` has it: the value, and everything that the server sent with it."""
    if hasattr(result, "structured_content"):
        return {
            "data": plain(result.data),
            "content": [plain(each) for each in result.content],
            "structured_content": plain(result.structured_content),
            "is_error": result.is_error,
            "meta": plain(result.meta),
        }
    return plain(result)


def contents(result: Any) -> list[Any]:
    """Return the content blocks of a tool's result, the parts of a resource, or the messages' contents of a prompt."""
    if isinstance(result, list):
        return cast("list[Any]", result)
    if hasattr(result, "messages"):
        return [message.content for message in result.messages]
    found: Sequence[Any] = getattr(result, "content", ())
    return list(found)


def blobs(result: Any) -> Iterator[Blob]:
    """Yield the binary contents of a result. Content that is not base64 is skipped."""
    for each in contents(result):
        block = plain(each)
        inner = block.get("resource")
        holder = cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else block
        coded = holder.get("blob", holder.get("data"))
        if not isinstance(coded, str):
            continue
        try:
            data = base64.b64decode(coded, validate=True)
        except (binascii.Error, ValueError):
            continue
        yield Blob(str(holder.get("mimeType") or "application/octet-stream"), data)


def write(result: Any, path: Path) -> list[Path]:
    """Write the blobs of a result to a file, or to files with numbers if there are several; the text if there is none.

    Returns:
        The files that were written.

    Raises:
        OSError: A file cannot be written.
    """
    several = [blob.data for blob in blobs(result)] or [text_of(result).encode("utf-8", "surrogatepass")]
    paths = [path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, len(several) + 1))]
    for each, data in zip(paths, several, strict=True):
        each.write_bytes(data)
    return paths


def size(count: int) -> str:
    """Return a number of bytes in the words of people."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def plain(value: Any) -> Any:
    """Return a value of the library as plain JSON values."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in cast("Sequence[Any]", value)]
    return value


def _text(block: Mapping[str, Any]) -> str | None:
    inner = block.get("resource")
    holder = cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else block
    text = holder.get("text")
    return text if isinstance(text, str) else None
