"""The command line: `python -m mcptasks`, the same as `mcptasks`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return the exit code; docs/reference/cli.md has the table.

    Args:
        arguments: The words after the program's name; None for those of this process.
    """
    try:
        from mcptasks._cli.app import main as run
    except ModuleNotFoundError as exc:
        if exc.name != "click":
            raise
        print("the command line needs the package click: pip install 'mcptasks[cli]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was sent", file=sys.stderr)
        return 130
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
