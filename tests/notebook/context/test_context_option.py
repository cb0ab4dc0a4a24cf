"""The context that a prompt takes along from the kernel, as the model receives it."""

from collections.abc import Callable, Iterator

import pytest

from codex_jupyter.testing import RecordedRequest, ScriptedModel
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]


def sent(request: RecordedRequest) -> str:
    """Return the context of the last prompt of a request, with the prompt."""
    answers = [number for number, item in enumerate(request.input) if item.get("role") == "assistant"]
    return "\n".join(str(item) for item in request.input[max(answers, default=-1) + 1 :] if item.get("role") != "developer")


@pytest.fixture
def default_context(kernel: Kernel) -> Iterator[Kernel]:
    """Return the kernel, with the default context."""
    kernel.execute("%config CodexMagics.context = 'auto'")
    yield kernel
    kernel.execute("%config CodexMagics.context = 'none'")


def test_variables_go_along_once_and_then_as_a_difference(default_context: Kernel, scripted: Scripted) -> None:
    """Names and types, no values. The sent text is folded in the header. The next prompt sends only what is new."""
    model = scripted(["one", "two", "three"])
    default_context.execute("temperature = [20.5, 21.25]\npassword = 'hunter2'")
    done = default_context.execute("%%codex\nWhat do I have?")
    assert "temperature" in sent(model.requests[0])
    assert "21.25" not in sent(model.requests[0])
    assert "hunter2" not in sent(model.requests[0])
    assert model.requests[0].prompt.strip() == "What do I have?"
    assert "variable" in done.text
    assert "<details" in done.html
    assert "temperature" in done.html
    default_context.execute("pressure = 3")
    default_context.execute("%%codex\nAnd now?")
    assert "pressure" in sent(model.requests[1])
    assert "temperature" not in sent(model.requests[1])
    default_context.execute("%%codex --new\nFrom the start.")
    assert "temperature" in sent(model.requests[2])


def test_a_cell_can_send_more_context_or_none(default_context: Kernel, scripted: Scripted) -> None:
    """`--context` holds for the cell, and a wrong one is a usage error."""
    model = scripted(["one", "two"])
    default_context.execute("number = 12345")
    default_context.execute("%%codex --context vars:number\nhow much?")
    assert "12345" in sent(model.requests[0])
    default_context.execute("%%codex --context none --new\nnothing")
    assert model.requests[1].prompt.strip() == "nothing"
    assert "everything" in default_context.execute("%%codex --context everything\ngo").text
    assert "12345" in default_context.execute("%codex context vars:number").text


def test_a_failed_cell_is_fixed_in_a_new_one(default_context: Kernel, scripted: Scripted) -> None:
    """The error and the cell go along; the repaired code is put below and not run."""
    model = scripted(["It was a zero.\n\n```python\nratio = 1 / 2\n```\n"])
    default_context.execute("ratio = 1 / 0")
    reply = default_context.client.execute("%codex fix", reply=True, timeout=30)
    assert "ZeroDivisionError" in sent(model.requests[0])
    assert "ratio = 1 / 0" in sent(model.requests[0])
    assert [payload["text"] for payload in reply["content"]["payload"] if payload["source"] == "set_next_input"] == ["ratio = 1 / 2"]
    assert default_context.execute("'ratio' in globals()").value == "False"


def test_there_may_be_nothing_to_fix(new_kernel: Callable[[], Kernel]) -> None:
    """It is said in one line."""
    assert "No cell has failed" in new_kernel().execute("%codex fix").text
