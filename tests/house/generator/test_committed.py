"""The committed facade is what the generator writes, and the check of that misses nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcptasks._tools.__main__ import main
from mcptasks._tools.check import differences, write
from mcptasks._tools.errors import GeneratorError
from mcptasks._tools.names import NAMES
from mcptasks._tools.render import render
from tests.helpers.generating import PACKAGE, ROOT, rendered, source


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """The rendered files."""
    return render()


@pytest.fixture
def folder(tmp_path: Path, files: dict[str, str]) -> Path:
    """A folder with exactly those files."""
    write(tmp_path / "_sync", files)
    return tmp_path / "_sync"


def test_committed_files_are_up_to_date(files: dict[str, str]) -> None:
    """`mcptasks/_sync/` holds what the generator writes, and nothing else."""
    assert not list(differences(PACKAGE / "_sync", files))


def test_files_name_their_source_and_the_command(files: dict[str, str]) -> None:
    """Each generated file begins with where it comes from, how, and that it is not for editing."""
    for name, text in files.items():
        first = text.splitlines()[0]
        origin = "mcptasks/_async" if name == "__init__.py" else f"mcptasks/_async/{name}"
        assert first.startswith(f"# Generated from {origin} by `nox -s generate`. Do not edit")


def test_written_files_pass(folder: Path, files: dict[str, str]) -> None:
    """What was written passes the check, and is not written again."""
    assert not list(differences(folder, files))
    assert write(folder, files) == []


def test_truncated_file_is_caught(folder: Path, files: dict[str, str]) -> None:
    """A file that ends too early is stale at the first line that is missing."""
    lines = files["task.py"].splitlines(keepends=True)
    (folder / "task.py").write_text("".join(lines[:-3]))
    assert list(differences(folder, files)) == [f"mcptasks/_sync/task.py: stale at line {len(lines) - 2}"]


def test_empty_file_is_caught(folder: Path, files: dict[str, str]) -> None:
    """An empty file is stale at its first line."""
    (folder / "task.py").write_text("")
    assert list(differences(folder, files)) == ["mcptasks/_sync/task.py: stale at line 1"]


def test_missing_line_end_is_caught(folder: Path, files: dict[str, str]) -> None:
    """The text is compared to its last character."""
    (folder / "task.py").write_text(files["task.py"][:-1])
    lines = len(files["task.py"].splitlines())
    assert list(differences(folder, files)) == [f"mcptasks/_sync/task.py: stale at line {lines}"]


def test_other_line_ends_are_caught(folder: Path, files: dict[str, str]) -> None:
    """The files are compared as bytes: other line ends are a difference."""
    (folder / "task.py").write_bytes(files["task.py"].replace("\n", "\r\n").encode())
    assert list(differences(folder, files)) == ["mcptasks/_sync/task.py: stale at line 1"]


def test_appended_file_is_caught(folder: Path, files: dict[str, str]) -> None:
    """A file with something after its end is stale at the first line too many."""
    with (folder / "client.py").open("a") as file:
        file.write("\n")
    lines = len(files["client.py"].splitlines())
    assert list(differences(folder, files)) == [f"mcptasks/_sync/client.py: stale at line {lines + 1}"]


def test_edited_file_is_caught(folder: Path, files: dict[str, str]) -> None:
    """A changed line is named by its number."""
    lines = files["calls.py"].splitlines(keepends=True)
    lines[19] = f"{lines[19].rstrip()}  # edited\n"
    (folder / "calls.py").write_text("".join(lines))
    assert list(differences(folder, files)) == ["mcptasks/_sync/calls.py: stale at line 20"]


def test_missing_file_is_caught(folder: Path, files: dict[str, str]) -> None:
    """A file that is not there is named."""
    (folder / "calls.py").unlink()
    assert list(differences(folder, files)) == ["mcptasks/_sync/calls.py: missing"]


def test_missing_folder_is_caught(tmp_path: Path, files: dict[str, str]) -> None:
    """Without the folder, every file is missing."""
    assert len(list(differences(tmp_path / "_sync", files))) == len(files)


@pytest.mark.parametrize("name", ["tasks.py", "py.typed", ".hidden", "deeper/client.py", "task.pyc"])
def test_orphan_is_caught(folder: Path, files: dict[str, str], name: str) -> None:
    """A file that nothing generates is named, whatever its kind and depth."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).touch()
    assert list(differences(folder, files)) == [f"mcptasks/_sync/{name}: orphan, which nothing generates"]


def test_broken_link_is_an_orphan(folder: Path, files: dict[str, str]) -> None:
    """A link that leads nowhere counts as a file."""
    (folder / "old.py").symlink_to(folder / "nowhere")
    assert len(list(differences(folder, files))) == 1


def test_compiled_files_are_no_orphans(folder: Path, files: dict[str, str]) -> None:
    """What Python leaves behind does not count."""
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "task.cpython-311.pyc").touch()
    assert not list(differences(folder, files))


def test_all_differences_are_named(folder: Path, files: dict[str, str]) -> None:
    """One run names everything that is wrong."""
    (folder / "calls.py").unlink()
    (folder / "task.py").write_text("")
    (folder / "old.py").touch()
    assert len(list(differences(folder, files))) == 3


UNUSED: list[tuple[str, Any]] = [
    ("bases", {**NAMES.bases, "Server": "ClientFacade"}),
    ("returns", {**NAMES.returns, "AsyncGenerator": "Generator"}),
    ("dunders", {**NAMES.dunders, "__aiter__": "__iter__"}),
    ("by_hand", {**NAMES.by_hand, "Client.launch": "no such method"}),
    ("dropped", {**NAMES.dropped, "Client.__await__": "no such method"}),
    ("background", NAMES.background | {"Task.result.callback"}),
    ("waiting", NAMES.waiting | {"Client.__init__.nobody"}),
    ("answers", NAMES.answers | {"Task.on_status_change"}),  # which does not wait
    ("pulled", NAMES.pulled | {"Maps.map.name_of_nothing"}),
    ("tasks", NAMES.tasks | {"Maps.map.name_of_nothing"}),
    ("inline", NAMES.inline | {"Maps.map.name_of_nothing"}),
    ("phrases", {**NAMES.phrases, "words that nobody wrote": ""}),
    ("kept", NAMES.kept | {"an event loop of their own"}),
]


@pytest.mark.parametrize(("table", "value"), UNUSED, ids=[table for table, _ in UNUSED])
def test_unused_entry_is_caught(table: str, value: Any) -> None:
    """An entry of the map that nothing uses is an error that names it, in every table."""
    (entry,) = set(value) - set(getattr(NAMES, table))
    with pytest.raises(GeneratorError) as caught:
        rendered({}, replace(NAMES, **{table: value}))
    (problem,) = caught.value.problems
    assert f"nothing uses {entry!r} in {table!r}" in problem


def test_every_table_is_tested_for_unused_entries() -> None:
    """The cases above cover the map; a module that is not there is another error."""
    assert {table for table, _ in UNUSED} == set(NAMES.__dataclass_fields__) - {"modules"}


def test_unknown_module_is_caught() -> None:
    """A module in the map that does not exist is an error that names it."""
    with pytest.raises(GeneratorError, match=r"no module mcptasks\._async\.crowds"):
        rendered({}, replace(NAMES, modules=(*NAMES.modules, "crowds")))


def test_module_without_classes_is_unused() -> None:
    """A module in the map that has nothing to translate is an unused entry."""
    with pytest.raises(GeneratorError, match="nothing uses 'tools' in 'modules'"):
        rendered({"tools": '"""Nothing."""\n'}, replace(NAMES, modules=(*NAMES.modules, "tools")))


@pytest.mark.parametrize("seed", ["0", "1"])
def test_check_runs_on_a_bare_python(seed: str) -> None:
    """The command needs no installed package, and what it renders does not depend on the order in sets."""
    run = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-m", "mcptasks._tools", "--check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package's folder, as far as the generator reads it."""
    shutil.copytree(PACKAGE, tmp_path / "mcptasks", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "mcptasks"


def test_command_says_what_differs_and_how_to_mend(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` exits with 1, names the file and the command, and writes nothing; the command then mends it."""
    (package / "_sync" / "task.py").unlink()
    assert main(["--check"], package) == 1
    said = capsys.readouterr().err
    assert "mcptasks/_sync/task.py: missing" in said
    assert "nox -s generate" in said
    assert not (package / "_sync" / "task.py").exists()
    assert main([], package) == 0
    assert capsys.readouterr().out.startswith("wrote mcptasks/_sync/task.py\n")
    assert main(["--check"], package) == 0


def test_command_leaves_orphans_alone(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Writing deletes nothing: it names the orphan and fails, so that somebody looks."""
    (package / "_sync" / "old.py").write_text("work = 1")
    assert main([], package) == 1
    assert "mcptasks/_sync/old.py: orphan" in capsys.readouterr().err
    assert (package / "_sync" / "old.py").read_text() == "work = 1"


def test_command_says_what_cannot_be_translated(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A method that the generator cannot translate fails the command in either mode, and nothing is written."""
    before = (package / "_sync" / "task.py").read_text()
    changed = source("task").replace("async def status(self) -> TaskStatus", "async def status(self) -> Awaitable[int]")
    (package / "_async" / "task.py").write_text(changed)
    assert (main([], package), main(["--check"], package)) == (1, 1)
    assert "Task.status: the generator cannot translate" in capsys.readouterr().err
    assert (package / "_sync" / "task.py").read_text() == before
