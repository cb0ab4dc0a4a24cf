"""Live output in a cell and in a terminal."""
