"""The script of the gallery: a turn for each kind of item, and events of items that cannot be produced at will."""

import base64
import struct
import zlib
from typing import Any, Final

from codex_jupyter.testing.parts import Call, PlanStatus, delay, edit_file, fail, patch, plan, say, search, shell, think, write_file
from codex_jupyter.testing.script import ScriptedTurn

_ANSWER = r"""## What the data say

The readings **rise over the week** and peak on day 6; ~~day 8~~ is not there. None of the seven stands out, see `outliers()` below.

| day | value | deviation | |
|:---:|------:|----------:|---|
| 1 | 3 | −3.0 | lowest |
| 4 | 8 | +2.0 | |
| 6 | 9 | +3.0 | **highest** |

The spread is $s = \sqrt{\frac{1}{n-1}\sum_i (x_i - \bar x)^2} \approx 2.16$, and so

$$|x_6 - \bar x| = 3.0 < 2s = 4.32$$

```python
def outliers(values: list[float], k: float = 2.0) -> list[float]:
    '''Return the values further than k deviations from the mean.'''
    m, s = mean(values), stdev(values)
    return [x for x in values if abs(x - m) > k * s]  # none here
```

1. Keep all seven readings:
   - they fit the [usual rule](https://en.wikipedia.org/wiki/68-95-99.7_rule),
   - and the sensor was
     - calibrated on day 1,
     - checked on day 7.
2. Ask for day 8.

> A single week says little about a trend.

- [x] mean and spread
- [ ] the same for last month
"""

_ADD = """\
def mean(values):
    return sum(values) / len(values)


def spread(values):
    return max(values) - min(values)
"""

_FIX = """\
from statistics import fmean as mean


def spread(values):
    return max(values) - min(values)
"""

_REPLACE = f"""\
*** Begin Patch
*** Delete File: stats.py
*** Add File: statistic.py
{"".join("+" + line for line in _FIX.splitlines(True))}*** End Patch"""

_THINK = """\
**Weighing the readings** Seven values, one per day.

The mean is 6.0; two values lie 3 away from it, which is *within* two deviations.
"""

_RATE_LIMIT = "Rate limit reached for this model. Please try again in 20 s."

Event = dict[str, Any]
_AGENT: Final = "0199a0c0-0000-7000-8000-00000000000a"


def gallery() -> list[ScriptedTurn]:
    """Return the script: messages, commands, files, a plan, a warning and a failure."""
    return [
        ScriptedTurn([[think(_THINK), say(_ANSWER)]], match="data say"),
        ScriptedTurn(
            [
                [shell("python3 run_tests.py")],
                [shell('for day in $(seq 1 120); do echo "day $day: $((day * 37 % 11))"; done')],
                [shell("cat missing.csv")],
                [shell("echo first"), shell("echo second")],
                "Four of the five worked.",
            ],
            match="commands",
        ),
        ScriptedTurn(
            [
                [write_file("stats.py", _ADD)],
                [delay(0.3), edit_file("stats.py", "    return sum(values) / len(values)", "    return sum(values) / max(1, len(values))")],
                [delay(0.3), patch(_REPLACE)],
                [delay(0.3), say("`statistic.py` replaces `stats.py`.")],
            ],
            match="files",
        ),
        ScriptedTurn(
            [
                [_progress("in_progress", "pending", "pending")],
                [search("python statistics.fmean"), _progress("completed", "in_progress", "pending")],
                "Two steps are open.",
            ],
            match="plan",
        ),
        ScriptedTurn(["The CLI does not know this model, and says so."], match="unknown"),
        ScriptedTurn([[say("Let me look."), shell("ls")], fail(429, _RATE_LIMIT, "rate_limit_exceeded")], match="fail"),
    ]


def tool_events() -> list[Event]:
    """Return the events of a turn with MCP tools, sub-agents, a declined command, a refused file and an unknown item."""
    image = {"type": "image", "mimeType": "image/png", "data": base64.b64encode(_heat_map()).decode()}
    plotted = {"content": [{"type": "text", "text": "8 × 4 cells, from 0.2 to 0.9"}, image]}
    refusal = {"message": "tool call failed for `plots/export`: the format tiff is not supported"}
    server = {"server": "plots", "type": "mcp_tool_call"}
    states = {_AGENT: {"status": "completed", "message": "All in metres."}}
    agent = {"type": "collab_tool_call", "status": "completed"}
    return [
        _completed(id="a", tool="heat_map", status="completed", arguments={"columns": 8, "rows": 4}, result=plotted, **server),
        _completed(id="b", tool="export", status="failed", arguments={"format": "tiff"}, error=refusal, **server),
        _completed(id="c", type="command_execution", command="/bin/bash -lc 'git push --force'", aggregated_output="", status="declined"),
        _completed(
            id="d", tool="spawn_agent", prompt="Check the units of every column.", agents_states={_AGENT: {"status": "running"}}, **agent
        ),
        _completed(id="e", tool="wait", agents_states=states, **agent),
        _completed(id="f", type="file_change", changes=[{"path": "locked.txt", "kind": "update"}], status="failed"),
        _completed(id="g", type="weather_report", city={"degrees": 21, "name": "Bern"}),
        _completed(id="h", type="agent_message", text="The heat map is above; all units agree."),
        {"type": "turn.completed", "usage": {"input_tokens": 5210, "cached_input_tokens": 4096, "output_tokens": 187}},
    ]


def stopped_events() -> list[Event | float]:
    """Return the events of a turn that stops during a command. A number is a pause in seconds."""
    output = "epoch 1: loss 0.81\nepoch 2: loss 0.64\n"
    running = {"id": "b", "type": "command_execution", "command": "/bin/bash -lc 'python3 train.py'", "aggregated_output": output}
    return [
        _completed(id="a", type="agent_message", text="I train the model first."),
        {"type": "item.started", "item": running | {"status": "in_progress"}},
        0.3,
    ]


def _completed(**item: object) -> Event:
    return {"type": "item.completed", "item": item}


def _progress(*statuses: PlanStatus) -> Call:
    return plan(list(zip(("Read the file", "Change `spread`", "Run the tests"), statuses, strict=True)))


def _heat_map(width: int = 240, height: int = 60) -> bytes:
    """Return a small PNG, as a plotting tool might return it."""

    def colour(x: int, y: int) -> bytes:
        return bytes((40 + 200 * x // width, 90 + 40 * (x // 30 + y // 15 & 1), 200 - 150 * y // height))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + b"".join(colour(x, y) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
