"""Behaviours that the tests of the official Python SDK describe, with the real CLI, over both of its interfaces.

More of them are in the tests of their part: thread management, inputs, options of a turn, failures, retries, logins and final answers.
"""

import base64
import io
import threading

import anyio
import pytest
from PIL import Image

from codex_jupyter.sdk import (
    ImageInput,
    LocalImageInput,
    SkillInput,
    TextInput,
    ThreadStartedEvent,
    TurnFailedError,
    TurnInterruptedError,
    UserInput,
)
from codex_jupyter.testing import fail, say, shell, wait_for
from tests.sdk.conftest import Real

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("transport", ["exec", "app-server"])]


@pytest.fixture
def client(real: Real, transport: str) -> Real:
    real.transport = transport
    return real


def png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (3, 2), (200, 10, 30)).save(data, "PNG")
    return data.getvalue()


async def test_the_last_message_of_an_agent_is_its_answer_even_if_it_is_empty(client: Real) -> None:
    turn = await client.thread([[[say("First message"), say("")]]]).run("hello")
    assert (len(turn.items), turn.final_response) == (2, "")


async def test_streams_of_two_turns_can_be_read_alternately(client: Real) -> None:
    model = client.play(["One.", "Two."])
    codex = client.codex(model)
    threads = [codex.start_thread(working_directory=client.workspace, skip_git_repo_check=True) for _ in range(2)]
    async with threads[0].run_streamed("first") as first, threads[1].run_streamed("second") as second:
        assert isinstance(await anext(first), ThreadStartedEvent)
        assert isinstance(await anext(second), ThreadStartedEvent)
        answers = {(await first.wait()).final_response, (await second.wait()).final_response}
    assert answers == {"One.", "Two."}
    assert threads[0].id != threads[1].id


async def test_models_can_be_listed_and_threads_read_while_a_turn_is_streamed(client: Real) -> None:
    release = threading.Event()
    model = client.play(["Before.", [[wait_for(release), "After."]]])
    codex = client.codex(model)
    thread = codex.start_thread(working_directory=client.workspace, skip_git_repo_check=True)
    await thread.run("one")
    async with thread.run_streamed("two") as streamed:
        await anext(streamed)
        assert any(entry.is_default for entry in await codex.models())
        assert (await codex.read_thread(thread.id or "")).turns[0].prompt == "one"
        release.set()
        assert (await streamed.wait()).final_response == "After."


async def test_requests_that_start_the_client_at_the_same_time_all_succeed(client: Real) -> None:
    codex = client.codex(client.play([]))
    names: list[set[str]] = []

    async def ask() -> None:
        names.append({entry.name for entry in await codex.models()})

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask)
    assert names[0] == names[1] == names[2] != set()


async def test_images_from_files_and_data_urls_reach_the_model_as_they_are(client: Real) -> None:
    (client.folder / "local.png").write_bytes(png())
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    model = client.play(["Seen."])
    parts: list[UserInput] = [TextInput(text="Describe"), LocalImageInput(path=client.folder / "local.png"), ImageInput(url=url)]
    await client.thread(model).run(parts)
    assert [image.data for image in model.requests[0].images] == [png(), png()]
    assert model.requests[0].prompt == "Describe"


async def test_a_skill_of_the_working_directory_is_given_to_the_model_with_its_name_path_and_text(client: Real) -> None:
    skill = client.workspace / ".agents" / "skills" / "demo" / "SKILL.md"
    skill.parent.mkdir(parents=True)
    skill.write_text("---\nname: demo\ndescription: demo skill\n---\n\nUse the word cobalt.\n")
    model = client.play(["Done."])
    await client.thread(model).run([TextInput(text="Use the selected skill."), SkillInput(name="demo", path=skill)])
    (block,) = [text for text in _texts(model.requests[0].input) if text.startswith("<skill>")]
    assert "<name>demo</name>" in block
    assert f"<path>{skill.resolve()}</path>" in block
    assert "Use the word cobalt." in block


async def test_a_key_is_stored_read_as_the_account_and_removed(client: Real) -> None:
    model = client.play([])
    provider = model.config["model_providers"]["demo"] | {"requires_openai_auth": True}
    del provider["env_key"]
    codex = client.codex(model, config={"model_providers": {"demo": provider}})
    assert (await codex.login_api_key("sk-" + "sdk-login-test")).type == "apiKey"
    stored = (await codex.account()).account
    assert stored is not None
    assert stored.type == "apiKey"
    await codex.logout()
    assert (await codex.account()).account is None


async def test_a_stored_thread_is_read_as_pairs_of_prompts_and_answers(client: Real) -> None:
    model = client.play(["first answer", "second answer"])
    thread = client.thread(model)
    await thread.run("first question")
    await thread.run("second question")
    history = await client.codex(model).read_thread(thread.id or "")
    pairs = [(stored.prompt, stored.turn.final_response) for stored in history.turns]
    assert pairs == [("first question", "first answer"), ("second question", "second answer")]
    assert all(stored.id for stored in history.turns)


async def test_a_failed_turn_raises_its_reason_and_the_thread_can_be_used_again(client: Real) -> None:
    thread = client.thread([[fail(400, "boom", "invalid_request_error")], "Back."])
    with pytest.raises(TurnFailedError, match="boom"):
        await thread.run("go")
    assert (await thread.run("again")).final_response == "Back."


async def test_an_interrupted_turn_keeps_what_it_said_and_the_next_turn_sees_the_thread(client: Real) -> None:
    model = client.play([[["I look.", shell("sleep 60")]], "Continued."])
    thread = client.thread(model)
    async with thread.run_streamed("start") as streamed:
        async for event in streamed:
            if event.type == "item.started" and event.item.type == "command_execution":
                break
        await streamed.interrupt()
        with pytest.raises(TurnInterruptedError):
            await streamed.wait()
    assert streamed.turn.final_response == "I look."
    assert (await thread.run("continue")).final_response == "Continued."
    assert "start" in "".join(_texts(model.requests[-1].input))


def _texts(items: list[dict[str, object]]) -> list[str]:
    """The texts of the messages of a request."""
    texts = []
    for item in items:
        content = item.get("content")
        texts += [str(part.get("text")) for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return texts
