"""The adapters with the real frameworks, pinned, in an environment of their own.

`nox -s frameworks` runs this file by its path: a plain `pytest` does not make the environment.
`$MCPTASKS_TEST_FRAMEWORKS` may name an environment that exists already, which is then used as it is.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.interop.environments import cached_environment, given_environment

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FRAMEWORKS = ("fastmcp", "openai_agents", "pydantic_ai", "langchain", "llama_index", "agent_framework")
REQUIREMENTS = (
    *("fastmcp-slim[client]==4.2.3", "openai-agents==0.24.0", "pydantic-ai-slim[mcp]==2.68.0"),
    *("langchain==1.5.2", "langgraph==1.2.24", "langgraph-checkpoint-sqlite==3.1.2"),
    *("llama-index-tools-mcp==0.6.0", "llama-index-core==0.14.25"),
    *("agent-framework-core==1.23.0", "tenacity>=9.1.4,<9.2"),
    # What `mcptasks` needs, and pytest.
    *("mcp==2.3.0", "httpx2==2.16.2", "anyio==4.16.0", "attrs>=23.2", "pytest==9.2.0"),
)
"""What goes into the environment: the newest versions that install together. Frameworks that no longer do need an
environment each."""
LIMIT = 1800.0
"""Seconds that the tests of one framework take at most; then something hangs."""


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_framework(framework: str) -> None:
    """The framework's tests pass with the framework itself, and the examples of its page run."""
    python = given_environment("FRAMEWORKS") or cached_environment(REQUIREMENTS)
    options = ["-c", str(HERE / "pytest.ini"), "--rootdir", str(HERE), str(HERE / f"in_{framework}.py")]
    done = subprocess.run(
        [python, "-m", "pytest", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    assert "skipped" not in done.stdout.splitlines()[-1], "an example of the page was not found"
