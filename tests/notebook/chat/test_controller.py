"""The logic of the chat, without a kernel, a widget or a page."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.error import UsageError

from codex_jupyter.notebook.chat.bounds import Bounds
from codex_jupyter.notebook.chat.controller import ChatController
from codex_jupyter.notebook.magic.settings import CodexSettings
from codex_jupyter.notebook.namespace import Namespace
from codex_jupyter.notebook.session.request import NO_CELL, PromptRequest, build_request
from codex_jupyter.sdk import InputError, Model, ThreadBusyError, ThreadNotFoundError, Turn


@dataclass
class Settings:
    """The settings that the widget holds."""

    thread: str = "main"
    model: str = ""
    sandbox: str = ""
    effort: str = ""
    preset: str = ""
    model_id: str | None = "id"


class Running:
    """A turn that runs until the test ends it."""

    can_steer = True
    elapsed = 1.0
    view = None
    questions = SimpleNamespace(current=None)

    def __init__(self) -> None:
        self.finished = False
        self.turn = Turn(thread_id="t")
        self.stopped: list[str] = []

    def stop(self, reason: str) -> None:
        self.stopped.append(reason)


class Threads:
    """The threads of the notebook."""

    def __init__(self) -> None:
        self.conversations: dict[str, Any] = {}
        self.remembered = SimpleNamespace(threads=[])
        self.named: list[Any] = []
        self.running: list[Any] = []
        self.notebook = None
        self.observers: list[Any] = []
        self.names = ["main"]

    def conversation(self, name: str) -> Any:
        return self.conversations.setdefault(
            name,
            SimpleNamespace(
                name=name, key=name, shown_title="", thread=SimpleNamespace(id=None), running=None, follower=threading.Thread(), history=[]
            ),
        )

    def check_idle(self, name: str) -> None:
        if any(conversation.name == name for conversation in self.running):
            raise ThreadBusyError(f"A turn of {name} runs.")


@dataclass
class Session:
    """The notebook's session. It records requests and starts no turn."""

    settings: Any
    requests: list[PromptRequest] = field(default_factory=list)
    steered: list[str] = field(default_factory=list)
    error: Exception | None = None
    threads: Threads = field(default_factory=Threads)
    undo: Any = None
    client: Any = field(default_factory=lambda: SimpleNamespace(demo=None, models=SimpleNamespace(configured={}, get=lambda seconds: ())))

    def request(self, text: str, **overrides: Any) -> PromptRequest:
        options: Any = NO_CELL | overrides
        return build_request(self.settings, Namespace({}), text, **options)

    def run(self, request: PromptRequest) -> Running:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        running = Running()
        self.threads.conversation(request.thread).running = running
        return running

    def steer(self, text: str, name: str) -> None:
        self.steered.append(f"{name}: {text}")


@dataclass
class Chat:
    """A controller with what is around it."""

    controller: ChatController
    session: Session
    settings: Settings
    sent: list[dict[str, Any]]

    def act(self, **action: Any) -> None:
        self.controller.act(action, ())

    def end(self) -> None:
        """End the running turn."""
        self.session.threads.conversations[self.settings.thread].running.finished = True

    @property
    def meta(self) -> dict[str, Any]:
        """The last state that the pages received."""
        return next(message for message in reversed(self.sent) if message["type"] == "meta")


def make_chat(**bounds: Any) -> Chat:
    defaults = SimpleNamespace(**{name: trait.default() for name, trait in CodexSettings.class_own_traits(config=True).items()})
    session, settings, sent = Session(defaults), Settings(), list[dict[str, Any]]()
    limits = Bounds(
        locked=bounds.pop("locked", False),
        variables=bounds.pop("variables", None),
        approval=bounds.pop("approval", ""),
        preset=bounds.get("preset", ""),
        settings={"model": "", "sandbox": "", "effort": "", **{name: value for name, value in bounds.items() if name != "preset"}},
    )
    for name, value in bounds.items():
        setattr(settings, name, value)
    controller = ChatController(
        session,  # type: ignore[arg-type]
        settings,
        limits,
        thread="main",
        send=sent.append,
        show_running=lambda running: None,
        save=lambda: None,
        copy=lambda: {"text/plain": "saved"},
    )
    return Chat(controller, session, settings, sent)


def test_a_prompt_of_a_page_starts_a_turn_in_the_background() -> None:
    chat = make_chat()
    chat.act(do="send", text="hello")
    (request,) = chat.session.requests
    assert (request.text, request.thread, request.display, request.background) == ("hello", "main", "nothing", True)
    assert chat.meta["running"]


def test_prompts_wait_in_order_while_a_turn_runs() -> None:
    chat = make_chat()
    for text in ("one", "two", "three"):
        chat.act(do="send", text=text)
    assert [prompt["text"] for prompt in chat.meta["queue"]] == ["two", "three"]
    chat.end()
    chat.act(do="next")
    assert [request.text for request in chat.session.requests] == ["one", "two"]
    assert [prompt["text"] for prompt in chat.meta["queue"]] == ["three"]


def test_the_next_prompt_is_not_sent_while_a_turn_runs() -> None:
    chat = make_chat()
    chat.act(do="send", text="one")
    chat.act(do="send", text="two")
    chat.act(do="next")
    assert [request.text for request in chat.session.requests] == ["one"]


def test_a_prompt_is_removed_from_the_queue() -> None:
    chat = make_chat()
    for text in ("one", "two", "three"):
        chat.act(do="send", text=text)
    chat.act(do="unqueue", item=chat.meta["queue"][0]["item"])
    assert [prompt["text"] for prompt in chat.meta["queue"]] == ["three"]


def test_a_queued_prompt_that_cannot_be_sent_stays_the_first() -> None:
    chat = make_chat()
    for text in ("one", "two", "three"):
        chat.act(do="send", text=text)
    chat.end()
    chat.session.error = InputError("broken")
    with pytest.raises(InputError, match="broken"):
        chat.act(do="next")
    assert [prompt["text"] for prompt in chat.meta["queue"]] == ["two", "three"]


def test_each_thread_keeps_its_queue() -> None:
    chat = make_chat()
    chat.act(do="send", text="one")
    chat.act(do="send", text="two")
    chat.act(do="choose", trait="thread", value="other")
    chat.controller.send_meta()
    assert chat.meta["queue"] == []
    chat.act(do="choose", trait="thread", value="main")
    chat.controller.send_meta()
    assert [prompt["text"] for prompt in chat.meta["queue"]] == ["two"]


@pytest.mark.parametrize(("length", "fits"), [(1, 100), (1_000_000, 2)])
def test_a_prompt_for_a_full_queue_is_refused_and_its_images_stay(length: int, fits: int) -> None:
    """Each change of the queue sends all of it, so many long prompts would keep the kernel busy for minutes."""
    chat = make_chat()
    chat.act(do="send", text="one")
    for _ in range(fits):
        chat.act(do="send", text="x" * length)
    images: Any = {"image": SimpleNamespace(thumbnail=SimpleNamespace(url="", caption=""))}
    chat.controller.contents.uploads.attachments |= images
    with pytest.raises(InputError, match="The queue is full"):
        chat.act(do="send", text="x" * length)
    assert len(chat.meta["queue"]) == fits
    assert chat.controller.contents.uploads.attachments == images


def test_an_empty_prompt_is_refused() -> None:
    chat = make_chat()
    with pytest.raises(InputError, match="The prompt is empty"):
        chat.act(do="send", text="  ")
    assert chat.session.requests == []


def test_a_page_cannot_choose_more_than_the_author_allows() -> None:
    chat = make_chat(sandbox="read-only")
    with pytest.raises(UsageError, match="allows at most read-only"):
        chat.act(do="choose", trait="sandbox", value="danger-full-access")
    assert chat.settings.sandbox == "read-only"


def test_a_prompt_is_refused_if_a_setting_is_above_its_bound() -> None:
    """Also if the page did not use the action for settings."""
    chat = make_chat(sandbox="read-only")
    chat.settings.sandbox = "danger-full-access"
    with pytest.raises(UsageError, match="is refused"):
        chat.act(do="send", text="go")
    assert chat.session.requests == []


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(UsageError, match="There is no setting __class__"):
        make_chat().act(do="choose", trait="__class__", value="x")


@pytest.mark.parametrize("action", [{}, {"do": None}, {"do": "__init__"}, {"do": "submit"}])
def test_an_unknown_action_is_refused(action: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="another version of codex-jupyter than the kernel"):
        make_chat().act(**action)


@pytest.mark.parametrize(
    ("action", "wrong"),
    [
        ({"do": "send"}, "text"),
        ({"do": "send", "text": ["a"]}, "text"),
        ({"do": "apply_undo", "keep": "a.txt"}, "keep"),
        ({"do": "apply_undo", "keep": [1]}, "keep.0"),
        ({"do": "undo", "turn": "main:0", "redo": "no"}, "redo"),
        ({"do": "earlier", "before": "3"}, "before"),
        ({"do": "answer", "number": 1, "answers": {"age": 3}}, "answers.age"),
    ],
)
def test_an_action_with_a_field_of_another_type_is_refused_in_one_line(action: dict[str, Any], wrong: str) -> None:
    with pytest.raises(UsageError, match=rf"^The page sent '{wrong}' in a wrong form: [^\n]+\. Reload the page\.$"):
        make_chat().act(**action)


def test_without_variables_a_prompt_reads_nothing_of_the_notebook() -> None:
    chat = make_chat(variables=False)
    chat.act(do="send", text="{secret}")
    (request,) = chat.session.requests
    assert not request.expand
    assert not request.images.mentions
    assert chat.controller.bounds.variables is False


def test_a_locked_chat_steers_only_its_own_turns() -> None:
    chat = make_chat(locked=True)
    chat.session.threads.conversation("main").running = Running()
    with pytest.raises(UsageError, match="was not started in this chat"):
        chat.act(do="steer", text="more")
    chat.end()
    chat.act(do="send", text="own")
    chat.act(do="steer", text="more")
    assert chat.session.steered == ["main: more"]


def test_a_locked_chat_allows_nothing_permanently_and_resumes_no_thread() -> None:
    chat = make_chat(locked=True)
    chat.session.settings.resume = "last"
    chat.act(do="send", text="go")
    (request,) = chat.session.requests
    assert not request.permanent_approvals
    assert request.resume_first == ""


def test_stopping_reports_whether_a_turn_was_running() -> None:
    chat = make_chat()
    assert not chat.controller.stop()
    chat.act(do="send", text="go")
    assert chat.controller.stop()
    assert chat.session.threads.conversations["main"].running.stopped == ["The turn was stopped."]


def test_the_saved_copy_is_sent_on_request() -> None:
    chat = make_chat()
    chat.act(do="copy")
    assert chat.sent[-1]["bundle"] == {"text/plain": "saved"}


def test_a_new_thread_starts_at_once_and_an_empty_one_is_kept() -> None:
    chat = make_chat()
    chat.act(do="thread", how="new", name="")
    assert chat.settings.thread == "main"
    chat.act(do="send", text="hello")
    chat.act(do="thread", how="new", name="")
    assert chat.settings.thread == "chat"


def test_a_preset_sets_the_rights_of_the_next_turn() -> None:
    """It also replaces a sandbox that the page has chosen before, and the page shows what applies."""
    chat = make_chat()
    chat.act(do="choose", trait="sandbox", value="danger-full-access")
    chat.controller.send_meta()
    assert (chat.meta["preset"], chat.meta["effective"]["sandbox"]) == ("Custom", "danger-full-access")
    chat.act(do="choose", trait="preset", value="ask")
    chat.controller.send_meta()
    assert (chat.meta["preset"], chat.meta["effective"]["sandbox"], chat.meta["effective"]["kernel"]) == ("Ask", "workspace-write", "ask")
    chat.act(do="send", text="hello")
    (request,) = chat.session.requests
    assert (request.rights.sandbox, request.rights.approval, request.rights.kernel) == ("workspace-write", "on-request", "ask")


@pytest.mark.parametrize("bounds", [{"locked": True}, {"sandbox": "read-only"}, {"approval": "never"}, {"preset": "ask"}])
def test_a_preset_is_refused_if_the_author_has_set_rights(bounds: dict[str, Any]) -> None:
    chat = make_chat(**bounds)
    with pytest.raises(UsageError, match="the author of this chat set its rights"):
        chat.act(do="choose", trait="preset", value="full")
    assert chat.settings.preset == bounds.get("preset", "")
    chat.controller.send_meta()
    assert chat.meta["presets"] == []


@pytest.mark.parametrize(
    "action",
    [
        {"do": "again", "turn": "main:0", "text": ""},
        {"do": "compact"},
        {"do": "review", "text": ""},
        {"do": "undo", "turn": "main:0", "redo": False},
        {"do": "apply_undo", "keep": []},
    ],
)
def test_a_locked_chat_does_not_change_the_conversation(action: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="locked"):
        make_chat(locked=True).act(**action)


def test_settings_that_no_one_has_set_are_shown_as_they_apply() -> None:
    """From the user's configuration, and from the catalogue of models."""
    chat = make_chat()
    chat.session.client.models.configured = {"sandbox": "danger-full-access"}
    chat.controller.models = (Model(name="a"), Model(name="b", is_default=True, default_effort="low"))
    chat.controller.send_meta()
    effective = chat.meta["effective"]
    assert (effective["model"], effective["effort"], effective["sandbox"], effective["approval"]) == (
        "b",
        "low",
        "danger-full-access",
        "never",
    )


def test_a_thread_is_resumed_by_its_id_only() -> None:
    with pytest.raises(ThreadNotFoundError, match="is not a thread id"):
        make_chat().act(do="thread", how="resume", name="../other")


def test_a_chat_locks_nothing_that_another_needs_while_a_turn_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chats that start turns on different threads would wait for each other for ever."""
    chat = make_chat()
    free, run = list[bool](), chat.session.run

    def look() -> None:
        lock = chat.controller.channel.lock
        free.append(lock.acquire(timeout=1))
        if free[-1]:
            lock.release()

    def probe(request: PromptRequest) -> Running:
        looking = threading.Thread(target=look)
        looking.start()
        looking.join()
        return run(request)

    monkeypatch.setattr(chat.session, "run", probe)
    chat.controller.submit("from Python")
    for action in ({"do": "send", "text": "from a page"}, {"do": "next"}):
        chat.end()
        chat.act(**action)
        chat.act(do="send", text="queued")
    assert free == [True] * 3
