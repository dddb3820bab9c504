"""The result of a task on standard output, as text, as JSON or in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcptasks._cli import results
from mcptasks._cli.naming import Named
from mcptasks._cli.setting import Setting


def print_result(setting: Setting, named: Named, result: Any, *, raw: bool = False, file: Path | None = None) -> None:
    """Print a result, or write it to a file.

    Args:
        setting: The options of the command.
        named: The task.
        result: What `Task.result` returned.
        raw: Whether a terminal gets the text unchanged.
        file: Where to write blobs, or the text if there are none; None for standard output.

    Raises:
        BrokenPipeError: Nobody reads standard output any more.
        OutputError: Standard output cannot be written.
        OSError: The file cannot be written.
    """
    files = [] if file is None else results.write(result, file)
    if setting.manner.json:
        value = {"schema": 1, "task": named.json, "result": results.as_json(result)}
        setting.screen.print_json(value if file is None else {**value, "files": [str(each) for each in files]})
    elif file is None:
        setting.screen.print_text(results.text_of(result), raw=raw)
    else:
        for each in files:
            setting.screen.hint(f"wrote {each}")
