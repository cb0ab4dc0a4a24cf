"""The kernel's side of the chat when things happen at once, go wrong, or come to an end."""

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from codex_jupyter import AgentMessageItem, CommandExecutionItem, Turn
from codex_jupyter.notebook.chat.transcript import TurnView
from codex_jupyter.notebook.render import TurnInfo
from codex_jupyter.testing import ScriptedModel, shell, wait_for
from codex_jupyter.testing.script import Script
from tests.catalogue import DIRECT
from tests.codex_home import used_home
from tests.notebook.chat.pages import ChatPage
from tests.notebook.chat.test_chat import COMMS
from tests.notebook.conftest import LIMIT, Kernel, running_below
from tests.sdk.support.fake import wait_until

Scripted = Callable[[Script], ScriptedModel]
SESSION = "from codex_jupyter.notebook.session.current import current_session\nsession = current_session(get_ipython())"


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds the first turn until it is set."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def chat(kernel: Kernel, scripted: Scripted, gate: threading.Event) -> Iterator[Kernel]:
    """A kernel with a `chat`. In the end, every comm of it must be closed."""
    scripted([[[wait_for(gate, LIMIT), "first"]], "second", "third", "fourth"])
    comms = kernel.execute(COMMS).value
    assert kernel.execute(f"{SESSION}\nimport codex_jupyter\nchat = codex_jupyter.chat()").error is None
    yield kernel
    kernel.execute("%codex stop\nchat.close()\nfor name in ('other', 'box'): globals().pop(name, chat).close()")
    assert kernel.execute(COMMS).value == comms


def colored_png(color: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (30, 20), color).save(data, "PNG")
    return data.getvalue()


def upload(page: ChatPage, item: str, data: bytes) -> str:
    """Send an image as a page does, in two pieces, and return the error."""
    middle = len(data) // 2
    for piece, last in ((data[:middle], False), (data[middle:], True)):
        done = page.do([piece], do="upload", item=item, name=f"{item}.png", last=last)
    return str(done["error"])


def names(images: list[dict[str, Any]]) -> list[str]:
    return [image["caption"].split(" ")[0] for image in images]


def test_the_page_receives_any_error_and_keeps_its_images(chat: Kernel, page: ChatPage) -> None:
    """Also for an unexpected exception."""
    upload(page, "red", colored_png("red"))
    chat.execute("def broken(*args, **options): raise RuntimeError('out of cheese')\nrun, session.run = session.run, broken")
    assert page.do(do="send", text="hello")["error"] == "out of cheese"
    assert names(page.last("meta")["attached"]) == ["red.png"]
    chat.execute("session.run = run\nchat.stop()")


def test_each_queued_prompt_takes_its_own_images(chat: Kernel, page: ChatPage, scripted: Scripted, gate: threading.Event) -> None:
    """An image that is attached later belongs to the prompt that is written later. An edited prompt gets its images back."""
    model = scripted([[[wait_for(gate, LIMIT), "first"]], "second", "third"])
    chat.execute("%config CodexMagics.sandbox = 'danger-full-access'")
    page.do(do="send", text="now")
    for name in ("red", "green", "blue"):
        upload(page, name, colored_png(name))
        page.do(do="send", text=f"what is {name}?")
    queue = page.last("meta")["queue"]
    assert [(entry["text"], len(entry["images"])) for entry in queue] == [(f"what is {name}?", 1) for name in ("red", "green", "blue")]
    page.do(do="unqueue", item=queue[1]["item"], edit=True)
    assert names(page.last("meta")["attached"]) == ["green.png"]
    page.do(do="detach", item="green")
    gate.set()
    page.wait_for_turns(3)
    sent = [[Image.open(io.BytesIO(entry.data)).getpixel((1, 1)) for entry in request.images[-1:]] for request in model.requests]
    assert sent[0] == []
    assert [(255, 0, 0)] in sent
    assert sent[-1] == [(0, 0, 255)]
    assert [(0, 128, 0)] not in sent
    chat.execute("%config CodexMagics.sandbox = ''")


def test_threads_keep_their_names_and_their_history(chat: Kernel, page: ChatPage, scripted: Scripted) -> None:
    """A name stands for one thread; a fork shows what was said before it; any stored thread can be resumed, under a name of its own."""
    scripted(["said", "more", "again"])
    chat.execute("chat.ask('first question').result()")
    page.wait_for_turns()
    main = page.last("meta")["thread_id"]
    assert page.do(do="thread", how="fork", name="")["error"] == ""
    assert chat.execute("chat.thread").value == "'main_fork'"
    assert [turn["prompt"] for turn in page.sync()["turns"]] == ["first question"]
    assert "cannot be" in page.do(do="thread", how="eat", name="x")["error"]
    chat.execute("session.threads.rename('main_fork', 'renamed')")
    assert chat.execute("chat.thread, session.threads.names").value == "('renamed', ['main', 'renamed'])"
    page.do(do="stored", search="", archived=False)
    assert {entry["title"] for entry in page.last("stored")["threads"]} == {"first question"}
    assert "is not a thread id" in page.do(do="thread", how="resume", name="../../etc")["error"]
    page.do(do="thread", how="resume", name=main)
    assert chat.execute("chat.thread").value == "'main'"
    chat.execute("%codex new renamed\nsession.threads.conversations.pop('main')")
    chat.execute("chat.ask('fresh').result()")
    page.wait_for_turns(2)
    page.do(do="thread", how="resume", name=main)
    assert chat.execute("chat.thread").value == "'resumed'"
    assert chat.execute("chat.ask('go on').result().thread_id").value == repr(main)


def test_what_waits_stays_with_its_thread(chat: Kernel, page: ChatPage, gate: threading.Event) -> None:
    """A user who opens another thread meanwhile finds this one on return, also under a new name, in every chat of the thread."""

    def waiting() -> list[str]:
        return [prompt["text"] for prompt in page.last("meta")["queue"]]

    chat.execute("%config CodexMagics.sandbox = 'danger-full-access'\nother = codex_jupyter.chat()")
    second = ChatPage(chat)
    chat.execute("chat.ask('a'); chat.ask('b')")
    chat.execute("chat.thread = 'elsewhere'")
    assert waiting() == []
    chat.execute("other.stop()")
    second.wait_for_turns()
    chat.execute("chat.thread = 'main'")
    assert waiting() == ["b"]
    chat.execute("session.threads.rename('main', 'renamed')")
    assert chat.execute("chat.thread, other.thread").value == "('renamed', 'renamed')"
    assert waiting() == ["b"]
    gate.set()
    assert page.do(do="next")["error"] == ""
    second.wait_for_turns(2)
    assert chat.execute("len(chat.turns), len(other.turns)").value == "(2, 2)"
    chat.execute("%config CodexMagics.sandbox = ''")


def test_messages_of_the_page_do_not_count_as_cells(chat: Kernel) -> None:
    """Otherwise each would take the open figures away from the cell that draws them."""
    chat.execute("fired = []\ncount = lambda: fired.append(1)\nget_ipython().events.register('post_execute', count)")
    comm = chat.execute("print(chat.comm.comm_id)").text.strip()
    before = chat.execute("print(len(fired))").text.strip()
    message = chat.client.session.msg("comm_msg", {"comm_id": comm, "data": {"method": "custom", "content": {"do": "sync"}}})
    chat.client.shell_channel.send(message)
    while (seen := chat.client.get_iopub_msg(timeout=30))["parent_header"].get("msg_id") != message["header"]["msg_id"] or (
        seen["content"].get("execution_state") != "idle"
    ):
        pass
    assert int(chat.execute("print(len(fired))").text.strip()) == int(before) + 1  # the cell that printed before
    chat.execute("get_ipython().events.unregister('post_execute', count)")


def test_the_page_learns_times_models_and_efforts(chat: Kernel, page: ChatPage, gate: threading.Event) -> None:
    """From the CLI's own list. A turn shows when it started and how long it took, also after a reload."""
    gate.set()
    chat.execute("chat.ask('x').wait()")
    page.wait_for_turns()
    (turn,) = page.sync()["turns"]
    assert turn["at"] > 1_700_000_000
    assert turn["took"]
    page.wait(lambda: DIRECT in page.last("meta")["choices"]["model"])
    chat.execute(f"chat.model = {DIRECT!r}")
    meta = page.last("meta")
    assert meta["settings"]["model"] == DIRECT
    efforts = f"print(*next(one.efforts for one in session.client.models.get({LIMIT}) if one.name == {DIRECT!r}))"
    assert meta["choices"]["effort"] == chat.execute(efforts).text.split()


def test_it_ends_with_the_extension(new_kernel: Callable[[], Kernel]) -> None:
    """`%unload_ext` closes what is open; a chat that was closed can be shown again."""
    kernel = new_kernel()
    kernel.execute("%load_ext codex_jupyter\nimport codex_jupyter")
    comms = kernel.execute(COMMS).value
    kernel.execute("chat = codex_jupyter.chat(); display(chat); chat.close()")
    assert kernel.execute(COMMS).value == comms
    shown = kernel.execute("display(chat)")
    assert any("application/vnd.jupyter.widget-view+json" in bundle for bundle in shown.outputs.values())
    assert kernel.execute(COMMS).value != comms
    kernel.execute("%unload_ext codex_jupyter")
    assert kernel.execute(COMMS).value == comms


@pytest.mark.parametrize("how", ["restart", "shutdown"])
def test_a_kernel_that_ends_takes_the_turn_of_a_chat_along(how: str, new_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """With the server, and the command that runs; closing the view alone ends nothing that another may look at."""
    kernel = new_kernel()
    with ScriptedModel([[[shell("sleep 3007")], "never"]], codex_home=used_home(tmp_path / "home")) as model:
        kernel.use(model)
        kernel.execute("%config CodexMagics.sandbox = 'danger-full-access'\nchat = codex_jupyter.chat(); chat.ask('go'); chat.close()")
        wait_until(lambda: running_below(kernel.process, "sleep 3007"), LIMIT)
        started = kernel.process.children(recursive=True)
        if how == "restart":
            kernel.manager.restart_kernel()
        else:
            kernel.close()
        _, alive = psutil.wait_procs(started, timeout=10)
        assert alive == []


def command(output: str, **fields: Any) -> CommandExecutionItem:
    return CommandExecutionItem(id="c", command="make", aggregated_output=output, **fields)


def test_the_output_of_a_command_travels_as_what_was_added() -> None:
    """Below the command, which is sent once; as the card that stays, with the time, when it has ended."""
    now = [10.0]
    view = TurnView("t", "p", TurnInfo(), clock=lambda: now[0])
    sent = []
    for output in ("", "one\n", "one\ntwo\n\x1b[31m"):
        sent += [
            entry
            for entry in view.changes(Turn(thread_id="t", items=(command(output),), open_item_ids=frozenset({"c"})))
            if entry["block"] == "c"
        ]
    assert [entry.get("append", entry.get("text")) for entry in sent] == ["", "one\n", "two\n"]
    assert ["html" in entry for entry in sent] == [True, True, False]
    now[0] += 3.0
    ended = command("one\ntwo\n\x1b[31mred", status="completed", exit_code=0)
    (last,) = [entry for entry in view.changes(Turn(thread_id="t", items=(ended,))) if entry["block"] == "c"]
    assert "text" not in last
    assert "3.0 s" in last["html"]
    assert "red</span>" in last["html"]


def test_a_text_without_end_is_not_sent_without_end() -> None:
    """The page gets the beginning while it grows, and all that the renderer shows in the end."""
    view = TurnView("t", "p", TurnInfo())
    size = 0
    for length in range(0, 1_000_000, 20_000):
        turn = Turn(thread_id="t", items=(AgentMessageItem(id="m", text="word " * (length // 5)),), open_item_ids=frozenset({"m"}))
        size += len(json.dumps(view.changes(turn)))
    assert size < 200_000


def test_an_image_of_the_wrong_kind_is_refused(page: ChatPage) -> None:
    """With its name, and the pieces of it are forgotten."""
    assert "notes.png" in upload(page, "notes", base64.b64encode(b"no image at all" * 100))
    assert upload(page, "notes", colored_png("red")) == ""
    assert len(page.last("meta")["attached"]) == 1
