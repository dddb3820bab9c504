"""The cache of environments: built once, used only when complete, whoever else builds or dies at the same time."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.interop import environments
from tests.interop.environments import EnvironmentBuildError, cached_environment

WANTED = ("example==1.0",)


class _Builds:
    """Stands in for the installer: makes an interpreter file, and can be held up or made to fail."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None
        self.may_finish = threading.Event()
        self.may_finish.set()
        self.begun = threading.Event()

    def __call__(self, draft: Path, requirements: tuple[str, ...]) -> None:
        self.count += 1
        (draft / "bin").mkdir()
        self.begun.set()
        assert self.may_finish.wait(60)
        if self.error is not None:
            raise self.error
        (draft / "bin" / "python").write_text(" ".join(requirements))


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> _Builds:
    """An installer that installs nothing, and a cache of the test's own."""
    fake = _Builds()
    monkeypatch.setattr(environments, "_install", fake)
    monkeypatch.setenv("MCPTASKS_TEST_CACHE", str(tmp_path / "cache"))
    return fake


def _leftovers(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "cache").iterdir() if ".draft-" in path.name or ".lock" in path.name]


def test_built_once(builds: _Builds, tmp_path: Path) -> None:
    """The second use takes what the first one built; other requirements get another environment."""
    first = cached_environment(WANTED)
    assert cached_environment(WANTED) == first
    assert builds.count == 1
    assert cached_environment(("example==2.0",)) != first
    assert builds.count == 2
    assert _leftovers(tmp_path) == []


def test_two_at_once_build_one(builds: _Builds, tmp_path: Path) -> None:
    """Who comes while another one builds waits for it and uses the same environment."""
    builds.may_finish.clear()
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(cached_environment(WANTED))) for _ in range(2)]
    threads[0].start()
    assert builds.begun.wait(60)
    threads[1].start()
    builds.may_finish.set()
    for thread in threads:
        thread.join(60)
    assert len(found) == 2
    assert found[0] == found[1]
    assert builds.count == 1
    assert _leftovers(tmp_path) == []


def test_failed_build_leaves_nothing(builds: _Builds, tmp_path: Path) -> None:
    """After a failure nothing half-made is found, and the next attempt starts afresh."""
    builds.error = EnvironmentBuildError("no such package")
    with pytest.raises(EnvironmentBuildError, match="no such package"):
        cached_environment(WANTED)
    assert list((tmp_path / "cache").iterdir()) == []
    builds.error = None
    assert cached_environment(WANTED).exists()


def test_lock_of_a_dead_process_is_taken_over(builds: _Builds, tmp_path: Path) -> None:
    """A builder that was killed does not stop those after it."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    place = cached_environment(WANTED).parent.parent
    place.rename(tmp_path / "away")
    lock = place.with_name(f"{place.name}.lock")
    lock.mkdir()
    (lock / "owner").write_text(str(dead.pid))
    assert cached_environment(WANTED).exists()
    assert _leftovers(tmp_path) == []


def test_lock_of_a_living_process_is_respected(builds: _Builds, tmp_path: Path) -> None:
    """As long as the builder lives nobody else builds."""
    place = cached_environment(WANTED).parent.parent
    place.rename(tmp_path / "away")
    lock = place.with_name(f"{place.name}.lock")
    lock.mkdir()
    (lock / "owner").write_text(str(os.getpid()))
    waiting = threading.Thread(target=lambda: cached_environment(WANTED))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    assert builds.count == 1
    (tmp_path / "away").rename(place)
    environments._remove_lock(lock)
    waiting.join(60)
    assert not waiting.is_alive()
    assert builds.count == 1
