"""What is to be said of a run beside its numbers: the day, the machine, the versions."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

from tests.interop.environments import REQUIREMENTS


def circumstances(quick: bool) -> str:
    """One paragraph."""
    peers = " and ".join(REQUIREMENTS[generation][0].replace("[tasks]==", " ") for generation in (4, 3))
    words = (
        f"Measured on {time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores of {_processor()}, {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}, mcp {version('mcp')}; peers: {peers}; "
        f"mcptasks {version('mcptasks')}."
    )
    return f"{words} **A quick try: these numbers mean nothing.**" if quick else words


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
