"""What the command line is made of: public names, and no more modules than a command needs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

import mcptasks
import mcptasks.store
from mcptasks._cli.app import COMMANDS
from mcptasks.store import Store
from tests.cli.storing import filled
from tests.helpers.command_line import Home
from tests.helpers.source_tree import MODULES, parse

CLI = [name for name in MODULES if name.split(".")[0] == "_cli"]
# Text of servers is made legible by the functions that the rest of the package uses, which are internal. Completion has
# no time for the event loop of the public store, and neither has `list`.
ALLOWED = {"mcptasks._core.safe_text", "mcptasks._version", "mcptasks._store.sqlite.glance"}
SLOW = ("mcp", "mcp_types", "pydantic", "rich")
LOOPS = ("anyio", "asyncio")
"""Packages that are imported only where an event loop runs: they take as long as all the rest of a command."""
PROGRAM = """
import json, sys
from mcptasks.__main__ import main
try:
    code = main()
except SystemExit as exc:
    code = exc.code
slow = sorted({name.partition(".")[0] for name in sys.modules} & set(%r))
print(json.dumps([code, slow]), file=sys.stderr)
"""


def private_imports(tree: ast.AST) -> Iterator[str]:
    """The private names of the package that a module imports, but for those of the command line itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for name in node.names:
                whole = f"{module}.{name.name}"
                if module.startswith("mcptasks") and not whole.startswith("mcptasks._cli"):
                    private = "._" in whole and not (module == "mcptasks" and name.name == "__version__")
                    if private and not {module, whole} & ALLOWED:
                        yield f"line {node.lineno}: {whole}"
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.startswith("mcptasks._") and not name.name.startswith("mcptasks._cli"):
                    yield f"line {node.lineno}: {name.name}"


@pytest.mark.parametrize("name", CLI)
def test_public_names_only(name: str) -> None:
    """The command line imports public names of the package only, as a program of anybody else would."""
    assert not list(private_imports(parse(MODULES[name])))


@pytest.mark.parametrize(
    "source", ["from mcptasks._engine import x", "import mcptasks._store.records", "from mcptasks import _async"]
)
def test_private_names_are_caught(source: str) -> None:
    """The check sees each form of import of a private name."""
    assert list(private_imports(ast.parse(source)))


def test_public_names_exist() -> None:
    """What the command line imports from the public modules is public there."""
    public = {"mcptasks": mcptasks, "mcptasks.store": mcptasks.store}
    for name in CLI:
        for node in ast.walk(parse(MODULES[name])):
            if isinstance(node, ast.ImportFrom) and node.module in public:
                assert {each.name for each in node.names} <= set(vars(public[node.module])["__all__"]), name


def imported(home: Home, *words: str, **variables: str) -> tuple[int, list[str]]:
    """Run a command in a fresh Python, and return its code and the slow packages that it imported, event loops too."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % (SLOW + LOOPS,), *words],
        capture_output=True,
        text=True,
        check=True,
        env=home.variables(variables),
        cwd=home.folder,
    )
    code, found = json.loads(done.stderr.splitlines()[-1])
    return code, found


@pytest.fixture
def task(home: Home) -> str:
    """The id of a task in the user's store."""
    return filled(Store(home.folder / ".local/state/mcptasks/tasks.db"))


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=lambda words: "-".join(words))
def test_help_is_light(home: Home, command: tuple[str, ...]) -> None:
    """The help of every command comes without the SDK, pydantic, rich and event loops."""
    assert imported(home, *command, "--help") == (0, [])


@pytest.mark.parametrize(
    "words",
    [
        *(("list",), ("list", "-a", "--json"), ("show", "@last"), ("show", "@last", "--json"), ("servers",)),
        *(
            ("recover",),
            ("show", "@last", "--reference"),
            ("store", "info"),
            ("completion", "bash"),
            ("forget", "@last"),
        ),
    ],
    ids=lambda words: " ".join(words),
)
def test_commands_of_the_store_are_light(home: Home, task: str, words: tuple[str, ...]) -> None:
    """The commands that only read the store or the configurations do without the SDK, pydantic and rich; `list` also
    without an event loop."""
    code, found = imported(home, *words)
    banned = SLOW + LOOPS if words[0] == "list" else SLOW
    assert (code, set(found) & set(banned)) == (0, set())


@pytest.mark.parametrize("words", ["mcptasks sh", "mcptasks show ", "mcptasks call cursor:", "mcptasks list --la"])
def test_completion_is_light(home: Home, task: str, words: str) -> None:
    """Completion does without all of them, also of ids."""
    asked = {"_MCPTASKS_COMPLETE": "bash_complete", "COMP_WORDS": words}
    assert imported(home, **asked) == (0, [])


def test_completion_of_commands() -> None:
    """The names of commands, with their descriptions, and the program's options are offered without importing a
    command."""
    offered = (
        "import sys; from mcptasks._cli.app import cli; from click import Context; context = Context(cli);"
        "print([(each.value, each.help) for each in cli.shell_complete(context, 're')]);"
        "print([each.value for each in cli.shell_complete(context, '--v')]);"
        "print([name for name in sys.modules if name.startswith('mcptasks._cli.commands.')])"
    )
    done = subprocess.run([sys.executable, "-c", offered], capture_output=True, text=True, check=True)
    found = [(name, words) for name, words in COMMANDS.items() if name.startswith("re")]
    assert [ast.literal_eval(line) for line in done.stdout.splitlines()] == [found, ["--version"], []]
