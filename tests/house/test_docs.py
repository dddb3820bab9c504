"""The README and docs/ are true: every Python example runs, every link leads somewhere, the commands work.

How an example is run (tests/helpers/examples.py does it):

- The address "https://example.com/mcp" stands for a fresh `mcptasks.testing.demo_server()`.
- `await` and `async with` may stand at the top level; such an example runs on asyncio and on trio.
- Seconds of work and sleep are shortened (`{"duration": 10}` and `anyio.sleep(2)` to a hundredth), timeouts are not.
- `<!-- given: client, task -->` before the fence hands these to the example: an open client, and a task of
  `slow_computation` that runs. `<!-- given: blocking client, task -->`: the same of `mcptasks.sync`.
- `<!-- raises: TaskTimeoutError -->`: the example ends with that error.
- `<!-- warns: TtlIgnoredWarning -->`: the example gives that warning. Other warnings are errors.
- `<!-- server: asking -->`: the address stands for another server, see `SERVERS`.
- `<!-- prints: computed for 10 s -->`: the example is a script. It is run word for word in a Python of its own, where
  warnings are errors, against a server that is quick about it, and prints these lines (with " | " between them).
- `<!-- stdin: yes -->`: a script too, with this line on its standard input.
- What has `if __name__ == "__main__"` is a script as well, and what has tests is given to pytest.
- `<!-- compile-only: reason -->`: the example is compiled and not run.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import types
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

import mcptasks
import mcptasks.sync
from mcptasks._async import calls, client, groups, task
from mcptasks._sync import calls as sync_calls
from mcptasks._sync import client as sync_client
from mcptasks._sync import groups as sync_groups
from mcptasks._sync import task as sync_task
from tests.helpers.documentation import IN_DOCSTRINGS, ON_PAGES, PAGES, PYTHON
from tests.helpers.examples import (
    ROOT,
    Example,
    Manner,
    compiled,
    examples_of,
    run_async,
    run_blocking,
    run_plain,
    run_script,
)


def expected_error(example: Example) -> Any:
    """The error class that an example announces."""
    builtin = {"RuntimeError": RuntimeError, "TypeError": TypeError, "ValueError": ValueError}
    return getattr(mcptasks, example.raises, None) or builtin[example.raises]


def expected_warning(example: Example) -> AbstractContextManager[object]:
    """What to run an example in: it gives the warning that it announces."""
    announced = example.marks.get("warns")
    return pytest.warns(getattr(mcptasks, announced)) if announced else nullcontext()


def those(*manners: Manner) -> list[Any]:
    """The examples that are run in one of these manners, as parameters."""
    return [pytest.param(example, id=example.where) for example in PYTHON if example.manner in manners]


@pytest.mark.anyio
@pytest.mark.parametrize("example", those("async"))
async def test_async_example(example: Example) -> None:
    """An example with `await` runs on asyncio and on trio, as it is printed."""
    with anyio.fail_after(120):
        if example.raises:
            with pytest.raises(expected_error(example)):
                await run_async(example)
        else:
            with expected_warning(example):
                await run_async(example)


@pytest.mark.parametrize("example", those("blocking"))
def test_blocking_example(example: Example) -> None:
    """An example for an open blocking client runs, as it is printed."""
    if example.raises:
        with pytest.raises(expected_error(example)):
            run_blocking(example)
    else:
        with expected_warning(example):
            run_blocking(example)


@pytest.mark.parametrize("example", those("plain"))
def test_plain_example(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example without `await` runs as a program."""
    module = types.ModuleType("example")
    # Classes and pickles look for the module that they were made in.
    monkeypatch.setitem(sys.modules, "example", module)
    with expected_warning(example):
        run_plain(example, module)


@pytest.mark.slow
@pytest.mark.parametrize("example", those("script", "pytest"))
def test_script(example: Example, tmp_path: Path) -> None:
    """A script runs in a Python of its own, prints what its page says and leaves no warning; tests pass."""
    printed = run_script(example, tmp_path)
    if "prints" in example.marks:
        assert printed.splitlines() == example.marks["prints"].split(" | ")


@pytest.mark.slow
def test_readme_begins_with_a_program(tmp_path: Path) -> None:
    """The first Python block of the README is a program: pasted into a file it runs, without a server or an option."""
    example = next(found for found in PYTHON if found.page == "README.md")
    script = tmp_path / "first.py"
    script.write_text(example.source)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "computed for 3 s"
    assert "working step 5 of 5" in done.stdout


@pytest.mark.slow
@pytest.mark.interpreter
def test_readme_script(tmp_path: Path) -> None:
    """The blocking example of the README is a program as it stands there."""
    example = next(found for found in PYTHON if found.page == "README.md" and "mcptasks.sync" in found.source)
    assert "async" not in example.source
    assert run_script(example, tmp_path) == "computed for 10 s\n"


@pytest.mark.parametrize("example", those("compiled"))
def test_compiled_example(example: Example) -> None:
    """An example that cannot run here compiles, and its page says why in a comment."""
    compiled(example)


def test_there_are_examples() -> None:
    """The harness sees the pages: the README shows the first look, and each page of docs/ has an example."""
    pages = {example.page for example in PYTHON}
    assert "README.md" in pages
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")} - pages <= {
        "docs/architecture.md",
        "docs/index.md",
        "docs/protocols.md",
        "docs/reference/async.md",
        "docs/reference/blocking.md",
        "docs/reference/cli.md",
        "docs/reference/remote.md",
        "docs/reference/store.md",
        "docs/reference/testing.md",
        "docs/security.md",
        "docs/shell.md",
        "docs/troubleshooting.md",
    }


def test_docstrings_of_both_worlds() -> None:
    """Each example in a docstring of the async classes has its counterpart in the blocking ones, and both are run."""
    assert len(IN_DOCSTRINGS["async"]) == len(IN_DOCSTRINGS["blocking"])
    assert all(example in PYTHON and example.manner == "async" for example in IN_DOCSTRINGS["async"])
    assert all(example in PYTHON and example.manner == "plain" for example in IN_DOCSTRINGS["blocking"])
    for module in (calls, client, groups, task, sync_calls, sync_client, sync_groups, sync_task):
        assert ">>>" not in inspect.getsource(module)  # examples are fenced, so that they are found


def words_in_code(page: str) -> set[str]:
    """Every word that a page shows as code."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return set(re.findall(r"\w+", " ".join(re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL))))


def members_of(owner: type) -> set[str]:
    """The public methods and properties of a class."""
    return {name for name in dir(owner) if not name.startswith("_")}


def names_of_client(owner: type) -> set[str]:
    """Those of a client, and the options that it is made with."""
    return members_of(owner) | {name for name in inspect.signature(owner).parameters if name != "target"}


def test_pages_leave_nothing_out() -> None:
    """Each option and method of `Client`, each member of `Task`, each error and each part of a policy is described,
    and on the page about blocking code what only the blocking ones have."""
    assert names_of_client(mcptasks.Client) <= words_in_code("client.md")
    assert members_of(mcptasks.Task) <= words_in_code("tasks.md")
    for function in (mcptasks.gather, mcptasks.as_completed, mcptasks.wait, mcptasks.Client.map):
        options = {name for name in inspect.signature(function).parameters if name not in ("self", "name")}
        assert {function.__name__, *options} <= words_in_code("groups.md")
    blocking = {*names_of_client(mcptasks.sync.Client), *members_of(mcptasks.sync.Task)}
    only_blocking = blocking - names_of_client(mcptasks.Client) - members_of(mcptasks.Task)
    assert only_blocking == {"backend", "future", "run"}
    assert only_blocking | {"open", "close"} <= words_in_code("blocking.md")
    assert {name for name in mcptasks.__all__ if name.endswith("Error")} <= words_in_code("errors.md")
    page = (ROOT / "docs" / "connection.md").read_text(encoding="utf-8")
    for field in attrs.fields(mcptasks.PollingPolicy):
        assert re.search(rf"^\| `{field.name}` \| `?{re.escape(str(field.default))}`? \|", page, re.MULTILINE), (
            field.name
        )


def anchors_of(text: str) -> set[str]:
    """The anchors that a page's headings get where the pages are shown."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [pytest.param(path, id=path.name) for path in PAGES])
def test_links(page: Path) -> None:
    """Every link to another file or heading of the project leads there."""
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file(), target
        if anchor:
            assert anchor in anchors_of(file.read_text(encoding="utf-8")), target


def shell_lines(path: Path) -> list[str]:
    """The commands of a page's shell examples."""
    return [
        line
        for example in ON_PAGES
        if example.page == path.relative_to(ROOT).as_posix() and example.language == "bash"
        for line in example.source.splitlines()
        if line and not line.startswith("#")
    ]


def test_two_commands() -> None:
    """The README has one command for the demo and one for the tests, and CI calls the latter, word for word."""
    commands = shell_lines(ROOT / "README.md")[:2]
    assert commands[0].endswith("python -m mcptasks demo")
    assert commands[1].endswith("nox")
    assert commands[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_demo_runs(tmp_path: Path) -> None:
    """`python -m mcptasks demo` starts a tool in the background, shows its progress and its result."""
    # From another folder and with no way to answer: it must need neither the project's files nor a person.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "mcptasks", "demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) >= 3


def test_examples_are_found_with_their_marks() -> None:
    """The harness reads fences and the marks before them, and forgets a mark that something stands after."""
    text = "<!-- given: client -->\n\n```python\npass\n```\n<!-- compile-only: why -->\nwords\n```python\n1\n```\n"
    first, second = examples_of("page.md", text)
    assert (first.given, first.line, first.source) == (frozenset({"client"}), 3, "pass\n")
    assert (second.marks, second.source) == ({}, "1\n")


@pytest.mark.parametrize(
    "text",
    [
        "<!-- compile-only: -->\n```python\n```\n",
        "```python\nnever closed",
        "<!-- given: server -->\n```python\n```\n",
        "<!-- server: unknown -->\n```python\n```\n",
    ],
)
def test_bad_marks_are_caught(text: str) -> None:
    """A mark without a reason, an open fence, an unknown given name and an unknown server are errors of the page."""
    with pytest.raises(ValueError, match=r"page\.md:"):
        list(examples_of("page.md", text))


@pytest.mark.anyio
async def test_a_wrong_example_is_caught() -> None:
    """An example that fails makes its test fail."""
    example = Example(page="page.md", line=1, language="python", source="await client.no_such_method()\n")
    with pytest.raises(NameError):
        await run_async(example)


@pytest.mark.parametrize(
    "source", ["import warnings; warnings.warn('x')", "import sys; sys.stderr.write('x')", "1 / 0"]
)
def test_a_wrong_script_is_caught(source: str, tmp_path: Path) -> None:
    """A script that fails, warns or complains makes its test fail."""
    example = Example(page="page.md", line=1, language="python", source=source, marks={"prints": ""})
    with pytest.raises(AssertionError):
        run_script(example, tmp_path)
