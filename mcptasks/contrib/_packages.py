"""Checks, before any work starts, that an adapter works with the installed package."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version


def need(adapter: str, *names: str, least: tuple[int, int], below: int, extra: str) -> None:
    """Check that a package is installed in a version that the adapter works with.

    Args:
        adapter: The adapter's module.
        names: The package's names in the index; the first one that is installed counts.
        least: The lowest version, as major and minor number.
        below: The first major version with which the adapter was not tried.
        extra: The extra of `mcptasks` that installs the package.

    Raises:
        ImportError: The package is not installed, or in another version. The message says how to install it.
    """
    wanted = f"{adapter} needs {names[0]} {least[0]}.{least[1]} or newer, below {below}"
    for name in names:
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:2])
        if not least <= numbers < (below, 0):
            raise ImportError(f"{wanted}; {found} is installed", name=name)
        return
    raise ImportError(f'{wanted}; pip install "mcptasks[{extra}]" installs it', name=names[0])
