"""An error in a renderer or a display neither leaves a turn running unseen nor loses what it did."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from codex_jupyter.testing import ScriptedModel, shell, think, write_file
from codex_jupyter.testing.script import Script
from tests.codex_home import used_home
from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import LIMIT, Kernel, running_below
from tests.notebook.display.test_terminal_display import ipython
from tests.sdk.support.fake import wait_until

__all__ = ["ipython"]

Scripted = Callable[[Script], ScriptedModel]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WORK: Script = [
    [
        [think("**Hm**"), shell(f"echo $((40 + 2)) | tee made.txt; echo {PIXEL} | base64 -d > a.png")],
        write_file("d.txt", "d\n"),
        "The answer.",
    ],
    "The second answer.",
]
NOTE = "cannot be displayed as usual (RuntimeError), so it is plain text"
PUBLISH = "get_ipython().display_pub.publish"
RENDERERS = {
    "item": "codex_jupyter.notebook.render.html_cards.card",
    "item as text": "codex_jupyter.notebook.render.plain_text.item_text",
    "header": "codex_jupyter.notebook.render.header_footer.header_html",
    "outcome": "codex_jupyter.notebook.render.folded_work.outcome_html",
    "work": "codex_jupyter.notebook.render.folded_work.fold_html",
    "figures": "codex_jupyter.notebook.render.folded_work.figures_html",
    "Markdown": "codex_jupyter.notebook.render.html_cards.markdown_html",
    "sanitiser": "nh3.clean",
    "saved turn": "codex_jupyter.notebook.render.turn_bundles.turn_to_json",
    "live display": "codex_jupyter.notebook.display.live_display.LiveDisplay.finish",
}
ASIDE = {
    "diff": "codex_jupyter.notebook.workspace.file_diffs.FileHistory.diff",
    "memory of files": "codex_jupyter.sdk.snapshots.store.SnapshotStore.take",
    "memory of images": "codex_jupyter.notebook.workspace.written_images.ImageFiles.remember",
    "images": "codex_jupyter.notebook.workspace.written_images.ImageFiles.written",
    "modules": "codex_jupyter.notebook.workspace.shadowed_modules.ShadowingFiles.remark",
}


@contextmanager
def broken(kernel: Kernel, what: str, error: str = "RuntimeError('broken')") -> Iterator[None]:
    """Have a function of the kernel raise; `what` is its path, or an expression for the method of an object."""
    owner, _, name = what.rpartition(".")
    patch = f"patch.object({owner}, {name!r}" if owner.endswith("()") or "()." in owner else f"patch({what!r}"
    assert kernel.execute(f"from unittest.mock import patch\nfault = {patch}, side_effect={error})\nfault.start(); None").error is None
    try:
        yield
    finally:
        kernel.execute("fault.stop()")


def assert_complete(kernel: Kernel, folder: Path) -> None:
    """The turn did its work, is kept in its thread, and nothing of it runs."""
    assert (folder / "made.txt").read_text() == "42\n"
    session = "get_ipython().magics_manager.registry['CodexMagics'].session"
    kept = f"[(past.turn.status, past.turn.final_response) for past in {session}.threads.turns]"
    assert kernel.execute(kept).value == "[('completed', 'The answer.')]"
    assert kernel.execute(f"{session}.threads.running, len({session}.threads.last.turns)").value == "([], 1)"


def assert_continues(kernel: Kernel, model: ScriptedModel) -> None:
    """The next turn is one of the same thread."""
    assert "The second answer." in kernel.execute("%codex and then?").text
    assert len({request.thread_id for request in model.requests}) == 1


@pytest.mark.parametrize("what", [*RENDERERS.values(), PUBLISH], ids=[*RENDERERS, "publisher"])
def test_a_turn_whose_display_fails_completes_and_is_kept(kernel: Kernel, scripted: Scripted, tmp_path: Path, what: str) -> None:
    """A result that cannot be rendered or sent is there as plain text, with one line about it."""
    model = scripted(WORK)
    with broken(kernel, what):
        done = kernel.execute("%codex -s workspace-write go")
    assert done.error is None
    assert NOTE in done.text
    assert "42" in done.text
    assert "The answer." in done.text
    assert_complete(kernel, tmp_path / "work")
    assert_continues(kernel, model)


@pytest.mark.parametrize("what", ASIDE.values(), ids=ASIDE)
def test_a_turn_whose_folder_cannot_be_examined_completes_and_says_so(
    kernel: Kernel, scripted: Scripted, tmp_path: Path, what: str
) -> None:
    """Over exec, because the app-server reports the diffs itself."""
    model = scripted(WORK)
    kernel.use(model, "exec")
    with broken(kernel, what):
        done = kernel.execute("%codex -s workspace-write go")
    assert done.error is None
    assert "(RuntimeError: broken)" in done.text
    assert "The answer." in done.text
    assert_complete(kernel, tmp_path / "work")
    assert_continues(kernel, model)


def test_an_image_whose_thumbnail_fails_is_named(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    scripted(WORK)
    with broken(kernel, "codex_jupyter.notebook.images.resize.thumbnail"):
        done = kernel.execute("%codex -s workspace-write go")
    assert "written: a.png · not shown: RuntimeError" in done.text
    assert_complete(kernel, tmp_path / "work")


@pytest.mark.parametrize("what", [*RENDERERS.values(), *ASIDE.values(), PUBLISH], ids=[*RENDERERS, *ASIDE, "publisher"])
def test_a_turn_in_the_background_whose_display_fails_completes_and_is_kept(
    kernel: Kernel, scripted: Scripted, tmp_path: Path, what: str
) -> None:
    model = scripted(WORK)
    start = kernel.execute if what != PUBLISH else None
    if start is not None:
        with broken(kernel, what):
            kernel.execute("job = %codex --bg -s workspace-write go\njob.result()\n%codex wait")
    else:
        # The outputs are made before the turn runs, so the publisher breaks afterwards.
        kernel.execute(
            "from unittest.mock import patch\njob = %codex --bg -s workspace-write go\n"
            "with patch.object(get_ipython().display_pub, 'publish', side_effect=RuntimeError('broken')):\n"
            "    job.result()\n    get_ipython().run_line_magic('codex', 'wait')"
        )
    assert_complete(kernel, tmp_path / "work")
    assert_continues(kernel, model)


def test_a_turn_that_cannot_be_remembered_is_kept_in_its_thread(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    model = scripted(WORK)
    with broken(kernel, "codex_jupyter.notebook.session.registry.ThreadRegistry.remember"):
        done = kernel.execute("%codex -s workspace-write go")
    assert "will not be remembered after a restart (RuntimeError: broken)" in done.text
    assert_complete(kernel, tmp_path / "work")
    assert_continues(kernel, model)


@pytest.mark.parametrize("options", ["", "--bg "])
def test_a_turn_whose_result_cannot_be_stored_in_its_variable_is_kept(
    kernel: Kernel, scripted: Scripted, tmp_path: Path, options: str
) -> None:
    model = scripted(WORK)
    kernel.execute("import codex_jupyter\nchat = codex_jupyter.chat()")
    with broken(kernel, "codex_jupyter.notebook.session.session.store_result", "RuntimeError('not stored')"):
        done = kernel.execute(f"%codex -s workspace-write -o answer {options}go\n%codex wait")
        waited = kernel.execute("%codex wait")
    assert "not stored" in f"{done.text}{done.error}{waited.text}"
    assert kernel.execute("chat.running, chat.close()").value == "(False, None)"
    assert_complete(kernel, tmp_path / "work")
    assert_continues(kernel, model)


def test_an_observer_of_the_thread_that_fails_does_not_end_the_turn(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    model = scripted(WORK)
    observers = "get_ipython().magics_manager.registry['CodexMagics'].session.threads.observers"
    kernel.execute(f"def fail(name):\n    raise RuntimeError('broken')\n{observers}.append(fail)")
    assert kernel.execute("%codex -s workspace-write go").error is None
    kernel.execute(f"{observers}.remove(fail)")
    assert_complete(kernel, tmp_path / "work")
    assert_continues(kernel, model)


def test_an_interrupt_while_the_complete_turn_is_displayed_is_obeyed_and_loses_nothing(
    kernel: Kernel, scripted: Scripted, tmp_path: Path
) -> None:
    model = scripted(WORK)
    with broken(kernel, "codex_jupyter.notebook.display.live_display.LiveDisplay.finish", "KeyboardInterrupt"):
        done = kernel.execute("%codex -s workspace-write go")
    assert done.error == "The turn was complete when it was interrupted. The next %%codex cell continues the same thread."
    assert_complete(kernel, tmp_path / "work")
    assert_continues(kernel, model)


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit"])
def test_what_ends_the_display_of_a_running_turn_ends_the_turn_and_keeps_it(kernel: Kernel, scripted: Scripted, error: str) -> None:
    """Each time again: while the turn is being stopped, too."""
    scripted([[shell("echo before; sleep 3011")], "The second answer."])
    fails = f"lambda turn: (_ for _ in ()).throw({error}('now')) if turn.items else None"
    with broken(kernel, "codex_jupyter.notebook.display.live_display.LiveDisplay.update", fails):
        kernel.execute("%codex -s danger-full-access go")
    assert running_below(kernel.process, "sleep 3011") == []
    session = "get_ipython().magics_manager.registry['CodexMagics'].session"
    assert (
        kernel.execute(f"{session}.threads.running, [past.turn.status for past in {session}.threads.turns]").value
        == "([], ['interrupted'])"
    )


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit"])
def test_a_turn_that_is_left_before_it_is_displayed_is_stopped(kernel: Kernel, scripted: Scripted, error: str) -> None:
    scripted([[shell("echo before; sleep 3013")], "The second answer."])
    with broken(kernel, "codex_jupyter.notebook.session.registry.ThreadRegistry.notify", f"[{error}('now'), *[None] * 99]"):
        kernel.execute("%codex -s danger-full-access go")
    assert running_below(kernel.process, "sleep 3013") == []
    session = "get_ipython().magics_manager.registry['CodexMagics'].session"
    assert kernel.execute(f"{session}.threads.running").value == "[]"


def test_a_turn_in_the_background_that_no_thread_can_follow_is_stopped(kernel: Kernel, scripted: Scripted) -> None:
    scripted([[shell("echo before; sleep 3012")], "The second answer."])
    limited = (
        "import threading\nstart = threading.Thread.start\n"
        "def limited(self):\n"
        "    if self.name == 'codex-display':\n        raise RuntimeError('there are too many threads')\n"
        "    start(self)\n"
        "threading.Thread.start = limited"
    )
    kernel.execute(limited)
    done = kernel.execute("%codex --bg -s danger-full-access go")
    kernel.execute("threading.Thread.start = start")
    assert "there are too many threads" in (done.error or "")
    assert running_below(kernel.process, "sleep 3012") == []


def test_a_question_that_cannot_be_displayed_is_declined(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """The turn continues, and does not wait for an answer that no one can give."""
    scripted([[[shell("echo > asked.txt", justification="because")], "Done."]])
    with broken(kernel, "codex_jupyter.notebook.session.followed_turn.ask"):
        done = kernel.execute("%codex -s read-only -a on-request go")
    assert "cannot be displayed (RuntimeError), so it is declined" in done.text
    assert "Done." in done.text
    assert not (tmp_path / "work" / "asked.txt").exists()


@pytest.fixture
def chat(kernel: Kernel, scripted: Scripted) -> Iterator[Kernel]:
    scripted(WORK)
    assert kernel.execute("import codex_jupyter\nchat = codex_jupyter.chat(sandbox='workspace-write')").error is None
    yield kernel
    kernel.execute("%codex stop\nchat.close()")


@pytest.fixture
def page(chat: Kernel) -> ChatPage:
    page = ChatPage(chat)
    page.sync()
    return page


CHAT = {
    "item": "codex_jupyter.notebook.chat.transcript.item_bundle",
    "images": "codex_jupyter.notebook.chat.transcript.written_html",
    "view": "codex_jupyter.notebook.chat.transcript.TurnView.changes",
    "paragraphs": "codex_jupyter.notebook.chat.transcript.stable_prefix_length",
    "saved copy": "codex_jupyter.notebook.chat.saved_output.SavedCopy.bundle",
    "connection": "ipywidgets.Widget.send",
    "sanitiser": "nh3.clean",
}


@pytest.mark.parametrize("what", CHAT.values(), ids=CHAT)
def test_a_turn_of_a_chat_whose_page_cannot_be_served_completes_and_is_kept(
    chat: Kernel, page: ChatPage, tmp_path: Path, what: str
) -> None:
    """A page that opens later has all of it."""
    with broken(chat, what):
        assert chat.execute("chat.ask('go').result().status").value == "'completed'"
        chat.execute("%codex wait")
    assert_complete(chat, tmp_path / "work")
    assert "The answer." in str(page.sync())
    assert chat.execute("chat.ask('and then?').result().final_response").value == "'The second answer.'"


@pytest.mark.parametrize("what", [CHAT["item"], CHAT["sanitiser"]], ids=["item", "sanitiser"])
def test_a_page_of_a_chat_gets_plain_text_for_what_cannot_be_rendered(chat: Kernel, page: ChatPage, what: str) -> None:
    with broken(chat, what):
        chat.execute("chat.ask('go').result()")
        page.wait_for_turns()
        shown = str([*page.of("blocks"), page.sync()])
    assert NOTE in shown
    assert "The answer." in shown


def test_prompts_that_wait_in_a_chat_are_sent_although_the_page_cannot_be_served(chat: Kernel, scripted: Scripted) -> None:
    model = scripted(WORK)
    with broken(chat, CHAT["connection"]):
        chat.execute("chat.ask('go'), chat.ask('next')")
        wait_until(lambda: model.requests and model.requests[-1].prompt == "next", LIMIT)
        chat.execute("%codex wait")
        assert chat.execute("[turn.final_response for turn in chat.turns]").value == "['The answer.', 'The second answer.']"


@pytest.mark.parametrize("what", ["codex_jupyter.notebook.chat.thread_view.question_card", CHAT["connection"]], ids=["card", "connection"])
def test_a_question_that_no_page_can_show_is_declined(kernel: Kernel, scripted: Scripted, tmp_path: Path, what: str) -> None:
    scripted([[[shell("echo > asked.txt", justification="because")], "Done."]])
    kernel.execute("%config CodexMagics.approval = 'on-request'\nimport codex_jupyter\nchat = codex_jupyter.chat(sandbox='read-only')")
    ChatPage(kernel).sync()
    try:
        with broken(kernel, what):
            assert kernel.execute("chat.ask('go').result().final_response").value == "'Done.'"
    finally:
        kernel.execute("%codex stop\nchat.close()\n%config CodexMagics.approval = ''")
    assert not (tmp_path / "work" / "asked.txt").exists()


@pytest.mark.integration
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_cannot_encode_the_answer_shows_escapes(
    ipython: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    written = io.BytesIO()
    with ScriptedModel([[shell("printf '\\342\\210\\221'"), "Σ = 42 ✓"]], codex_home=used_home(tmp_path / "home")) as model:
        ipython.user_ns["model"] = model
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding, write_through=True))
            done = [ipython.run_cell("%codex use model"), ipython.run_cell("turn = %codex go\nturn.status")]
    assert [result.error_in_exec for result in done] == [None, None]
    assert done[1].result == "completed"
    assert "Σ = 42 ✓".encode(encoding, "backslashreplace") in written.getvalue()


@pytest.mark.integration
def test_a_terminal_that_cannot_be_written_to_loses_no_turn(
    ipython: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with ScriptedModel([[shell("echo hi > made.txt"), "Done."], "Again."], codex_home=used_home(tmp_path / "home")) as model:
        ipython.user_ns["model"] = model
        ipython.run_cell("%codex use model")
        with monkeypatch.context() as patch:
            patch.setattr("codex_jupyter.notebook.display.terminal_display.print", fail, raising=False)
            assert ipython.run_cell("turn = %codex -s workspace-write go").error_in_exec is None
        assert ipython.user_ns["turn"].final_response == "Done."
        assert (tmp_path / "made.txt").read_text() == "hi\n"
        assert ipython.run_cell("%codex again").result.final_response == "Again."
        assert len({request.thread_id for request in model.requests}) == 1
