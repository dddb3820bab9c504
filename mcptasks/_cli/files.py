"""The files that words of the command line name, and standard input, read once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


def read_words() -> Callable[[str], str]:
    """Return a function that reads a file, or standard input for `-`.

    Standard input is read only for an explicit `-`. Otherwise a command would hang if nobody types.
    """

    def read(name: str) -> str:
        try:
            return sys.stdin.read() if name == "-" else Path(name).expanduser().read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{name}: not UTF-8") from None
        except OSError as exc:
            raise ValueError(f"{name}: {exc.strerror or exc}") from None

    return read
