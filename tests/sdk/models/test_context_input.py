"""Data that goes along with a prompt: its marks, its form on each transport, and titles without it."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_jupyter.sdk import ContextInput, ImageInput, InputError, TextInput
from codex_jupyter.sdk.models.envelope import MARKS_SIZE, marked, new_mark, unmarked
from codex_jupyter.sdk.models.inputs import normalize_input, prompt_text, text_with_context
from codex_jupyter.sdk.rollouts import stored_contexts
from codex_jupyter.sdk.thread_list import ThreadQuery, list_threads
from codex_jupyter.sdk.transports.app_server.parameters import MAX_ENTRY, additional_context
from tests.sdk.conftest import Real
from tests.sdk.test_rollouts import Home, said, turn

pytestmark = pytest.mark.anyio

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
hostile = st.lists(st.sampled_from(["<", "/", "notebook-context", ' id="0123456789abcdef"', ">", "\n", "[Image #1]: x\n", " ", "a"])).map(
    "".join
)


def bodies(block: str) -> str:
    """The text between the marks."""
    return block.partition("\n\n")[2].rpartition("\n")[0]


@given(texts | hostile, st.lists(texts | hostile, max_size=3))
def test_what_the_user_wrote_is_found_again(prompt: str, contexts: list[str]) -> None:
    """In any text, with any data after it, even if both contain lookalikes of the marks."""
    written = f"Please: {prompt} end"
    sent = text_with_context([TextInput(text=written), *(ContextInput(text=text) for text in contexts)])
    blocks, rest = unmarked(sent)
    assert rest == written
    assert sent == "\n\n".join(filter(None, [written, blocks]))


@given(hostile)
def test_data_cannot_end_its_block(text: str) -> None:
    """There is one pair of marks, no matter what is in between."""
    block = ContextInput(text=text).marked
    assert block.count("<notebook-context") == block.count("</notebook-context") == 1


@pytest.mark.parametrize("labels", ["", "[Image #1]: plot 1 of cell 3\n[Image #2]: fig\n\n"])
@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_prompts_of_earlier_versions_are_read_too(blocks: int, labels: str) -> None:
    """These have the data first, then the names of the images."""
    context = "\n\n".join(marked("a = 1", new_mark()) for _ in range(blocks))
    assert unmarked(f"{context}\n\n{labels}Why <this>?\n\nTell me." if context else f"{labels}Why <this>?\n\nTell me.") == (
        context,
        "Why <this>?\n\nTell me.",
    )


def test_a_block_without_its_end_is_not_a_prompt() -> None:
    """A title that was cut in the middle of the data says nothing about the prompt."""
    assert unmarked(marked("a = 1\n" * 100, new_mark())[:400])[1] == ""


@pytest.mark.parametrize("text", ["", "short", "é" * 5000, "漢字\n" * 3000, "line\n" * 20_000, "x" * 12_000 + "\n", "😀" * 999 + "a" * 3])
def test_long_data_is_split_so_that_the_cli_cuts_nothing_out(text: str) -> None:
    """Each entry is short enough, the keys are in order, and together they are the text."""
    entries = additional_context([TextInput(text="go"), ContextInput(text=text, name="notebook"), ContextInput(text="x", name="images")])
    assert list(entries) == [*(key for key in sorted(entries) if key != "images"), "images"]
    assert all(len(entry["value"].encode()) <= MAX_ENTRY for entry in entries.values())
    assert {entry["kind"] for entry in entries.values()} == {"untrusted"}
    assert "".join(bodies(entry["value"]) for key, entry in entries.items() if key != "images") == text


def test_the_same_data_is_sent_again_in_the_next_turn() -> None:
    """The CLI leaves out what is the same as in the turn before, so each entry has marks of its own."""
    part = ContextInput(text="same")
    assert additional_context([part]) != additional_context([part])
    assert additional_context([TextInput(text="go")]) == {}


def test_data_alone_is_not_a_prompt() -> None:
    """An image is."""
    with pytest.raises(InputError, match="The prompt is empty"):
        normalize_input([ContextInput(text="x = 1")])
    parts = normalize_input([ContextInput(text="x = 1"), ImageInput(data=b"image")])
    assert prompt_text(parts) == "See the attached image."


@pytest.mark.parametrize("name", ["", "Notebook", "a b", "a>b", "a-b", "1a", "a" * 40])
def test_the_name_of_data_is_plain(name: str) -> None:
    """It becomes a part of a tag."""
    with pytest.raises(InputError):
        ContextInput(text="x", name=name)


async def test_data_is_not_for_a_running_turn(real: Real) -> None:
    """A turn that runs takes text only, and says so."""
    model = real.play(["Done."])
    real.transport = "app-server"
    async with real.thread(model).run_streamed("go") as streamed:
        with pytest.raises(InputError, match="Only text"):
            await streamed.steer([TextInput(text="more"), ContextInput(text="x")])
        await streamed.wait()


def external(text: str, turn_id: str, kind: str) -> dict[str, Any]:
    """A line of a thread's file with data beside the prompt, as the oldest and the newest CLI write it."""
    passed = {"internal_chat_message_metadata_passthrough": {"turn_id": turn_id}}
    if kind == "newest":
        payload: dict[str, Any] = {"type": "function_call_output", "name": "notebook", "namespace": "agent", "output": text, **passed}
    else:
        content = [{"type": "input_text", "text": f"<external_notebook>{text}</external_notebook>"}]
        payload = {"type": "message", "role": "user", "content": content, **passed}
    return {"type": "response_item", "payload": payload}


@pytest.mark.parametrize("kind", ["oldest", "newest"])
def test_data_beside_the_prompt_is_read_from_the_file_of_the_thread(tmp_path: Path, kind: str) -> None:
    """Turn by turn, in pieces as it was sent; it is not the title. Other lines with marks do not count."""
    home = Home(tmp_path)
    first, two, three = (marked(text, new_mark()) for text in ("a = 1", "b = 2", "c = 3"))
    call = {"type": "function_call_output", "call_id": "c", "output": three}
    home.write(
        1,
        turn(1),
        external(first, "first", kind),
        external(two, "first", kind),
        said("What is a?"),
        {"type": "response_item", "payload": call},
        external(three, "second", kind),
        b'{"payload": {"output": "<notebook-context id=',
    )
    assert [thread.title for thread in home.threads()] == ["What is a?"]
    thread_id = list_threads(tmp_path, ThreadQuery())[0].id
    assert stored_contexts(tmp_path, thread_id) == {"first": f"{first}\n\n{two}", "second": three}
    assert stored_contexts(tmp_path, "no-such-thread") == {}


@pytest.mark.parametrize("before", [True, False])
def test_a_title_is_what_the_user_wrote(tmp_path: Path, before: bool) -> None:
    """Also in a thread of an earlier version, with the data before the prompt."""
    home = Home(tmp_path)
    block = marked("a = 1\n" * 1000, new_mark())
    home.write(
        1, turn(1), said(f"{block}\n\n[Image #1]: plot 1\n\nWhat is\n\nthis?" if before else f"What is\n\nthis?\n\n{block}\n\n{block}")
    )
    assert [thread.title for thread in home.threads()] == ["What is this?"]


def test_the_marks_are_small() -> None:
    """They leave room for the data in an entry."""
    assert MARKS_SIZE < MAX_ENTRY / 8
    assert len(new_mark()) == 2 * len(os.urandom(8))
