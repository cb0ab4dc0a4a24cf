"""`--dry-run` shows what a turn then sends."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codex_jupyter.testing import ScriptedModel
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]
METHODS = ("thread/start", "thread/resume", "turn/start")


def requests_of(text: str) -> dict[str, dict[str, Any]]:
    """The requests that a dry run shows, by their methods."""
    decoder, requests = json.JSONDecoder(), {}
    for method in METHODS:
        if (start := text.find(f"\n{method}")) >= 0:
            requests[method] = decoder.raw_decode(text, text.index("{", start))[0]
    return requests


def sent(log: Path) -> dict[str, dict[str, Any]]:
    """The last requests of a wire log, by their methods."""
    messages = [json.loads(line)["message"] for line in log.read_text().splitlines()]
    return {message["method"]: message["params"] for message in messages if message.get("method") in METHODS and "id" in message}


@pytest.mark.parametrize("options", ["-s read-only", "-s workspace-write -a on-request -e high -c foo=1", "-m some-model --context vars"])
def test_a_dry_run_shows_the_requests_that_the_turn_then_sends(kernel: Kernel, scripted: Scripted, tmp_path: Path, options: str) -> None:
    """All parameters, apart from the id of the new thread and the texts that follow below."""
    model, log = scripted(["Done."]), tmp_path / "wire.jsonl"
    given = json.dumps({"config": model.config, "env": model.env(), "log_wire": str(log)})
    kernel.execute(f"import json, codex_jupyter\nclient = codex_jupyter.Codex(transport='auto', **json.loads({given!r}))")
    kernel.execute("%codex use client\nvisible = 7")
    shown = kernel.execute(f"%codex --dry-run {options} go")
    assert shown.error is None
    assert kernel.execute(f"%codex {options} go").error is None
    expected, real = requests_of(shown.text), sent(log)
    assert expected.keys() == real.keys() == {"thread/start", "turn/start"}
    for method, parameters in expected.items():
        placeholders = {name for name, value in parameters.items() if "(below)" in json.dumps(value)} | {"threadId"}
        assert parameters.keys() == real[method].keys()
        assert {n: v for n, v in parameters.items() if n not in placeholders} == {
            n: v for n, v in real[method].items() if n not in placeholders
        }
    assert len(model.requests) == 1
