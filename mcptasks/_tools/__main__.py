"""The command: `python -m mcptasks._tools` writes the blocking facade, `--check` only compares."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mcptasks._tools.check import MEND, differences, write
from mcptasks._tools.errors import GeneratorError
from mcptasks._tools.render import render
from mcptasks._tools.scope import Scope


def main(arguments: list[str] | None = None, package: Path = Path(__file__).parent.parent) -> int:
    """Run the command on a package's folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mcptasks._tools", description="Generate the blocking facade.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something differs")
    options = parser.parse_args(arguments)
    folder = package / "_sync"
    try:
        files = render(scope=Scope(package=package))
    except GeneratorError as exc:
        print(exc, file=sys.stderr)
        return 1
    if not options.check:
        for name in write(folder, files):
            print(f"wrote {name}")
    if problems := list(differences(folder, files)):
        print(*problems, MEND, sep="\n", file=sys.stderr)
        return 1
    print(f"{len(files)} generated files are up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
