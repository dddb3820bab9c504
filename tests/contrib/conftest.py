"""The tests of the adapters run in both eras."""

from tests.helpers.eras import era, server

__all__ = ["era", "server"]
