"""The notebooks of docs/ against a real server."""

from pathlib import Path

import pytest

from tests.helpers.command_line import stand_ins, warm
from tests.helpers.stand_ins import StandIns
from tests.notebooks.execution import NOTEBOOKS, check_final_state, executed

__all__ = ["stand_ins", "warm"]


@pytest.mark.parametrize("generation", [4], indirect=True)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(stand_ins: StandIns, fastmcp_url: str, path: Path) -> None:
    """Every cell works, and the displays end in the final state."""
    check_final_state(executed(path, fastmcp_url, stand_ins))
