"""Draw docs/pictures/demo.svg: the demo in a terminal, each line at the moment at which it came.

    python docs/pictures/demo.py

The script runs `python -m mcptasks demo`, notes when each line comes, and writes the picture. The lines appear one
after the other if the viewer shows CSS animations. All of them are there from the beginning if it does not, or if the
reader has asked for less motion.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterable
from html import escape, unescape
from pathlib import Path
from typing import NamedTuple

PICTURE = Path(__file__).with_suffix(".svg")
COMMAND = "python -m mcptasks demo"

_COLUMN = 8.6
"""Pixels for one character: a little more than monospaced fonts of 14 pixels have."""
_ROW = 21
"""Pixels from one line to the next."""
_MARGIN = 20
"""Pixels to the left and right of the text, and below it."""
_TOP = 62
"""Pixels from the upper edge to the base line of the first line: the window's bar is above."""
_TYPING = 0.8
"""Seconds for which the command stands alone."""
_COLOURS = (
    (r"^\$ ", "#8fbcbb"),
    (r"^  working ", "#ebcb8b"),
    (r"^  completed", "#a3be8c"),
    (r"^result: ", "#a3be8c"),
)
_PLAIN = "#d8dee9"
_SPACE = "\N{NO-BREAK SPACE}"
"""A space that viewers do not fold into the one before it."""


class Line(NamedTuple):
    """One line of the terminal."""

    seconds: float
    """When it appears, after the picture was opened."""
    text: str


def recorded() -> list[Line]:
    """Run the demo and note its lines.

    Raises:
        subprocess.CalledProcessError: The demo failed.
    """
    lines = [Line(0.0, f"$ {COMMAND}")]
    command = [sys.executable, "-u", *COMMAND.split()[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as demo:
        assert demo.stdout is not None
        began = None
        for text in demo.stdout:
            began = began or time.monotonic()  # The start of Python and of the server is not part of the show.
            lines.append(Line(round(_TYPING + time.monotonic() - began, 1), text.rstrip("\n")))
    if demo.returncode:
        raise subprocess.CalledProcessError(demo.returncode, command)
    return lines


def drawn(lines: Iterable[Line]) -> str:
    """The picture, as the text of an SVG file."""
    lines = list(lines)
    width = round(2 * _MARGIN + _COLUMN * max(len(line.text) for line in lines))
    height = _TOP + _ROW * (len(lines) - 1) + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
            f"<title>A terminal that runs {escape(COMMAND)}</title>",
            "<style>",
            "text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }",
            "@keyframes later { from, to { opacity: 0; } }",
            "@media (prefers-reduced-motion: no-preference) { text { animation-name: later; } }",
            "</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#2e3440"/>',
            *(f'<circle cx="{x}" cy="20" r="6" fill="#4c566a"/>' for x in (24, 44, 64)),
            *(_row(number, line) for number, line in enumerate(lines)),
            "</svg>\n",
        ]
    )


def _row(number: int, line: Line) -> str:
    colour = next((colour for pattern, colour in _COLOURS if re.search(pattern, line.text)), _PLAIN)
    text = escape(line.text).replace(" ", _SPACE)
    style = f' style="animation-duration: {line.seconds}s"'
    return f'<text x="{_MARGIN}" y="{_TOP + _ROW * number}" fill="{colour}"{style}>{text}</text>'


def read(picture: str) -> list[Line]:
    """The lines of a picture that `drawn` made."""
    found = re.findall(r'<text [^>]*animation-duration: ([\d.]+)s">([^<]*)</text>', picture)
    return [Line(float(seconds), unescape(text).replace(_SPACE, " ")) for seconds, text in found]


def without_chance(lines: Iterable[Line]) -> list[str]:
    """The texts of the lines, without what each run has of its own: the id of its task."""
    return [re.sub(r"\b[0-9a-f]{32}\b", "<id>", line.text) for line in lines]


if __name__ == "__main__":
    PICTURE.write_text(drawn(recorded()), encoding="utf-8")
