"""Docstrings of the blocking world are true there, and lines are broken as ruff's formatter breaks them."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from mcptasks._tools.docstrings import render
from mcptasks._tools.errors import GeneratorError
from mcptasks._tools.layout import Call, Import, imports, signature, statement
from mcptasks._tools.names import NAMES, Uses

PHRASES = {
    "Awaits nothing.": "",
    "on the event loop": "on a worker thread",
    "an async with": "a with",
    "It is short": "It is " + "much " * 20 + "longer",
}


def translated(text: str, *, indent: str = "    ", argument: str | None = None) -> str:
    """A docstring's translation, without the indentation."""
    uses = Uses(replace(NAMES, phrases=PHRASES, kept=frozenset({"sync or async"})))
    text = textwrap.dedent(text).strip()
    return textwrap.dedent("\n".join(render(text, indent, "here", uses, argument)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Call `await task.result()`.", "Call `task.result()`."),
        ("Use `async with client:`.", "Use `with client:`."),
        ("Use `async for status in task.updates()`.", "Use `for status in task.updates()`."),
        ("Or `(await task.result()).data`.", "Or `task.result().data`."),
        ("Or `f(await task)`.", "Or `f(task)`."),
        ("Called on the event loop.", "Called on a worker thread."),
        ("A sync or async function.", "A sync or async function."),
    ],
)
def test_code_and_phrases_are_translated(old: str, new: str) -> None:
    """In prose, code between backticks loses what only the async world has, and phrases become others."""
    assert translated(old) == f'"""{new}"""'


def test_examples_are_translated() -> None:
    """In examples of every form, the keywords go, names come from the blocking module, and lines stay lines."""
    assert (
        translated("""
            Use it.

            ```python
            from mcptasks import Client

            async def main():
                async with Client(url) as client:
                    task = await client.call_tool("x", task=True)
                    async for status in task.updates():
                        print((await task.result()).data, await task.status())
            ```

            Or so::

                async with task:
                    await task.wait()

            >>> await task.status()
            """)
        == textwrap.dedent('''
            """Use it.

            ```python
            from mcptasks.sync import Client

            def main():
                with Client(url) as client:
                    task = client.call_tool("x", task=True)
                    for status in task.updates():
                        print(task.result().data, task.status())
            ```

            Or so::

                with task:
                    task.wait()

            >>> task.status()
            """
            ''').strip()
    )


def test_phrase_over_a_line_end_is_found() -> None:
    """A line end within a phrase counts as a space; only the paragraph with the phrase flows anew."""
    old = """
        First line.

        Some words on the
        event loop and
        more.

        This
        stays.
        """
    new = '"""First line.\n\nSome words on a worker thread and more.\n\nThis\nstays.\n"""'
    assert translated(old) == new


def test_phrase_that_goes_leaves_no_gap() -> None:
    """A paragraph that is dropped takes its blank line along."""
    assert translated("First.\n\nAwaits nothing.\n\nLast.") == '"""First.\n\nLast.\n"""'
    assert translated("First.\n\nAwaits nothing.") == '"""First."""'


def test_entries_of_a_section_stay_apart() -> None:
    """In a list of arguments only the entry with the phrase flows anew, with its hanging indentation."""
    old = f"""
        Do it.

        Args:
            one: Called on the event loop {"word " * 18}
                and more.
            two: Called
                anywhere.
            three: Short.

        Returns:
            Something.
        """
    found = translated(old).splitlines()
    assert found[:4] == ['"""Do it.', "", "Args:", f"    one: Called on a worker thread {'word ' * 15}word"]
    assert found[4:] == [
        "        word word and more.",
        "    two: Called",
        "        anywhere.",
        "    three: Short.",
        "",
        "Returns:",
        "    Something.",
        '"""',
    ]


def test_one_line_that_grows_is_broken() -> None:
    """A docstring on one line that a phrase makes too long gets several lines within the limit."""
    lines = translated("It is short, or so they say.", indent=" " * 8).splitlines()
    assert len(lines) == 3
    assert lines[-1] == '"""'
    assert all(len(line) <= 112 for line in lines)


def test_added_argument_is_the_last_of_its_section() -> None:
    """The entry for an extra parameter comes after the others and before the next section."""
    found = translated("Do.\n\nArgs:\n    one: Word.\n\nRaises:\n    E: Why.", argument="two: Word.")
    assert found == '"""Do.\n\nArgs:\n    one: Word.\n    two: Word.\n\nRaises:\n    E: Why.\n"""'


@pytest.mark.parametrize(
    "words",
    [
        "asyncio",
        "on trio",
        "an event\nloop",
        "a coroutine",
        "when awaited",
        "an async function",
        "`__aexit__`",
        "await",
    ],
)
def test_what_speaks_of_the_async_world_is_refused(words: str) -> None:
    """Words that no rule translates are an error that shows them and says where to put them."""
    with pytest.raises(GeneratorError, match=r"(?s)here: its docstring speaks of .* add the words to `phrases`"):
        translated(f"This is {words} here.")


LONG = [f"argument_number_{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (Call("f", ("a", "b=b")), ["    return f(a, b=b)"]),
        (Call("f", tuple(LONG[:6])), ["    return f(", f"        {', '.join(LONG[:6])}", "    )"]),
        (Call("f", tuple(LONG)), ["    return f(", *(f"        {name}," for name in LONG), "    )"]),
        (
            Call("f", (Call("g", tuple(LONG), "lambda: "), "b=True")),
            [
                "    return f(",
                "        lambda: g(",
                *(f"            {name}," for name in LONG),
                "        ),",
                "        b=True,",
                "    )",
            ],
        ),
    ],
    ids=["short", "inside", "one by one", "nested"],
)
def test_calls_are_broken(call: Call, wanted: list[str]) -> None:
    """A call stays on its line, else its arguments move to one line, else to one line each, from the outside in."""
    assert statement("    ", "return ", call) == wanted


def test_signature_is_on_one_line_up_to_the_limit() -> None:
    """A signature of exactly the limit stays on its line; one character more and it is broken."""
    (line,) = signature("    ", "f" * 97, ["self"], "None")
    assert len(line) == 120
    assert signature("    ", "f" * 98, ["self"], "None") == [f"    def {'f' * 98}(", "        self", "    ) -> None:"]


def test_imports_are_in_order() -> None:
    """Groups, plain imports first, constants before classes before the rest; aliases on lines of their own."""
    wanted = [
        Import("mcptasks._b", "Task", "AsyncTask"),
        Import("mcptasks._b", "value"),
        Import("mcptasks._b", "Value"),
        Import("mcptasks._b", "VALUE"),
        Import("typing", "Any"),
        Import("mcp_types"),
        Import("mcp", "Tool"),
        Import("mcp"),
        Import("__future__", "annotations"),
        Import("typing", "Any"),
        *(Import("mcptasks._a", name) for name in LONG),
    ]
    assert imports(wanted) == [
        "from __future__ import annotations",
        "",
        "from typing import Any",
        "",
        "import mcp",
        "import mcp_types",
        "from mcp import Tool",
        "",
        "from mcptasks._a import (",
        *(f"    {name}," for name in LONG),
        ")",
        "from mcptasks._b import VALUE, Value, value",
        "from mcptasks._b import Task as AsyncTask",
    ]
