"""Makes and caches the virtual environments in which the real servers of the interop tests run.

One environment per generation of fastmcp, in `$MCPTASKS_TEST_CACHE` or `~/.cache/mcptasks-tests`, named after the
Python version and a hash of the requirements, so a change of either makes a new one. An environment is built beside its
place and renamed into it when it is complete: a half-made one is never used, whoever dies in between. Only making one
needs the package index.

`$MCPTASKS_TEST_FASTMCP2` (or `3`, `4`) may name an environment that exists already, which is then used as it is.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

REQUIREMENTS: dict[int, tuple[str, ...]] = {
    2: ("fastmcp==2.14.7",),
    # The newest 3.4 asks for a certifi that not every index has.
    3: ("fastmcp[tasks]==3.4.4",),
    4: ("fastmcp[tasks]==4.1.2", "attrs"),
}
"""What goes into the environment of each generation; the fourth also holds what `mcptasks` needs to run in process."""

_LONGEST_BUILD = 900.0


class EnvironmentBuildError(RuntimeError):
    """An environment could not be made; the message ends with what the installer said."""


def server_python(generation: int) -> Path:
    """The Python interpreter of the environment of one generation; makes the environment when there is none yet."""
    return given_environment(f"FASTMCP{generation}") or cached_environment(REQUIREMENTS[generation])


def given_environment(name: str) -> Path | None:
    """The interpreter of the environment that `$MCPTASKS_TEST_` and this name gives; None if it is not set."""
    given = os.environ.get(f"MCPTASKS_TEST_{name}")
    return _interpreter(Path(given)) if given else None


def cached_environment(requirements: tuple[str, ...]) -> Path:
    """The interpreter of a cached environment with exactly these requirements, made now if need be."""
    place = _cache() / _key(requirements)
    if not _interpreter(place).exists():
        with _only_builder(place):
            # Someone else may have finished it while this process waited for its turn.
            if not _interpreter(place).exists():
                _build(place, requirements)
    return _interpreter(place)


def _cache() -> Path:
    given = os.environ.get("MCPTASKS_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "mcptasks-tests"


def _key(requirements: tuple[str, ...]) -> str:
    name = re.sub(r"[^A-Za-z0-9.]+", "-", requirements[0])
    wanted = "\n".join((sys.implementation.cache_tag or "", sys.version, *requirements))
    return f"{name}-{sys.implementation.cache_tag}-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}"


def _interpreter(place: Path) -> Path:
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _build(place: Path, requirements: tuple[str, ...]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{place.name}.draft-", dir=place.parent))
    try:
        _install(draft, requirements)
        # Only `bin/python` of the result is used: it finds its packages from where it is, so the move does no harm.
        try:
            draft.rename(place)
        except OSError:
            # Another process was faster, and its environment is as good; anything else shows below.
            if not _interpreter(place).exists():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _install(draft: Path, requirements: tuple[str, ...]) -> None:
    uv = shutil.which("uv")
    if uv is not None:
        # uv does not read pip's configuration, so on a machine whose index is set there only pip finds packages.
        with contextlib.suppress(EnvironmentBuildError):
            _run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(draft)])
            _run([uv, "pip", "install", "--quiet", "--python", str(_interpreter(draft)), *requirements])
            return
    _run([sys.executable, "-m", "venv", "--clear", str(draft)])
    _run([str(_interpreter(draft)), "-m", "pip", "install", "--quiet", *requirements])


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LONGEST_BUILD, check=False
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentBuildError(f"{' '.join(command)} took longer than {_LONGEST_BUILD:.0f} s") from None
    if done.returncode != 0:
        raise EnvironmentBuildError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")


@contextlib.contextmanager
def _only_builder(place: Path) -> Generator[None]:
    """Hold the right to build at `place`. It saves work only: without it two builders would still do no harm."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = place.with_name(f"{place.name}.lock")
    deadline = time.monotonic() + _LONGEST_BUILD
    while True:
        try:
            lock.mkdir()
        except FileExistsError:
            if _abandoned(lock) or time.monotonic() > deadline:
                _remove_lock(lock)
            else:
                time.sleep(0.2)
        else:
            break
    try:
        (lock / "owner").write_text(str(os.getpid()))
        yield
    finally:
        _remove_lock(lock)


def _abandoned(lock: Path) -> bool:
    """Whether the process that holds the lock is gone; one that has not yet written its id gets ten seconds."""
    try:
        owner = int((lock / "owner").read_text())
        os.kill(owner, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    except (FileNotFoundError, ValueError):
        try:
            return time.time() - lock.stat().st_mtime > 10
        except FileNotFoundError:
            return False
    return False


def _remove_lock(lock: Path) -> None:
    # Renamed first: of two processes that both find a lock abandoned, only one succeeds, and neither removes a new one.
    grave = Path(tempfile.mkdtemp(prefix=f"{lock.name}.gone-", dir=lock.parent))
    with contextlib.suppress(FileNotFoundError):
        lock.rename(grave / "lock")
    shutil.rmtree(grave, ignore_errors=True)
