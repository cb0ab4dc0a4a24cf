"""The script of the notebook about plots and images."""

from codex_jupyter.testing.parts import write_file
from codex_jupyter.testing.script import ScriptedTurn

_SKETCH = """\
<svg xmlns="http://www.w3.org/2000/svg" width="480" height="180" viewBox="0 0 480 180">
<rect width="480" height="180" fill="white"/><path d="M20 160H460" stroke="#888"/>
<path d="M40 160C110 158 120 30 160 30S210 158 280 160Z" fill="#1f77b4" opacity=".7"/>
<path d="M210 160C280 158 290 60 320 60S360 158 430 160Z" fill="#ff7f0e" opacity=".7"/>
<g font-family="sans-serif" font-size="14"><text x="154" y="22">a</text><text x="316" y="52">b</text></g>
</svg>
"""

_BIMODAL = "It has two humps because it mixes two groups: one around 4, one around 8. Plot them apart, or colour by group."
_CHANGED = "The counts are on a logarithmic axis now, so the sparse tails of both groups can be seen."


def plots() -> list[ScriptedTurn]:
    """Return the script: answers about a histogram, two figures and an array, and an image that the agent writes."""
    return [
        ScriptedTurn([_BIMODAL], match="bimodal"),
        ScriptedTurn(["The first has two humps; the second shows that they belong to the groups `a` and `b`."], match="compare"),
        ScriptedTurn([_CHANGED], match="changed"),
        ScriptedTurn(["A plain diagonal gradient, from dark to bright."], match="array"),
        ScriptedTurn([[write_file("two-groups.svg", _SKETCH)], "I drew each group into `two-groups.svg`."], match="Draw"),
    ]
