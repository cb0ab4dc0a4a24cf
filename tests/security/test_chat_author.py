"""The arguments of a chat are an upper bound for its page, which in Voila a visitor controls.

Each test is a hostile page: it sends the widget's messages by hand over comms of a real kernel, and knows all that a page knows.
"""

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pytest
from tornado.websocket import websocket_connect

from codex_jupyter.testing import ScriptedModel, shell
from codex_jupyter.testing.script import Script
from tests.notebook.chat.pages import ChatPage
from tests.notebook.chat.test_faults import SESSION
from tests.notebook.conftest import LIMIT, Kernel

Scripted = Callable[[Script], ScriptedModel]
OTHER_THREADS = "Other threads are refused, because the author locked this chat to its thread."
NOT_SHARED = "Plots, variables and files of the notebook are refused, because the author of this chat does not share them."


class HostilePage(ChatPage):
    """A page that sends what it wants over its own comm."""

    def error(self, **action: Any) -> str:
        """Perform an action and return its error, which is empty if it was done."""
        return str(self.do(**action)["error"])

    @property
    def meta(self) -> dict[str, Any]:
        """The newest state around the conversation."""
        return self.last("meta")


@pytest.fixture
def author(kernel: Kernel) -> Iterator[Callable[[str], HostilePage]]:
    """Open a chat with the author's arguments, and a hostile page on it."""
    kernel.execute(f"{SESSION}\nimport codex_jupyter")

    def open_chat(arguments: str) -> HostilePage:
        assert kernel.execute(f"chat = codex_jupyter.chat({arguments})").error is None
        page = HostilePage(kernel)
        page.sync()
        return page

    yield open_chat
    kernel.execute("%codex stop\nchat.close()\n%config CodexMagics.sandbox = ''\n%config CodexMagics.approval = ''")
    kernel.execute("%config CodexMagics.model = ''")


WRITES: Script = [[shell("echo > written.txt"), "Done."]]


@pytest.mark.parametrize("arguments", ["sandbox='read-only'", "sandbox='read-only', locked=True"])
def test_a_page_cannot_raise_the_sandbox_that_the_author_set(
    author: Callable[[str], HostilePage], kernel: Kernel, scripted: Scripted, tmp_path: Path, arguments: str
) -> None:
    scripted(WRITES)
    kernel.execute("%config CodexMagics.sandbox = 'danger-full-access'")
    page = author(arguments)
    for mode in ("workspace-write", "danger-full-access"):
        refused = f"The sandbox {mode} is refused, because the author of this chat allows at most read-only."
        assert page.error(do="choose", trait="sandbox", value=mode) == refused
    assert page.error(do="choose", trait="sandbox", value="") == ""  # not the notebook's setting, which is above the author's
    assert page.meta["choices"]["sandbox"] == ["read-only"]
    assert page.error(do="send", text="%codex -s danger-full-access write") == ""
    page.wait_for_turns()
    assert kernel.execute("session.threads.turns[-1].info.sandbox").value == "'read-only'"
    assert not (tmp_path / "work" / "written.txt").exists()


@pytest.mark.parametrize("locked", [True, False])
def test_a_page_cannot_raise_the_rights_of_the_preset_that_the_author_set(
    author: Callable[[str], HostilePage], kernel: Kernel, *, locked: bool
) -> None:
    """The settings of the notebook may allow more."""
    kernel.execute("%config CodexMagics.sandbox = 'danger-full-access'")
    page = author(f"locked={locked}")
    for preset, most, more in (("ask", "workspace-write", "danger-full-access"), ("read-only", "read-only", "workspace-write")):
        kernel.execute(f"chat.preset = {preset!r}")
        refused = f"The sandbox {more} is refused, because the author of this chat allows at most {most}."
        assert page.error(do="choose", trait="sandbox", value=more) == refused
        assert "the author of this chat set its rights" in page.error(do="choose", trait="preset", value="full")
        assert page.error(do="choose", trait="sandbox", value="read-only") == ""
    assert kernel.execute("chat.preset, chat.sandbox").value == "('read-only', 'read-only')"


def test_a_page_can_choose_a_stricter_sandbox_and_return_to_that_of_the_author(
    author: Callable[[str], HostilePage], kernel: Kernel
) -> None:
    page = author("sandbox='workspace-write'")
    assert page.meta["choices"]["sandbox"] == ["read-only", "workspace-write"]
    for value, now in (("read-only", "read-only"), ("", "workspace-write"), ("workspace-write", "workspace-write")):
        assert page.error(do="choose", trait="sandbox", value=value) == ""
        assert kernel.execute("chat.sandbox").value == repr(now)
    kernel.execute("chat.sandbox = 'danger-full-access'")
    assert page.error(do="choose", trait="sandbox", value="danger-full-access") == ""


def test_a_model_and_an_effort_that_the_author_set_are_fixed(author: Callable[[str], HostilePage], kernel: Kernel) -> None:
    page = author("model='small', effort='low'")
    assert (
        page.error(do="choose", trait="model", value="big")
        == "The model big is refused, because the author of this chat set model to small."
    )
    assert "set effort to low" in page.error(do="choose", trait="effort", value="high")
    assert kernel.execute("chat.model, chat.effort").value == "('small', 'low')"


def test_without_arguments_the_page_of_an_author_chooses_freely(author: Callable[[str], HostilePage], kernel: Kernel) -> None:
    page = author("")
    kernel.execute("number = 5")
    for trait, value in (("sandbox", "danger-full-access"), ("model", "big"), ("effort", "high"), ("thread", "other")):
        assert page.error(do="choose", trait=trait, value=value) == ""
    assert page.error(do="stored", search="", archived=False) == page.error(do="plots") == page.error(do="offers", word="num") == ""


def test_a_locked_page_is_bound_by_the_settings_of_the_notebook(author: Callable[[str], HostilePage], kernel: Kernel) -> None:
    """Without a setting, only a stricter sandbox than any configuration can be chosen."""
    page = author("locked=True")
    assert "locked it" in page.error(do="choose", trait="sandbox", value="workspace-write")
    assert "locked it" in page.error(do="choose", trait="model", value="big")
    assert page.error(do="choose", trait="sandbox", value="read-only") == ""
    kernel.execute("%config CodexMagics.sandbox = 'workspace-write'\n%config CodexMagics.model = 'small'")
    assert "allows at most workspace-write" in page.error(do="choose", trait="sandbox", value="danger-full-access")
    assert "set model to small" in page.error(do="choose", trait="model", value="big")
    assert page.error(do="choose", trait="sandbox", value="workspace-write") == ""
    kernel.execute("%config CodexMagics.sandbox = 'read-only'")
    assert "allows at most read-only" in page.error(do="send", text="go")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another thread": ({"do": "choose", "trait": "thread", "value": "private"}, OTHER_THREADS),
    "a new thread": ({"do": "thread", "how": "new", "name": "x"}, OTHER_THREADS),
    "a fork": ({"do": "thread", "how": "fork", "name": "x"}, OTHER_THREADS),
    "a name": ({"do": "thread", "how": "rename", "name": "x"}, OTHER_THREADS),
    "a stored thread": ({"do": "thread", "how": "resume", "name": "0" * 32}, OTHER_THREADS),
    "the list of stored threads": ({"do": "stored", "search": "", "archived": False}, OTHER_THREADS),
    "plots": ({"do": "plots"}, NOT_SHARED),
    "a plot": ({"do": "attach", "spec": "plot:1"}, NOT_SHARED),
    "a file": ({"do": "attach", "spec": "secret.png"}, NOT_SHARED),
}


def test_a_locked_page_reaches_no_other_thread_variable_or_file(
    author: Callable[[str], HostilePage], kernel: Kernel, tmp_path: Path
) -> None:
    kernel.execute("from PIL import Image\nImage.new('RGB', (9, 9)).save('secret.png')\npassword = 'xyzzy'")
    page = author("locked=True")
    before = kernel.execute("chat.thread, session.threads.names").value
    assert {name: page.error(**action) for name, (action, _) in REFUSED.items()} == {
        name: refused for name, (_, refused) in REFUSED.items()
    }
    assert kernel.execute("chat.thread, session.threads.names").value == before
    assert page.meta["threads"] == [{"name": "main", "title": "main"}]
    assert page.meta["attached"] == []
    shared = author("locked=True, variables=True")
    assert "Files of the notebook are refused" in shared.error(do="attach", spec="secret.png")
    assert "Files of the notebook are refused" in shared.error(do="attach", spec="plot:1/../secret.png")


def test_names_in_the_text_of_a_locked_page_stay_text(author: Callable[[str], HostilePage], kernel: Kernel, scripted: Scripted) -> None:
    """Nothing of the kernel goes to the model, unless the author shares it."""
    model = scripted(["One.", "Two."])
    kernel.execute(
        "from PIL import Image\nfig = Image.new('RGB', (40, 40), 'red')\npassword = 'xyzzy'\n%config CodexMagics.context = 'auto'"
    )
    page = author("locked=True")
    text = "{password} @fig @plot"
    assert page.error(do="send", text=text) == ""
    page.wait_for_turns()
    assert model.requests[-1].prompt == text
    assert model.requests[-1].images == []
    assert not re.search(r"xyzzy|PIL\.Image", str(model.requests[-1].input))
    kernel.execute("chat.close()")
    page = author("locked=True, variables=True")
    assert page.error(do="send", text="{password} @fig") == ""
    page.wait_for_turns()
    assert "xyzzy" in model.requests[-1].prompt
    assert len(model.requests[-1].images) == 1


ASKS: Script = [[shell("echo > written.txt", justification="please"), "Done."]]


def test_a_locked_page_cannot_approve_what_its_author_did_not_let_it_approve(
    author: Callable[[str], HostilePage], kernel: Kernel, scripted: Scripted, tmp_path: Path
) -> None:
    scripted(ASKS)
    kernel.execute("%config CodexMagics.approval = 'on-request'\n%config CodexMagics.sandbox = 'read-only'")
    page = author("locked=True")
    assert page.error(do="send", text="go") == ""
    page.wait_for_turns()
    assert not (tmp_path / "work" / "written.txt").exists()
    assert all(message["question"] is None for message in page.of("question"))


def test_a_locked_page_approves_its_own_turns_once_if_the_author_allows_it(
    author: Callable[[str], HostilePage], kernel: Kernel, scripted: Scripted, tmp_path: Path
) -> None:
    scripted(ASKS)
    page = author("locked=True, sandbox='read-only', approval='on-request'")
    assert page.error(do="send", text="go") == ""
    card = page.wait_for_question()
    assert "accept_always" not in str(card["question"]["choices"])
    number = card["number"]
    assert page.error(do="answer", number=number, choice="accept_always") == "This is not an answer to what is asked."
    assert page.error(do="answer", number=number, choice="accept") == ""
    page.wait_for_turns()
    assert (tmp_path / "work" / "written.txt").exists()


def test_a_locked_page_neither_steers_nor_approves_a_turn_that_a_cell_started(
    author: Callable[[str], HostilePage], kernel: Kernel, scripted: Scripted, tmp_path: Path
) -> None:
    """The cell may have given it more rights. No one else is there to answer, so the approval is declined."""
    model = scripted([[shell("echo > written.txt", justification="please"), [shell("sleep 3019"), "Done."]]])
    page = author("locked=True, approval='on-request'")
    kernel.execute("%codex --bg -s danger-full-access go")
    page.wait(lambda: bool(page.meta["running"]))
    assert page.error(do="steer", text="delete all") == (
        "Steering is refused, because this turn was not started in this chat, which its author locked."
    )
    kernel.execute("%codex stop\n%codex wait")
    kernel.execute("%codex new")
    model = scripted(ASKS)
    kernel.execute("%codex --bg -s read-only -a on-request go")
    page.wait_for_turns(2)
    assert all(message["question"] is None for message in page.of("question"))
    assert not (tmp_path / "work" / "written.txt").exists()
    assert "delete all" not in str([request.input for request in model.requests])


@pytest.mark.parametrize(
    ("env", "arguments", "locked"),
    [
        ({"SERVER_SOFTWARE": "voila/0.5.13"}, "", True),
        ({"VOILA_BASE_URL": "/"}, "", True),
        ({"SERVER_SOFTWARE": "voila/0.5.13"}, "locked=False", False),
    ],
    ids=["voila", "preheated", "the author's word"],
)
def test_a_kernel_of_voila_locks_its_chats_unless_the_author_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], arguments: str, locked: bool
) -> None:
    from codex_jupyter.notebook.chat.bounds import Bounds

    for name, value in env.items():
        monkeypatch.setenv(name, value)
    said = False if arguments else None
    bounds = Bounds(locked=said, variables=None, approval="", settings={"model": "", "sandbox": "", "effort": ""})
    assert (bounds.locked, bounds.variables, bounds.answers) == (locked, not locked, not locked)


@pytest.mark.integration
def test_a_visitor_of_voila_cannot_exceed_the_default_rights(tmp_path: Path) -> None:
    """A real Voila, its page opened without a browser, and a visitor who speaks to the kernel as the page could."""
    name = tmp_path / "app.ipynb"
    code = "%load_ext codex_jupyter\nimport codex_jupyter\npassword = 'xyzzy'\ncodex_jupyter.chat()"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "voila", str(name), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as voila:
        try:
            page = _page_of(f"http://{url}/")
            match = re.search(r'"kernelId": ?"([^"]+)"', page)
            assert match is not None
            visit = _visit(f"ws://{url}/api/kernels/{match[1]}/channels")
            said = asyncio.run(asyncio.wait_for(visit, LIMIT))
        finally:
            voila.terminate()
    assert said["execute"] == "nothing"
    assert "sandbox danger-full-access is refused" in said["choose"]
    assert said["stored"] == OTHER_THREADS
    assert said["plots"] == NOT_SHARED
    assert said["a page of JupyterLab"] == "comm_close"


def _page_of(url: str) -> str:
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            with urllib.request.urlopen(url, timeout=LIMIT) as answer:  # noqa: S310 - our own server
                return str(answer.read(), "utf-8")
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, "Voila does not answer"
            time.sleep(0.1)


async def _visit(url: str) -> dict[str, str]:
    """Send a visitor's messages; return what was answered to each."""
    connection = await websocket_connect(url)
    said = {"execute": "nothing"}

    async def send(kind: str, **content: Any) -> None:
        header = {"msg_id": f"{kind}-{len(said)}", "msg_type": kind, "session": "visitor", "username": "", "version": "5.3"}
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {"version": "1.0.0"},
            "content": content,
            "channel": "shell",
            "buffers": [],
        }
        await connection.write_message(json.dumps(message))

    async def receive(wanted: Callable[[dict[str, Any]], Any]) -> Any:
        while True:
            text = await connection.read_message()
            assert text is not None
            message = json.loads(text)
            if message["msg_type"] in ("execute_reply", "execute_result"):
                said["execute"] = "answered"
            if match := wanted(message):
                return match

    await send("execute_request", code="1", silent=False)
    await send("comm_open", comm_id="states", target_name="jupyter.widget.control", data={})
    await send("comm_msg", comm_id="states", data={"method": "request_states"})
    states = await receive(lambda message: _data(message).get("states"))
    key = next(state["state"]["_key"] for state in states.values() if "_key" in state["state"])

    await send("comm_open", comm_id="hostile", target_name="codex_jupyter.chat", data={"chat": key})
    await send("comm_msg", comm_id="hostile", data={"chat": key, "do": "sync"})
    secret = await receive(lambda message: _data(message).get("content", {}).get("secret"))
    hostile: dict[str, dict[str, object]] = {
        "choose": {"do": "choose", "trait": "sandbox", "value": "danger-full-access"},
        "stored": {"do": "stored", "search": "", "archived": False},
        "plots": {"do": "plots"},
    }
    for name, action in hostile.items():
        await send("comm_msg", comm_id="hostile", data={**action, "chat": key, "secret": secret, "id": name})
        done = await receive(partial(_answer, name))
        said[name] = done["error"]

    # Pages of JupyterLab have all rights of the notebook, so a kernel of Voila accepts none.
    await send("comm_open", comm_id="page", target_name="codex_jupyter.lab", data={"page": "page", "role": "events", "protocol": 2})
    answer = await receive(lambda message: message["content"].get("comm_id") == "page" and message)
    said["a page of JupyterLab"] = answer["msg_type"]
    connection.close()
    return said


def _data(message: dict[str, Any]) -> dict[str, Any]:
    """Return what a message on a comm contains."""
    data: dict[str, Any] = message["content"]["data"] if message["msg_type"] == "comm_msg" else {}
    return data


def _answer(name: str, message: dict[str, Any]) -> Any:
    """Return the answer to an action, if a message holds it."""
    content = _data(message).get("content", {})
    return content if content.get("id") == name else None
