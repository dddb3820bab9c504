"""The README and docs/ are true: every Python example runs, every link leads somewhere, the commands work.

How an example is run:

- The address "https://example.com/mcp" stands for a fresh `mcptasks.testing.demo_server()`.
- `await` and `async with` may stand at the top level; such an example runs on asyncio and on trio.
- Seconds of work and sleep are shortened (`{"duration": 10}` and `anyio.sleep(2)` to a hundredth), timeouts are not.
- `<!-- given: client, task -->` before the fence hands these to the example: an open client, and a task of
  `slow_computation` that runs.
- `<!-- raises: TaskTimeoutError -->`: the example ends with that error.
- `<!-- compile-only: reason -->`: the example is compiled and not run.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

import mcptasks
from mcptasks import testing

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
ADDRESS = "https://example.com/mcp"
SERVER_NAME = "_demo_server"
SHORTER = 100
MARK = re.compile(r"<!--\s*(given|raises|compile-only):\s*(.*?)\s*-->")
GIVEN = {"client", "task"}


@attrs.frozen(kw_only=True)
class Example:
    """One fenced block of a page."""

    page: str
    """The page's path, from the root of the project."""
    line: int
    """The line of the opening fence."""
    language: str
    """What stands after the fence."""
    source: str
    """The text between the fences."""
    given: frozenset[str] = frozenset()
    """The names that the example may use without making them."""
    raises: str = ""
    """The error that the example ends with."""
    compile_only: str = ""
    """Why the example is not run."""

    @property
    def where(self) -> str:
        """The page and line, for a test's id and for tracebacks."""
        return f"{self.page}:{self.line}"


def examples_of(page: str, text: str) -> Iterator[Example]:
    """The fenced blocks of a page, each with the marks that stand directly before it."""
    marks: dict[str, str] = {}
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        fence = re.match(r"(\s*)(```+)\s*(\S*)", line)
        if fence is None:
            if found := MARK.fullmatch(line.strip()):
                if not found[2]:
                    raise ValueError(f"{page}:{number}: {found[1]} needs a value")
                marks[found[1]] = found[2]
            elif line.strip():
                marks = {}
            continue
        body: list[str] = []
        for _, inner in lines:
            if inner.strip() == fence[2]:
                break
            body.append(inner.removeprefix(fence[1]))
        else:
            raise ValueError(f"{page}:{number}: the fence is never closed")
        given = frozenset(re.findall(r"\w+", marks.get("given", "")))
        if not given <= GIVEN:
            raise ValueError(f"{page}:{number}: only {sorted(GIVEN)} can be given, not {sorted(given - GIVEN)}")
        yield Example(
            page=page,
            line=number,
            language=fence[3],
            source="\n".join(body) + "\n",
            given=given,
            raises=marks.get("raises", ""),
            compile_only=marks.get("compile-only", ""),
        )
        marks = {}


EXAMPLES = [
    example
    for path in PAGES
    for example in examples_of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
]
PYTHON = [example for example in EXAMPLES if example.language == "python"]


class Adapter(ast.NodeTransformer):
    """Points an example at the demo server and shortens its work and its sleeps."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """The address becomes the server object."""
        return ast.Name(SERVER_NAME, ast.Load()) if node.value == ADDRESS else node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        """`{"duration": 10}` lasts a tenth of a second."""
        for index, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            if isinstance(key, ast.Constant) and key.value == "duration":
                node.values[index] = shortened(value)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`anyio.sleep(2)` sleeps for twenty milliseconds."""
        if ast.unparse(node.func) == "anyio.sleep":
            node.args = [shortened(value) for value in node.args]
        return self.generic_visit(node)


def shortened(value: ast.expr) -> ast.expr:
    """A number of seconds as an expression, made smaller."""
    return ast.BinOp(value, ast.Div(), ast.Constant(SHORTER))


def compiled(example: Example) -> types.CodeType:
    """The example as code that may contain `await` at its top level."""
    tree = Adapter().visit(ast.parse("\n" * example.line + example.source, example.where))
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(ast.fix_missing_locations(tree), example.where, "exec", flags=flags, dont_inherit=True)
    assert isinstance(code, types.CodeType)
    return code


def is_async(example: Example) -> bool:
    """Whether an example needs an event loop that runs already."""
    return bool(compiled(example).co_flags & inspect.CO_COROUTINE or example.given)


def namespace(example: Example) -> dict[str, Any]:
    """The fresh module namespace that an example runs in."""
    return {"__name__": "example", "__file__": example.where, SERVER_NAME: testing.demo_server()}


def run(example: Example, names: dict[str, Any]) -> Any:
    """Start an example; whoever has top-level `await` gets a coroutine back."""
    return eval(compiled(example), names)  # the project's own documentation


async def run_async(example: Example) -> None:
    """Run an example to its end, with what it is given."""
    names = namespace(example)
    async with AsyncExitStack() as stack:
        if example.given:
            client = await stack.enter_async_context(mcptasks.Client(testing.demo_server()))
            names["client"] = client
        if "task" in example.given:
            names["task"] = await names["client"].call_tool("slow_computation", {"duration": 0.1}, task=True)
        running = run(example, names)
        if running is not None:
            await running


def expected_error(example: Example) -> Any:
    """The error class that an example announces."""
    return getattr(mcptasks, example.raises, None) or {"TypeError": TypeError, "ValueError": ValueError}[example.raises]


RUNNABLE = [example for example in PYTHON if not example.compile_only]
ASYNC = [pytest.param(example, id=example.where) for example in RUNNABLE if is_async(example)]
SYNC = [pytest.param(example, id=example.where) for example in RUNNABLE if not is_async(example)]


@pytest.mark.anyio
@pytest.mark.parametrize("example", ASYNC)
async def test_async_example(example: Example) -> None:
    """An example with `await` runs on asyncio and on trio, as it is printed."""
    with anyio.fail_after(30):
        if example.raises:
            with pytest.raises(expected_error(example)):
                await run_async(example)
        else:
            await run_async(example)


@pytest.mark.parametrize("example", SYNC)
def test_plain_example(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example without `await` runs as a program."""
    names = namespace(example)
    module = types.ModuleType("example")
    vars(module).update(names)
    # Classes and pickles look for the module that they were made in.
    monkeypatch.setitem(sys.modules, "example", module)
    run(example, vars(module))


@pytest.mark.parametrize("example", [pytest.param(e, id=e.where) for e in PYTHON if e.compile_only])
def test_compiled_example(example: Example) -> None:
    """An example that cannot run here compiles, and its page says why in a comment."""
    compiled(example)


def test_there_are_examples() -> None:
    """The harness sees the pages: the README shows the first look, and each page of docs/ has an example."""
    pages = {example.page for example in PYTHON}
    assert "README.md" in pages
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")} - pages <= {
        "docs/index.md",
        "docs/protocols.md",
    }


def words_in_code(page: str) -> set[str]:
    """Every word that a page shows as code."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return set(re.findall(r"\w+", " ".join(re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL))))


def members_of(owner: type) -> set[str]:
    """The public methods and properties of a class."""
    return {name for name in dir(owner) if not name.startswith("_")}


def test_pages_leave_nothing_out() -> None:
    """Each option and method of `Client`, each member of `Task`, each error and each part of a policy is described."""
    options = {name for name in inspect.signature(mcptasks.Client).parameters if name != "target"}
    assert options | members_of(mcptasks.Client) <= words_in_code("client.md")
    assert members_of(mcptasks.Task) <= words_in_code("tasks.md")
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
        for example in EXAMPLES
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
        timeout=60,
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
    assert (second.compile_only, second.source) == ("", "1\n")


@pytest.mark.parametrize(
    "text",
    ["<!-- compile-only: -->\n```python\n```\n", "```python\nnever closed", "<!-- given: server -->\n```python\n```\n"],
)
def test_bad_marks_are_caught(text: str) -> None:
    """A mark without a reason, an open fence and an unknown given name are errors of the page."""
    with pytest.raises(ValueError, match=r"page\.md:"):
        list(examples_of("page.md", text))


@pytest.mark.anyio
async def test_a_wrong_example_is_caught() -> None:
    """An example that fails makes its test fail."""
    example = Example(page="page.md", line=1, language="python", source="await client.no_such_method()\n")
    with pytest.raises(NameError):
        await run_async(example)
