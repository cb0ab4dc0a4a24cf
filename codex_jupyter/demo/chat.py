"""The script of the notebook about the chat."""

from codex_jupyter.testing.parts import shell
from codex_jupyter.testing.script import ScriptedTurn

_MEAN = """\
The mean is the sum over the count:

```python
mean = sum(values) / len(values)
```
"""


def chat() -> list[ScriptedTurn]:
    """Return the script: a look at the folder, code for a mean, and what was asked."""
    return [
        ScriptedTurn([[shell("echo looking around && ls | wc -l")], "There is nothing in this folder yet."], match="folder"),
        ScriptedTurn([_MEAN], match="mean"),
        ScriptedTurn(["You asked about the folder, and for a mean."], match="so far"),
    ]
