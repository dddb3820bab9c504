"""`TasksExtension` in `fastmcp.Client` 4, whose own tasks extension it replaces: needs an environment with both."""

from collections.abc import Callable
from typing import Any

from tests.interop.processes import HttpServer
from tests.interop.warm_servers import WarmServers, printed_by


def test_the_client_of_fastmcp(shared_server: Callable[[int], HttpServer], warm_servers: WarmServers) -> None:
    """Values, errors, questions at once, handles with the calls' arguments, and cancellation, over the session of
    fastmcp's client and over a connection of the extension's own."""
    expected: dict[str, Any] = {
        "data": "computed for 0.1 seconds",
        "trip": "accept: x x",
        "asked": ["Which city?", "Which seat?"],
        "refused": [True, "refused"],
        "failure": [-32050, "broken"],
        "told": [
            ["slow_computation", {"duration": 0.1}],
            ["book_trip", {}],
            ["report_error", {"message": "refused"}],
            ["protocol_fault", {"message": "broken"}],
            ["endless", {}],
        ],
        "named": True,
        "endless": "cancelled",
    }
    assert printed_by(warm_servers, 4, "extension4.py", shared_server(4).url) == {
        "session": expected,
        "target": expected,
    }
