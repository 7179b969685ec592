"""The tools: catalogue, readers for every public format, live harvest over MCP."""
