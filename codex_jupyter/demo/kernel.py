"""The script of the notebook about the agent in the live kernel. It knows the data frame `trips` of that notebook."""

from codex_jupyter.testing.parts import Call, call
from codex_jupyter.testing.script import ScriptedTurn

_TRY = """\
fixed = trips.assign(minutes=trips.minutes.fillna(0).astype(int))
fixed.groupby("city").minutes.mean()"""

_PLOT = """\
import matplotlib.pyplot as plt
fig, ax = plt.subplots(figsize=(5, 2.4))
trips.groupby("city").minutes.mean().plot.barh(ax=ax)
plt.show()"""

_KEEP = """\
trips = trips.dropna(subset=["minutes"]).astype({"minutes": int})
trips.dtypes"""


def kernel() -> list[ScriptedTurn]:
    """Return the script: the agent inspects a data frame, reads an error, repairs the data step by step, and calls a function."""
    looked = "`trips` has three rows. One of them has no `minutes`, so the column holds floats."
    repaired = "Zero would lower the mean of Basel, so I dropped the row instead. `trips` has integers now."
    return [
        ScriptedTurn([_kernel("inspect", name="trips"), looked], match="trips"),
        ScriptedTurn([_kernel("last_error"), "`minutes` has a missing value, which cannot become an integer."], match="fail"),
        ScriptedTurn(
            [_kernel("run", code=_TRY), _kernel("run", code=_PLOT), _kernel("run", code=_KEEP, keep=True), repaired], match="repair"
        ),
        ScriptedTurn([call("distance", {"city": "Bern"}, namespace=None), "Bern is 95 km away."], match="far"),
    ]


def _kernel(tool: str, **arguments: object) -> Call:
    return call(tool, arguments, namespace="kernel")
