"""Pictures for the agent: those that the notebook displayed, and those of figures, arrays and files.

`log` remembers what was displayed, `draw` makes a picture of a value, `files` of bytes, `spec` reads what a user writes, `convert` paints
what is described, `fit` brings a picture to the size that is sent, and `written` finds the pictures that a turn wrote. Only `log` is
imported when the extension is loaded.
"""
