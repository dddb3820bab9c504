"""What a newcomer meets first is short, complete and true: the README, its picture, the maps, the list of pages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import mcp_types
import pytest

import mcptasks
import mcptasks.store
import mcptasks.sync
import mcptasks.testing
from docs.pictures import demo

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "mcptasks"
LONGEST_README = 120
CONTRIBUTORS = (ROOT / "CONTRIBUTING.md", DOCS / "architecture.md")


Entry: TypeAlias = "str | list[Entry] | dict[str, Entry]"


def pages_of(entry: Entry) -> Iterator[str]:
    """The pages below an entry of the site's navigation, in order."""
    if isinstance(entry, str):
        yield entry
        return
    for below in entry if isinstance(entry, list) else entry.values():
        yield from pages_of(below)


def test_readme_is_short() -> None:
    """The README is read in a minute or two."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_picture_is_what_the_script_draws() -> None:
    """The picture of the demo was drawn by the script as it is now."""
    picture = demo.PICTURE.read_text(encoding="utf-8")
    assert demo.drawn(demo.read(picture)) == picture


@pytest.mark.slow
def test_picture_shows_the_demo() -> None:
    """The picture shows what the demo says today, word for word, but for the task's id."""
    shown = demo.read(demo.PICTURE.read_text(encoding="utf-8"))
    assert demo.without_chance(shown) == demo.without_chance(demo.recorded())


def test_picture_is_shown_where_people_arrive() -> None:
    """The README and the first page of the site show the picture."""
    for page in (ROOT / "README.md", DOCS / "index.md"):
        links = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
        assert [(page.parent / link).resolve() for link in links] == [demo.PICTURE]


def test_the_demo_that_fails_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo that fails is an error of the script, and no picture."""
    monkeypatch.setattr(demo, "COMMAND", "python -c raise(SystemExit(1))")
    with pytest.raises(Exception, match="returned non-zero exit status 1"):
        demo.recorded()


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in CONTRIBUTORS])
def test_named_files_exist(page: Path) -> None:
    """Each file and folder that a page for contributors names in code is there, in the package or at the root."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|\w+\.py)`", text)
    assert named
    there = {"site/", "tasks/get", "tasks/update", *(path.name for path in PACKAGE.rglob("*.py"))}
    missing = [
        name for name in named if name not in there and not any((folder / name).exists() for folder in (PACKAGE, ROOT))
    ]
    assert missing == []


def test_every_room_is_on_the_map() -> None:
    """The tree in docs/architecture.md has a line for each package, and none for anything else."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    tree = text.partition("```text\nmcptasks/\n")[2].partition("```")[0]
    path: list[str] = []
    shown: set[str] = set()
    for indent, name, words in re.findall(r"^( +)(\w+)/ +(\S.*)$", tree, re.MULTILINE):
        assert words
        path[len(indent) // 2 - 1 :] = [name]
        shown.add("/".join(path))
    assert len(shown) == len(tree.splitlines())
    assert shown == {
        init.parent.relative_to(PACKAGE).as_posix() for init in PACKAGE.rglob("__init__.py") if init.parent != PACKAGE
    }


def test_every_page_is_found() -> None:
    """The site's navigation and docs/index.md have each page, in the same order."""
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    nav = list(pages_of(site["nav"]))
    assert sorted(nav) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    index = (DOCS / "index.md").read_text(encoding="utf-8").partition("## Start")[2]
    listed = dict.fromkeys(re.findall(r"\]\(([^)#:]+\.md)\)", index))
    assert ["index.md", *listed] == nav


@pytest.mark.parametrize(
    ("page", "module"),
    [
        ("async", mcptasks),
        ("blocking", mcptasks.sync),
        ("store", mcptasks.store),
        ("testing", mcptasks.testing),
    ],
)
def test_reference_has_every_name(page: str, module: Any) -> None:
    """The API reference has each public name once: all of `mcptasks` but those of the SDK, the blocking ones of
    `mcptasks.sync`, all of `mcptasks.testing`."""
    text = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
    given = re.findall(rf"^::: {re.escape(module.__name__)}\.(\w+)$", text, re.MULTILINE)
    assert len(given) == text.count("\n::: ")
    own = {name: getattr(module, name) for name in module.__all__ if name != "__version__"}
    wanted = {name for name, value in own.items() if value is not getattr(mcp_types, name, None)}
    if module is mcptasks.sync:
        wanted = {name for name in wanted if getattr(module, name) is not getattr(mcptasks, name, None)} - {
            "InputContext"
        }
    assert sorted(given) == sorted(wanted)
