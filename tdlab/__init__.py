"""tdlab: synthesise diverse, verified tool-use trajectories from MCP tools (TDScaling, arXiv 2602.03219)."""
