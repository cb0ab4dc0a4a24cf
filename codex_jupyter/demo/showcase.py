"""The script of the quickstart: a small analysis that takes a few seconds.

Its first turn looks at the data frame `measurements` of the notebook, and plots it in the kernel. The other turns run in a folder with
`measurements.csv`, which contains `MEASUREMENTS`, in the sandbox `workspace-write`. The commands, the files, the calls and the plot are
real. The texts and the numbers in the answers are fixed, and are correct for that data.
"""

from codex_jupyter.testing.parts import Call, Part, PlanStatus, Say, call, delay, patch, plan, say, shell, think, write_file
from codex_jupyter.testing.script import ScriptedTurn

MEASUREMENTS = "day,value\n1,3\n2,5\n3,4\n4,8\n5,7\n6,9\n7,6\n"
"""The content of `measurements.csv` for which the answers are correct: mean 6, median 6, from 3 to 9."""

_SUMMARY = '''\
"""Summarise measurements.csv."""

import csv
from statistics import mean

with open("measurements.csv", newline="") as file:
    values = [float(row["value"]) for row in csv.DictReader(file)]

print(f"days: {len(values)}")
print(f"mean: {mean(values):.1f}")
print(f"range: {min(values):g} to {max(values):g}")
'''

_ADD_MEDIAN = """\
*** Begin Patch
*** Update File: summary.py
@@
-from statistics import mean
+from statistics import mean, median
@@
 print(f"mean: {mean(values):.1f}")
+print(f"median: {median(values):.1f}")
*** End Patch"""

_PLOT = """\
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(5, 2.4))
measurements.plot(x="day", y="value", marker="o", legend=False, ax=ax)
ax.set_ylabel("value")
plt.show()"""

_PLOT_ANSWER = """\
`measurements` has seven days. The plot shows a rise from 3 on the first day to 9 on day 6, with small dips on days 3, 5 and 7. A line is
a good choice here, because the days are in order.

*These words come from a script, not from a model; the agent's calls and the plot are real.*
"""

_MEAN_ANSWER = """\
I wrote `summary.py` and ran it on your data:

| | value |
|---|---:|
| days | 7 |
| **mean** | **6.0** |
| lowest (day 1) | 3 |
| highest (day 6) | 9 |

The values rise over the week, from 3 to 6, with their peak on day 6.

*These words come from a script, not from a model. The steps are real.*
"""

_MEDIAN_ANSWER = """\
`summary.py` now prints the median as well. It is **6.0**, the same as the mean: no single day pulls the average away.
"""

_FIX_ANSWER = """\
The method is called `mean`:

```python
print(measurements["value"].mean())
```

*These words come from a script, not from a model. It repairs only the cell of the last section of this notebook.*
"""

_HELLO_ANSWER = """\
Hello! This is a script, not a model: it runs without an account and answers a few prompts. Ask for the *mean of the
measurements* first, then for the *median*.
"""


def showcase() -> list[ScriptedTurn]:
    """Return the script: a plot of the data frame, the mean of the measurements, the median, a greeting, and the fix of a cell."""
    return [_plot(), _mean(), _median(), _hello(), _fix()]


def _plot() -> ScriptedTurn:
    replies: list[list[Part]] = [
        [
            delay(0.3),
            think("**Looking at the data** The variable is in the kernel, so I look at it there before I plot it."),
            _say("I'll look at the data frame first."),
            call("inspect", {"name": "measurements"}, namespace="kernel"),
        ],
        [
            delay(0.3),
            _say("Two columns, seven rows. A line over the days should show the trend."),
            call("run", {"code": _PLOT}, namespace="kernel"),
        ],
        [delay(0.3), _say(_PLOT_ANSWER)],
    ]
    return ScriptedTurn(replies, match=r"\bplot\b|data ?frame", title="Look at measurements, and try a plot")


def _mean() -> ScriptedTurn:
    replies: list[list[Part]] = [
        [
            delay(0.3),
            think("**Looking at the data** The folder should hold a CSV file; I check its columns before I compute."),
            _say("I'll look at the data first."),
            _progress("in_progress", "pending", "pending"),
        ],
        [delay(0.2), shell("ls && head -n 4 measurements.csv")],
        [
            delay(0.3),
            _say("Two columns, `day` and `value`. I'll put the summary into a small program."),
            _progress("completed", "in_progress", "pending"),
        ],
        [delay(0.4), write_file("summary.py", _SUMMARY)],
        [_progress("completed", "completed", "in_progress"), delay(0.2), shell("python3 summary.py")],
        [_progress("completed", "completed", "completed")],
        [delay(0.2), _say(_MEAN_ANSWER)],
    ]
    return ScriptedTurn(replies, match=r"\bmean\b|average|measurements", title="What is the mean of the measurements?")


def _median() -> ScriptedTurn:
    replies: list[list[Part]] = [
        [
            delay(0.3),
            think("**Extending the summary** The statistics module has the median too."),
            patch(_ADD_MEDIAN),
        ],
        [delay(0.2), shell("python3 summary.py")],
        [delay(0.3), _say(_MEDIAN_ANSWER)],
    ]
    return ScriptedTurn(replies, match="median|follow|test", title="Add the median")


def _hello() -> ScriptedTurn:
    return ScriptedTurn([[delay(0.2), _say(_HELLO_ANSWER)]], match=r"\b(hello|hi|hey)\b|who are you", title="Hello")


def _fix() -> ScriptedTurn:
    return ScriptedTurn([[delay(0.2), _say(_FIX_ANSWER)]], match=r"\bfailed\b", title="%codex fix")


def _progress(*statuses: PlanStatus) -> Call:
    steps = ("Look at the data", "Write summary.py", "Run it")
    return plan(list(zip(steps, statuses, strict=True)))


def _say(text: str) -> Say:
    return say(text, pace=0.015)
