"""Finds the examples of the documentation with their marks, points them at a test server, and runs them.

`tests/house/test_docs.py` has the tests, and says which marks there are.
"""

from __future__ import annotations

import ast
import inspect
import logging
import os
import re
import subprocess
import sys
import types
from collections.abc import Generator, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import attrs

import mcptasks
import mcptasks.sync
from mcptasks import testing
from mcptasks.testing import Options, TaskServer, ToolContext

ROOT = Path(__file__).parent.parent.parent
ADDRESS = "https://example.com/mcp"
SERVER_NAME = "_demo_server"
SHORTER = 100
"""By what factor durations and sleeps of examples are shortened."""
SECONDS = 180
"""Seconds that a script may take; after that its test fails."""
MARK = re.compile(r"<!--\s*(given|raises|warns|compile-only|server|stdin|prints):\s*(.*?)\s*-->")
GIVEN = {"blocking", "client", "task"}

Manner = Literal["compiled", "async", "blocking", "plain", "script", "pytest"]


@attrs.frozen(kw_only=True)
class Example:
    """One fenced block of a page or of a docstring."""

    page: str
    """The page's path, from the root of the project."""
    line: int
    """The line of the opening fence."""
    language: str
    """The word after the opening fence."""
    source: str
    """The text between the fences."""
    given: frozenset[str] = frozenset()
    """The names that the example may use without making them; "blocking" for those of `mcptasks.sync`."""
    marks: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """The marks directly before the example."""

    @property
    def where(self) -> str:
        """The page and line, for a test's id and for tracebacks."""
        return f"{self.page}:{self.line}"

    @property
    def raises(self) -> str:
        """The name of the error with which the example ends; empty if it ends without one."""
        return self.marks.get("raises", "")

    @property
    def manner(self) -> Manner:
        """How to run the example."""
        if "compile-only" in self.marks:
            return "compiled"
        if {"stdin", "prints"} & self.marks.keys() or '__name__ == "__main__"' in self.source:
            return "script"
        if re.search(r"^def test_", self.source, re.MULTILINE):
            return "pytest"
        if "blocking" in self.given:
            return "blocking"
        return "async" if self.given or compiled(self).co_flags & inspect.CO_COROUTINE else "plain"


# --- finding them -------------------------------------------------------------------------------------------------


def examples_of(page: str, text: str) -> Iterator[Example]:
    """The fenced blocks of a text, each with the marks that stand directly before it."""
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
        if marks.get("server", "demo") not in SERVERS:
            raise ValueError(f"{page}:{number}: the servers are {sorted(SERVERS)}, not {marks['server']}")
        yield Example(
            page=page, line=number, language=fence[3], source="\n".join(body) + "\n", given=given, marks=marks
        )
        marks = {}


def docstring_examples(module: types.ModuleType) -> Iterator[Example]:
    """The fenced blocks in the docstrings of a module's public classes and of their public members."""
    assert module.__file__ is not None
    page = Path(module.__file__).relative_to(ROOT).as_posix()
    tree = ast.parse((ROOT / page).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if (text := ast.get_docstring(node)) is not None:
            start = node.body[0].lineno - 1
            yield from (attrs.evolve(found, line=found.line + start) for found in examples_of(page, text))


# --- the servers that stand behind the address --------------------------------------------------------------------


def asking_server() -> TaskServer:
    """A server whose tool asks before it acts."""
    # Legacy, with pushed input, since in that protocol the server sends a task's question as a request.
    server = TaskServer(era="legacy", options=Options(input_mode="push"))

    @server.tool()
    async def delete_files(ctx: ToolContext, folder: str) -> str:
        """Delete the files of a folder, after asking."""
        answers = await ctx.ask({"sure": testing.elicit(f"Delete all files in {folder}?")})
        return "deleted" if answers["sure"].get("content") == {"value": "yes"} else "kept"

    return server


SERVERS = {"demo": testing.demo_server, "asking": asking_server}


def server_of(example: Example) -> TaskServer:
    """The server for an example."""
    return SERVERS[example.marks.get("server", "demo")]()


def hurried(server: TaskServer) -> TaskServer:
    """Replace a server's `slow_computation` by one that claims to take its whole duration, and takes a hundredth of it.

    For scripts, whose text is run unchanged.
    """

    @server.tool()
    async def slow_computation(ctx: ToolContext, duration: float = 5.0) -> str:
        """Compute something."""
        for step in range(1, 6):
            await ctx.status(f"step {step} of 5")
            await anyio.sleep(duration / 5 / SHORTER)
        return f"computed for {duration:g} s"

    return server


# --- running them -------------------------------------------------------------------------------------------------


class Adapter(ast.NodeTransformer):
    """Points an example at the server and shortens its work and its sleeps."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """The address becomes the server object, or its true address."""
        return ast.Name(SERVER_NAME, ast.Load()) if node.value == ADDRESS else node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        """`{"duration": 10}` lasts a tenth of a second."""
        for index, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            if isinstance(key, ast.Constant) and key.value == "duration":
                node.values[index] = shortened(value)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`anyio.sleep(2)` sleeps for twenty milliseconds."""
        if ast.unparse(node.func) in ("anyio.sleep", "time.sleep"):
            node.args = [shortened(value) for value in node.args]
        return self.generic_visit(node)


def shortened(value: ast.expr) -> ast.expr:
    """A number of seconds as an expression, made smaller."""
    return ast.BinOp(value, ast.Div(), ast.Constant(SHORTER))


def compiled(example: Example) -> types.CodeType:
    """Compile the example. It may contain `await` at its top level."""
    tree = Adapter().visit(ast.parse("\n" * example.line + example.source, example.where))
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(ast.fix_missing_locations(tree), example.where, "exec", flags=flags, dont_inherit=True)
    assert isinstance(code, types.CodeType)
    return code


def namespace(example: Example) -> dict[str, Any]:
    """A fresh module namespace for an example."""
    world = mcptasks.sync if example.page.startswith("mcptasks/_sync/") else mcptasks
    imported = {"Client": world.Client} if example.page.startswith("mcptasks/") else {}
    return {"__name__": "example", "__file__": example.where, SERVER_NAME: server_of(example), **imported}


def run(example: Example, names: dict[str, Any]) -> Any:
    """Start an example. If it has `await` at its top level, return a coroutine."""
    return eval(compiled(example), names)  # the project's own documentation


WORK: tuple[str, dict[str, Any]] = ("slow_computation", {"duration": 0.1})


@contextmanager
def loggers_kept() -> Generator[None]:
    """Undo at the end what an example does to the levels of the loggers, which all tests of a process share."""
    known = [name for name, logger in logging.root.manager.loggerDict.items() if isinstance(logger, logging.Logger)]
    loggers = [logging.getLogger(name) for name in (None, "mcptasks", "mcptasks.task", "httpx2", *known)]
    levels = [logger.level for logger in loggers]
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


async def run_async(example: Example) -> None:
    """Run an example to its end, with the names that it is given."""
    names = namespace(example)
    async with AsyncExitStack() as stack:
        stack.enter_context(loggers_kept())
        if example.given:
            client = await stack.enter_async_context(mcptasks.Client(names[SERVER_NAME]))
            names["client"] = client
        if "task" in example.given:
            names["task"] = await names["client"].call_tool(*WORK, task=True)
        running = run(example, names)
        if running is not None:
            await running


def run_blocking(example: Example) -> None:
    """Run a blocking example to its end, with the names that it is given."""
    names = namespace(example)
    with loggers_kept(), mcptasks.sync.Client(names[SERVER_NAME]) as client:
        names["client"] = client
        if "task" in example.given:
            names["task"] = client.call_tool(*WORK, task=True)
        run(example, names)


def run_plain(example: Example, module: types.ModuleType) -> None:
    """Run an example as a module, against a server to which several clients may connect, one after the other."""
    names = vars(module)
    names.update(namespace(example))
    with loggers_kept(), testing.serve_http(names[SERVER_NAME]) as names[SERVER_NAME]:
        run(example, names)


def run_script(example: Example, folder: Path) -> str:
    """Run an example in a Python process of its own, and return its output. Only the address in its text is replaced.

    pytest runs a "pytest" example. Warnings are errors, and stderr must stay empty.
    """
    with testing.serve_http(hurried(server_of(example))) as url:
        script = folder / "test_example.py"
        script.write_text(example.source.replace(ADDRESS, url), encoding="utf-8")
        how = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if example.manner == "pytest" else []
        done = subprocess.run(
            [sys.executable, "-W", "error", *how, str(script)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            input=f"{example.marks['stdin']}\n" if "stdin" in example.marks else "",
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout
