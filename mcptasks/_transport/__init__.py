"""The seam with the `mcp` SDK: targets become transports, and transports are watched on the way."""
