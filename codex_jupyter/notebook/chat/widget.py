"""The chat widget: its settings, and how it is displayed. The logic is in `controller`.

Turns run like those of `%codex --bg`: the kernel stays free, and cells and chats share their threads.
"""

import uuid
from pathlib import Path
from typing import Any, Final
from weakref import WeakValueDictionary

import anywidget
from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from traitlets import Bool, Enum, Unicode, observe

from codex_jupyter.notebook.chat.bounds import SANDBOX_MODES, Bounds
from codex_jupyter.notebook.chat.channel import bypass_post_execute
from codex_jupyter.notebook.chat.controller import ChatController
from codex_jupyter.notebook.chat.javascript import join_modules
from codex_jupyter.notebook.chat.saved_output import SavedCopy
from codex_jupyter.notebook.consent.presets import PRESETS
from codex_jupyter.notebook.images.display_log import display_own
from codex_jupyter.notebook.session.current import current_session
from codex_jupyter.notebook.session.notebook_thread import MAIN
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.sdk import Turn

APPROVALS: Final = ("never", "on-request", "on-failure")
_STATIC: Final = Path(__file__).parent / "static"
_in_cells: "WeakValueDictionary[str, CodexChat]" = WeakValueDictionary()
"""The chat that each cell displayed last, by the id of the cell. When the cell runs again, this chat is closed."""


class CodexChat(anywidget.AnyWidget):
    """A chat with the Codex agent, in a cell or inside other widgets.

    Args:
        thread: Name of the thread. `main` is the notebook's own, which the `%%codex` cells use, too.
        model: Model of new turns. Empty uses the notebook's setting.
        sandbox: Sandbox mode of new turns. Empty uses the notebook's setting.
        effort: Reasoning effort of new turns. Empty uses the notebook's setting.
        approval: When the agent asks. Empty uses the notebook's setting, or `never` if the chat is locked.
        locked: See `chat`.
        variables: See `chat`.
        **kwargs: Other traits of the widget: `preset`, and those of every widget, such as `layout`.

    Raises:
        UsageError: If there is no IPython shell, or `approval` is unknown.
        TraitError: If the sandbox mode is unknown.
    """

    _esm = join_modules(_STATIC / "index.js")
    _css = (_STATIC / "chat.css").read_text(encoding="utf-8")
    _key = Unicode(help="Name of the chat on the comms that its pages open.").tag(sync=True)
    _mark = Unicode(help="CSS class of the saved copy, which the page hides.").tag(sync=True)

    thread = Unicode(MAIN, help="Name of the thread.")
    model = Unicode("", help="Model of new turns. Empty uses the notebook's setting.")
    sandbox = Enum(("", *SANDBOX_MODES), default_value="", help="Sandbox mode of new turns. Empty uses the notebook's setting.")
    effort = Unicode("", help="Reasoning effort of new turns. Empty uses the notebook's setting.")
    preset = Enum(
        ("", *PRESETS), default_value="", help="Rights of new turns; see `CodexMagics.preset`. Empty uses the notebook's settings."
    )
    running = Bool(False, read_only=True, help="If a turn of the thread is running.")
    draft = Unicode("", help="Text that is written and not yet sent.").tag(sync=True)

    def __init__(
        self,
        thread: str = MAIN,
        *,
        model: str = "",
        sandbox: str = "",
        effort: str = "",
        approval: str = "",
        locked: bool | None = None,
        variables: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if approval not in ("", *APPROVALS):
            raise UsageError(f"{approval!r} is not a value of approval. Use one of {', '.join(APPROVALS)}.")
        shell: Any = get_ipython()
        if shell is None:
            raise UsageError("A chat needs a notebook. Create it in a cell.")
        settings = {"model": model, "sandbox": sandbox, "effort": effort}
        bounds = Bounds(locked=locked, variables=variables, approval=approval, settings=settings, preset=kwargs.get("preset", ""))
        mark = f"codex-chat-{uuid.uuid4().hex}"
        self._saved_copy = SavedCopy(mark)
        self._is_displayed = False
        self._owns_layout = "layout" not in kwargs
        self._controller: ChatController = ChatController(
            current_session(shell),
            self,
            bounds,
            thread=thread,
            send=lambda message: self.send(message),
            show_running=lambda running: self.set_trait("running", running),
            save=self._save,
            copy=self.copy,
        )
        super().__init__(thread=thread, **settings, _key=self._controller.channel.key, _mark=mark, **kwargs)
        self.on_msg(lambda _, action, buffers: self._controller.channel.receive(action, buffers))
        self._controller.start()

    def ask(self, text: str) -> RunningTurn | None:
        """Send a prompt. The turn runs in the background.

        Args:
            text: The prompt. `@plot` and `{expressions}` mean the same as in a cell.

        Returns:
            The turn. None if another one is running: the prompt waits in the queue.

        Raises:
            InputError: If the prompt is empty, or the queue is full.
            CodexError: If the prompt cannot be sent.
        """
        return self._controller.submit(text)

    def stop(self) -> bool:
        """Stop the running turn. Prompts in the queue stay there.

        Returns:
            True if a turn was running. It may still be ending.
        """
        return self._controller.stop()

    @property
    def turns(self) -> list[Turn]:
        """The turns of the thread, oldest first, the running one last."""
        return self._controller.thread_view.turns

    def copy(self) -> dict[str, Any]:
        """Return the conversation as the saved notebook keeps it, a MIME bundle."""
        view = self._controller.thread_view
        return self._saved_copy.bundle(view.history, view.ended)

    @observe("thread", "model", "sandbox", "effort", "preset")
    def _setting_changed(self, change: Any) -> None:
        self._controller.on_setting_changed(change["name"], change["new"])

    @observe("comm")
    def _connection_changed(self, change: Any) -> None:
        """Connect with pages when the widget opens. When it closes, leave the thread, whose turn continues."""
        closers = self._controller.session.closers
        if change["new"] is not None:
            bypass_post_execute(change["new"])
            self._controller.connect()
            closers.append(self.close)
        elif change["old"] is not None:
            self._controller.disconnect()
            if self.close in closers:
                closers.remove(self.close)
            if self._owns_layout:
                self.layout.close()

    def _save(self) -> None:
        """Update the copy in the saved notebook."""
        try:
            if self._is_displayed:
                display_own(self.copy(), display_id=self._mark, update=True)
        except Exception as error:
            self._controller.report(error)

    def _ipython_display_(self) -> None:
        """Display the chat, and below it the copy for the saved notebook, which the live chat hides."""
        self._reopen()
        self._close_former()
        bundle: Any = self._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        # An untrusted notebook shows the HTML instead of the widget. The copy below has everything that there is to see.
        display_own({**data, "text/html": "<div></div>", "text/plain": repr(self)})
        display_own(self.copy(), display_id=self._mark)
        self._is_displayed = True

    def _reopen(self) -> None:
        """Open the widget again after `close`, which leaves an attribute that hides the method of this name."""
        if self.comm is None:
            self.__dict__.pop("_repr_mimebundle_", None)
            if self.layout is not None:
                self.layout.open()
            self.open()

    def _close_former(self) -> None:
        """Close the chat that an earlier run of this cell displayed, unless another cell displays it."""
        cell = (getattr(self._controller.session.shell, "parent_header", {}).get("metadata") or {}).get("cellId")
        if cell is None:
            return
        former = _in_cells.get(cell)
        _in_cells[cell] = self
        if former is not None and former is not self and former not in _in_cells.values():
            former.close()

    def __repr__(self) -> str:
        return f"CodexChat(thread={self.thread!r})"


def chat(
    thread: str = MAIN,
    *,
    model: str = "",
    sandbox: str = "",
    effort: str = "",
    approval: str = "",
    locked: bool | None = None,
    variables: bool | None = None,
) -> CodexChat:
    """Open a chat. It is displayed if it is the last value of a cell.

    The settings given here are an upper bound for the page: it can choose a stricter sandbox, but not another model or effort. Python code
    can still change `chat.sandbox` and the other settings, and the bound with them.

    Args:
        thread: Name of the thread. `main` is the notebook's own, which the `%%codex` cells use, too.
        model: Model of new turns. Empty uses the notebook's setting, as in all settings below.
        sandbox: Sandbox mode: `read-only`, `workspace-write` or `danger-full-access`.
        effort: Reasoning effort.
        approval: When the agent asks: `never`, `on-request` or `on-failure`. A locked chat uses `never` if this is empty.
        locked: If the page is used by someone who must not control the notebook. The page then stays on its thread, keeps to the notebook's
            settings where nothing is set here, allows nothing for good, and answers approvals only if `approval` is set here. None, the
            default, locks the chat in a kernel that Voila started.
        variables: If the page may send values of the notebook, by `{name}`, `@name` and its plots. None, the default, allows it unless the
            chat is locked. Without it, the context `auto` reports nothing.

    Raises:
        UsageError: If there is no IPython shell, or `approval` is unknown.
        TraitError: If the sandbox mode is unknown.
    """
    return CodexChat(thread, model=model, sandbox=sandbox, effort=effort, approval=approval, locked=locked, variables=variables)
