"""What a prompt takes along from the kernel, seen at the model."""

from collections.abc import Callable, Iterator

import pytest

from codex_jupyter.testing import RecordedRequest, ScriptedModel
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]


def sent(request: RecordedRequest) -> str:
    """What came with the last prompt of a request, the prompt included."""
    answers = [number for number, item in enumerate(request.input) if item.get("role") == "assistant"]
    return "\n".join(str(item) for item in request.input[max(answers, default=-1) + 1 :] if item.get("role") != "developer")


@pytest.fixture
def telling(kernel: Kernel) -> Iterator[Kernel]:
    """The kernel, telling what it tells by default."""
    kernel.execute("%config CodexMagics.context = 'auto'")
    yield kernel
    kernel.execute("%config CodexMagics.context = 'none'")


def test_variables_go_along_once_and_then_as_a_difference(telling: Kernel, scripted: Scripted) -> None:
    """Names and types, no values; what was sent stands folded in the header; the next prompt tells only what is new."""
    model = scripted(["one", "two", "three"])
    telling.execute("temperature = [20.5, 21.25]\npassword = 'hunter2'")
    done = telling.execute("%%codex\nWhat do I have?")
    assert "temperature" in sent(model.requests[0])
    assert "21.25" not in sent(model.requests[0])
    assert "hunter2" not in sent(model.requests[0])
    assert model.requests[0].prompt.strip() == "What do I have?"
    assert "variable" in done.text
    assert "<details" in done.html
    assert "temperature" in done.html
    telling.execute("pressure = 3")
    telling.execute("%%codex\nAnd now?")
    assert "pressure" in sent(model.requests[1])
    assert "temperature" not in sent(model.requests[1])
    telling.execute("%%codex --new\nFrom the start.")
    assert "temperature" in sent(model.requests[2])


def test_a_cell_may_tell_more_or_nothing(telling: Kernel, scripted: Scripted) -> None:
    """`--context` holds for the cell, and a wrong one is a usage error."""
    model = scripted(["one", "two"])
    telling.execute("number = 12345")
    telling.execute("%%codex --context vars:number\nhow much?")
    assert "12345" in sent(model.requests[0])
    telling.execute("%%codex --context none --new\nnothing")
    assert model.requests[1].prompt.strip() == "nothing"
    assert "everything" in telling.execute("%%codex --context everything\ngo").text
    assert "12345" in telling.execute("%codex context vars:number").text


def test_a_failed_cell_is_fixed_in_a_new_one(telling: Kernel, scripted: Scripted) -> None:
    """The error and the cell go along; the repaired code is put below and not run."""
    model = scripted(["It was a zero.\n\n```python\nratio = 1 / 2\n```\n"])
    telling.execute("ratio = 1 / 0")
    reply = telling.client.execute("%codex fix", reply=True, timeout=30)
    assert "ZeroDivisionError" in sent(model.requests[0])
    assert "ratio = 1 / 0" in sent(model.requests[0])
    assert [one["text"] for one in reply["content"]["payload"] if one["source"] == "set_next_input"] == ["ratio = 1 / 2"]
    assert telling.execute("'ratio' in globals()").value == "False"


def test_there_may_be_nothing_to_fix(new_kernel: Callable[[], Kernel]) -> None:
    """It is said in one line."""
    assert "No cell has failed" in new_kernel().execute("%codex fix").text
