"""An adapter whose package is not there, or in another version, says so in one sentence when it is imported."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Callable

import pytest

from mcptasks.contrib import _packages

ADAPTERS = {
    "airflow": "apache-airflow-core",
    "dask": "distributed",
    "fastmcp": "fastmcp-slim",
    "langgraph": "langgraph",
    "openai_agents": "openai-agents",
    "temporal": "temporalio",
}


def has(monkeypatch: pytest.MonkeyPatch, found: str | None) -> None:
    """Have every package installed in a version, or none."""

    def version(name: str) -> str:
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(_packages, "version", version)
    for adapter in ADAPTERS:  # Another test may have imported an adapter whose package is there.
        monkeypatch.delitem(sys.modules, f"mcptasks.contrib.{adapter}", raising=False)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("found", ["0.1.9", "99.0", "0"])
def test_another_version(monkeypatch: pytest.MonkeyPatch, adapter: str, found: str) -> None:
    """A version that the adapter was not tried with is refused before any work, with the versions that are right."""
    has(monkeypatch, found)
    with pytest.raises(ImportError, match=rf"{ADAPTERS[adapter]} \d.* or newer, below \d+; {found} is installed$"):
        importlib.import_module(f"mcptasks.contrib.{adapter}")


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_not_installed(monkeypatch: pytest.MonkeyPatch, adapter: str) -> None:
    """A package that is not there is named, with the command that installs it."""
    has(monkeypatch, None)
    with pytest.raises(ImportError, match=r'; pip install "mcptasks\[[a-z-]+\]" installs it$') as caught:
        importlib.import_module(f"mcptasks.contrib.{adapter}")
    assert caught.value.name == ADAPTERS[adapter]


@pytest.mark.parametrize(
    ("found", "fits"),
    [("0.24.0", True), ("0.24", True), ("0.99.1rc1", True), ("0.23.9", False), ("1.0", False), ("1.0a1", False)],
)
def test_bounds(monkeypatch: pytest.MonkeyPatch, found: str, fits: bool) -> None:
    """The lower bound is admitted, the upper one is not."""
    has(monkeypatch, found)

    def check() -> None:
        _packages.need("here", "package", least=(0, 24), below=1, extra="extra")

    call: Callable[[], None] = check
    if fits:
        call()
    else:
        with pytest.raises(ImportError, match="below 1; "):
            call()
