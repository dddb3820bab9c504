"""Async docstrings -> blocking docstrings.

Examples are translated by rules, prose by the phrases of the map. Words of the async world that are left are an error.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from mcptasks._tools.errors import GeneratorError
from mcptasks._tools.layout import WIDTH
from mcptasks._tools.names import Uses

_QUOTES = '"""'
_LEFT_OVER = re.compile(
    r"\b(async|await\w*|aiter|anext|asyncio|trio|anyio|coroutines?|event loop)\b|__a(enter|exit|iter|next)__"
)
_SECTION = re.compile(r"[A-Z]\w*:$")

# The order matters: the brackets of `(await x.y()).z` must go together with the `await`.
_CODE = (
    (re.compile(r"\(await ((?:[^()]|\([^()]*\))*)\)(?=[.\[])"), r"\1"),
    (re.compile(r"\bawait\s+"), ""),
    (re.compile(r"\basync (with|for|def)\b"), r"\1"),
    (re.compile(r"\bfrom mcptasks import\b"), "from mcptasks.sync import"),
)


@dataclass
class _Block:
    """The lines of one paragraph, or one line of code. The first line may be indented otherwise than the rest."""

    lines: list[str]
    code: bool = False

    @property
    def indents(self) -> tuple[str, str]:
        first, second = self.lines[0], self.lines[min(1, len(self.lines) - 1)]
        return _indent(first), _indent(second) if len(self.lines) > 1 else _indent(first)


def render(docstring: str, indent: str, place: str, uses: Uses, argument: str | None = None) -> list[str]:
    """The lines of the translated docstring; `argument` is an additional entry for its "Args"."""
    width = WIDTH - len(indent)
    lines: list[str] = []
    for number, block in enumerate(_blocks(docstring.split("\n"))):
        lines += _translated(block, uses, width - (len(_QUOTES) if number == 0 else 0))
    _refuse_left_overs(lines, place, uses)
    if argument is not None:
        lines = _with_argument(lines, argument, width, place)
    lines = _without_gaps(lines)
    if len(lines) == 1 and len(indent) + len(lines[0]) + 2 * len(_QUOTES) <= WIDTH:
        return [f"{indent}{_QUOTES}{lines[0]}{_QUOTES}"]
    return [f"{indent}{_QUOTES}{lines[0]}", *(f"{indent}{line}".rstrip() for line in lines[1:]), f"{indent}{_QUOTES}"]


def _blocks(lines: list[str]) -> Iterator[_Block]:
    block: _Block | None = None
    fenced = in_section = False
    literal: int | None = None  # The indentation of the line before, if that line ended in "::".
    for line in lines:
        depth = len(_indent(line))
        if line and literal is not None and depth <= literal:
            literal = None
        fence = line.lstrip().startswith("```")
        code = fenced or fence or literal is not None or line.lstrip().startswith((">>>", "... "))
        fenced ^= fence
        if not line or code or _SECTION.match(line):
            if block:
                yield block
            block = None
            yield _Block([line], code)
            in_section = bool(_SECTION.match(line)) or (in_section and not line)
            continue
        if line.endswith("::"):
            literal = depth
        in_section = in_section and depth > 0
        if block and _continues(block, depth, in_section):
            block.lines.append(line)
        else:
            if block:
                yield block
            block = _Block([line])
    if block:
        yield block


def _continues(block: _Block, depth: int, in_section: bool) -> bool:
    first, rest = map(len, block.indents)
    if len(block.lines) == 1:
        return depth > first or (depth == first and not in_section)
    return depth == rest


def _translated(block: _Block, uses: Uses, width: int) -> list[str]:
    if block.code:
        return [_code(line) for line in block.lines]
    flat = " ".join(line.strip() for line in block.lines)
    text = flat
    for phrase, replacement in uses.names.phrases.items():
        if phrase in text and uses.has("phrases", phrase):
            text = text.replace(phrase, replacement)
    text = re.sub(r"`[^`]+`", lambda match: _code(match[0]), text)
    if text == flat:
        return block.lines
    first, rest = block.indents
    return textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=first,
        subsequent_indent=rest if len(block.lines) > 1 or not first else f"{first}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _code(text: str) -> str:
    for pattern, replacement in _CODE:
        text = pattern.sub(replacement, text)
    return text


def _refuse_left_overs(lines: list[str], place: str, uses: Uses) -> None:
    text = " ".join(" ".join(lines).split())
    for phrase in sorted(uses.names.kept, key=len, reverse=True):
        if phrase in text and uses.has("kept", phrase):
            text = text.replace(phrase, "")
    if left := _LEFT_OVER.search(text):
        around = text[max(left.start() - 30, 0) : left.end() + 30]
        raise GeneratorError(
            f"{place}: its docstring speaks of the async world: {around!r}; add the words to `phrases` of"
            " mcptasks/_tools/names.py with what is true in blocking code, or to `kept` if they are true there too"
        )


def _with_argument(lines: list[str], argument: str, width: int, place: str) -> list[str]:
    if "Args:" not in lines:
        raise GeneratorError(f'{place}: its docstring has no "Args:", where {argument.partition(":")[0]} is to stand')
    start = lines.index("Args:")
    end = next((number for number, line in enumerate(lines[start:], start) if not line), len(lines))
    entry = textwrap.wrap(argument, width, initial_indent="    ", subsequent_indent="        ", break_on_hyphens=False)
    return [*lines[:end], *entry, *lines[end:]]


def _without_gaps(lines: list[str]) -> list[str]:
    """Remove the blank lines that a removed phrase has left at the end, or beside another blank line."""
    kept = [line for number, line in enumerate(lines) if line or (number and lines[number - 1])]
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
