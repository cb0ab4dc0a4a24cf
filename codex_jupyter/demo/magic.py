"""The script of the notebook about the magic."""

from codex_jupyter.testing.parts import shell, write_file
from codex_jupyter.testing.script import ScriptedTurn

_FIXED = """\
The list is empty, so there is nothing to divide by.

```python
mean = sum(values) / len(values) if values else 0.0
mean
```
"""


def magic() -> list[ScriptedTurn]:
    """Return the script: short answers, structured output, a repair, a turn in the background, and a turn that does not end."""
    return [
        ScriptedTurn([[shell("echo looking")], "The sky is blue."], match="sky"),
        ScriptedTurn(['{"title": "Dune", "year": 1965}'], match="Name a book"),
        ScriptedTurn([_FIXED], match="cell that failed"),
        ScriptedTurn([[shell("sleep 1; echo worked in the background")], "Done in the background."], match="slowly"),
        ScriptedTurn(["A second opinion, in a separate thread."], match="opinion"),
        ScriptedTurn(["You sent `temperature`, a list of 3 numbers."], match="my variables"),
        ScriptedTurn(["Forty-two."], match="the answer?"),
        ScriptedTurn([write_file("note.txt", "remember the milk\n"), "I have written `note.txt`."], match="Write a note"),
        ScriptedTurn([[shell("sleep 60")], "never said"], match="Work for ever"),
        ScriptedTurn(["Yes: -s is an option, {braces} and 100 % stay as they are."], match="100 % of it"),
    ]
