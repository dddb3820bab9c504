"""A FastMCP server object as the target, in a process that has fastmcp 4: it needs an environment with both."""

from tests.interop.warm_servers import WarmServers, printed_by


def test_server_object_of_this_process(warm_servers: WarmServers) -> None:
    """Tools run in the background on a server object as they do over a wire, its lifespan included."""
    assert printed_by(warm_servers, 4, "in_process4.py") == {
        "era": "2026-07-28",
        "in_background": True,
        "data": "computed for 0.1 seconds",
        "last": "completed",
        "failure": "refused",
        "cancelled": "cancelled",
        "resource": [True, "the slow report"],
        "unknown": True,
    }
