"""Costs of a call of the kernel's tool `run` over the code itself, in a real kernel with the real CLI. Prints a table; decides nothing.

Goals: 5 ms while a `%%codex` cell waits for the turn, 20 ms between cells. The time of a call is that of its handler, from the arguments to
the result for the model, without the CLI and the model.
"""

import json
from pathlib import Path
from statistics import median, quantiles

import pytest

from codex_jupyter.testing import ScriptedModel, call
from tests.benchmarks.test_sdk import table
from tests.notebook.conftest import Kernel, kernel, shared_kernel
from tests.sdk.support.fake import wait_until

__all__ = ["kernel", "shared_kernel"]
pytestmark = pytest.mark.benchmark
CALLS = 40
CODE = "value = 40 + 2\nprint(value)"
MEASURE = """
import functools, json, time
from codex_jupyter.notebook.kernel_tools import toolbox
seconds = []
if not hasattr(toolbox, "measured"):
    toolbox.measured = toolbox.KernelTools.run
@functools.wraps(toolbox.measured)
async def run(self, *args, **kwargs):
    start = time.perf_counter()
    try:
        return await toolbox.measured(self, *args, **kwargs)
    finally:
        seconds.append(time.perf_counter() - start)
toolbox.KernelTools.run = run
"""
ITSELF = f"""
from IPython.utils.capture import capture_output
def once():
    start = time.perf_counter()
    with capture_output():
        get_ipython().run_cell({CODE!r}, store_history=False)
    return time.perf_counter() - start
print(json.dumps([once() for _ in range({CALLS})]))
"""


def wait_for_requests(model: ScriptedModel, count: int) -> None:
    """Wait without the kernel, whose main thread must stay free between two cells."""
    wait_until(lambda: len(model.requests) >= count, 60)


def test_a_call_costs_little_over_the_code_itself(kernel: Kernel, tmp_path: Path) -> None:
    kernel.execute(MEASURE)
    itself = median(json.loads(kernel.execute(ITSELF).text.splitlines()[0]))
    rows = [["", "code itself, ms", "added ms, median", "added ms, 90 %"]]
    background = "turn = %codex --bg --kernel run Go."
    for place, line in (
        ("in a cell", "%%codex --kernel run\nGo."),
        ("between cells", background),
        ("in a cell that waits", f"{background}\nturn.wait()"),
    ):
        calls = [call("run", {"code": CODE}, namespace="kernel") for _ in range(CALLS)]
        with ScriptedModel([[*calls, "Done."]], codex_home=tmp_path / place.replace(" ", "-")) as model:
            kernel.use(model)
            kernel.execute("seconds.clear()")
            assert kernel.execute(line).error is None
            wait_for_requests(model, CALLS + 1)
            seconds = json.loads(kernel.execute("print(json.dumps(seconds))").text.splitlines()[0])
        assert len(seconds) == CALLS
        added = sorted(1000 * (value - itself) for value in seconds)
        rows.append([place, f"{1000 * itself:.1f}", f"{median(added):.1f}", f"{quantiles(added, n=10)[-1]:.1f}"])
    table("A call of the kernel's tool run", rows)
