"""What the tests of the generator share: rendering the real source with a change made in memory."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Mapping
from pathlib import Path

from mcptasks._tools.names import NAMES, Names
from mcptasks._tools.render import render
from mcptasks._tools.scope import Scope

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "mcptasks"
# A line that `Client` and `Task` both have. A member is added before it.
_LANDMARK = "    def __repr__(self) -> str:\n"


def source(module: str) -> str:
    """The text of a module of the async surface."""
    return (PACKAGE / "_async" / f"{module}.py").read_text(encoding="utf-8")


@functools.cache
def _unchanged() -> Scope:
    """The modules as they are, read once for all tests of a process."""
    scope = Scope()
    render(NAMES, scope)
    return scope


def rendered(changed: Mapping[str, str], names: Names = NAMES) -> dict[str, str]:
    """The generated files after a change of some modules of the async surface."""
    texts = {f"mcptasks._async.{module}": text for module, text in changed.items()}
    return render(names, _unchanged().with_texts(texts))


def with_member(code: str, module: str = "task", names: Names = NAMES, head: str = "") -> str:
    """The generated module after adding a member to the async class, and a line to the head of its module."""
    text = source(module)
    assert text.count(_LANDMARK) == 1
    text = text.replace(_LANDMARK, f"{textwrap.indent(textwrap.dedent(code).strip(), '    ')}\n\n{_LANDMARK}")
    landmark = "\nfrom types import TracebackType\n"
    assert landmark in text
    text = text.replace(landmark, f"{landmark}{head}\n")
    return rendered({module: text}, names)[f"{module}.py"]


def member(text: str, name: str) -> str:
    """The last definition of a name in generated text, from its first decorator on, without indentation."""
    lines = text.splitlines()
    start = max(number for number, line in enumerate(lines) if line.startswith(f"    def {name}("))
    end = next(
        (
            number
            for number in range(start + 1, len(lines))
            if lines[number].startswith(("    @", "    def ", "class "))
        ),
        len(lines),
    )
    while lines[start - 1].startswith("    @"):
        start -= 1
    return textwrap.dedent("\n".join(lines[start:end])).strip()
