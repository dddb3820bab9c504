"""Reads configurations (`{"mcpServers": ...}`) from `.json` files. The JSON parser's errors are not chained: they hold
the whole file, which may have secrets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from mcptasks._transport import checks
from mcptasks._transport.checks import kind_of


def read_config(path: Any) -> Mapping[str, Any]:
    """The configuration in a file, for a group.

    Raises:
        TypeError: `path` is no path to a `.json` file.
        ValueError: The file is not JSON, or holds no object.
        FileNotFoundError: No file is there.
    """
    text: Any = os.fspath(cast("os.PathLike[Any]", path)) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or Path(text).suffix != ".json":
        # A text is not shown: it may be a URL with a secret in it.
        what = "a string that does not end in .json" if isinstance(text, str) else kind_of(path)
        raise TypeError(
            "a group takes a mapping with 'mcpServers', a path to a .json file that holds one, or a mapping of names "
            f"to targets; got {what}"
        )
    if not checks.is_file(text):
        raise FileNotFoundError(f"no such file: {text!r}{checks.why_no_file(text)}")
    return parsed(text)


def parsed(path: str) -> Mapping[str, Any]:
    """Reads the configuration in a file that is there.

    Raises:
        ValueError: The file is not JSON, or holds no object.
    """
    wrong = None
    config: Any = None
    try:
        config = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as exc:
        wrong = f"line {exc.lineno}, column {exc.colno}: {exc.msg}"
    except UnicodeDecodeError as exc:
        wrong = f"not UTF-8 at byte {exc.start}"
    except (RecursionError, ValueError):
        wrong = "nested too deeply, or with a number too long"
    if wrong is not None:
        raise ValueError(f"{path!r} is not JSON: {wrong}")
    if not isinstance(config, Mapping):
        raise ValueError(f"{path!r} must hold an object with 'mcpServers'")
    return cast("Mapping[str, Any]", config)
