"""Exit codes: each error has one, and several tasks have the worst of theirs."""

from __future__ import annotations

import pytest

import mcptasks
from mcptasks._cli.exits import MEANINGS, Exit, of_error, worst


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (mcptasks.ToolError("no"), 1),
        (mcptasks.TaskFailedError("no"), 1),
        (mcptasks.TaskProtocolError("no"), 1),
        (mcptasks.StoreError("no"), 1),
        (OSError("no"), 1),
        (mcptasks.TaskKeyError("no"), 2),
        (mcptasks.TaskCancelledError("no"), 3),
        (mcptasks.TaskConnectionError("cannot reach https://a/mcp: HTTP 401 Unauthorized"), 4),
        (mcptasks.TaskConnectionError("https://a/mcp: HTTP 403 Forbidden"), 4),
        (mcptasks.TaskNotFoundError("no"), 5),
        (mcptasks.TaskExpiredError("no"), 5),
        (mcptasks.TaskInputRequiredError("no"), 6),
        (mcptasks.TaskConnectionError("cannot reach https://a/mcp: HTTP 404 Not Found"), 7),
        (mcptasks.TaskUncertainError("no"), 9),
        (mcptasks.TaskTimeoutError("no"), 124),
    ],
)
def test_errors(error: Exception, code: int) -> None:
    """Each error of the library has the code that the table promises."""
    assert of_error(error) == code


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], 0),
        ([0, 0], 0),
        ([0, 1], 1),
        ([124, 6, 3], 3),
        ([3, 1], 1),
        ([1, 5], 5),
        ([5, 4], 4),
        ([4, 7, 0], 7),
        ([9, 1], 9),
        ([2], 2),
        ([8, 124], 8),
    ],
)
def test_several(codes: list[int], code: int) -> None:
    """Of several tasks, the code of the worst is told; only if all went well, the code is 0."""
    assert worst(map(Exit, codes)) == code


def test_every_code_has_a_meaning() -> None:
    """The table explains each code, and none twice."""
    assert set(MEANINGS) == set(Exit)
    assert len(set(MEANINGS.values())) == len(MEANINGS)


@pytest.mark.parametrize("code", [code for code in Exit if code not in (0, 129, 130, 141, 143)])
def test_every_code_of_a_task_is_told(code: Exit) -> None:
    """No way in which a task can end is lost among tasks that ended well."""
    assert worst([Exit.OK, code]) == code
