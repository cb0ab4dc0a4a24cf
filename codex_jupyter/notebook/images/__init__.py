"""Images for the agent: displayed by the notebook, or made of figures, arrays and files.

When the extension is loaded, only `display_log` and `source` are imported.
"""
