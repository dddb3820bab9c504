"""The core on anyio: it does what the pure modules decide, on asyncio and on trio."""
