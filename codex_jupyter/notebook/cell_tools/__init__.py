"""The agent's tools for the cells of the open notebook, which the page of the notebook carries out."""
