"""The tools of the notebook's threads: those of the kernel, and functions of the notebook."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from codex_jupyter._choices import KernelMode
from codex_jupyter.notebook.kernel_tools.access import NAMESPACE, Consent, SentLog, SentRecord, TurnAccess
from codex_jupyter.notebook.session.notebook_thread import NotebookThread, ThreadTools
from codex_jupyter.notebook.session.request import PromptRequest
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.sdk import Codex, Tool, ToolLike, TurnOptions
from codex_jupyter.sdk.rollouts import codex_home, stored_tools

if TYPE_CHECKING:
    from codex_jupyter.notebook.context import ContextCollector
    from codex_jupyter.notebook.images.display_log import DisplayLog
    from codex_jupyter.notebook.kernel_tools.toolbox import KernelTools
    from codex_jupyter.notebook.session.prompts import ComposedPrompt


@dataclass
class NotebookTools:
    """Gives the threads of a notebook their tools. The protocol accepts tools only when a thread starts.

    Args:
        shell: The notebook's shell.
        collector: Collects what the kernel reports.
        display_log: Images that the notebook displayed.
    """

    shell: Any
    collector: "ContextCollector"
    display_log: "DisplayLog"
    sent: SentLog = field(default_factory=SentLog)
    """Data that left the kernel."""
    consent: Consent = field(default_factory=Consent)
    """Permissions that the user gave until the kernel ends."""

    def bind(self, notebook_thread: NotebookThread, request: PromptRequest, codex: Codex) -> TurnOptions:
        """Give a thread the tools that a request wants, and return the options of its turn.

        Raises:
            UsageError: If the thread was started without one of the tools.
            ConfigError: If a function cannot be a tool.
            UnsupportedOperationError: If the transport cannot call tools.
        """
        functions = [Tool.from_callable(function) for function in request.tools]
        wanted, kernel = {function.name for function in functions}, request.kernel != "off"
        if notebook_thread.tools is None:
            if not wanted and not kernel:
                return request.turn_options
            self._start(notebook_thread, functions, codex, kernel=kernel)
        assert notebook_thread.tools is not None  # noqa: S101 - set by `_start`
        _check(wanted, set(notebook_thread.tools.names), kernel=kernel, has_kernel=notebook_thread.tools.kernel is not None)
        selected = [*wanted, *([NAMESPACE] if kernel else [])]
        return TurnOptions.of(request.turn_options, {"tools": selected})

    def _start(self, notebook_thread: NotebookThread, functions: list[Tool[..., Any]], codex: Codex, *, kernel: bool) -> None:
        """Make the object of the thread again, with tools. A thread that has had a turn can have only those that it was started with."""
        thread_id, options = notebook_thread.thread.id, notebook_thread.thread.options
        if thread_id is not None:
            stored = stored_tools(codex_home(codex.options.env), thread_id) or []
            names = {function.name for function in functions}
            _check(names, {name for group, name in stored if group is None}, kernel=kernel, has_kernel=(NAMESPACE, "run") in stored)
        tools = ThreadTools(frozenset(function.name for function in functions), self._kernel_tools() if kernel else None)
        given: list[ToolLike] = [*functions, *([tools.kernel.namespace] if tools.kernel is not None else [])]
        notebook_thread.tools = tools
        notebook_thread.thread = (
            codex.start_thread(options, tools=given) if thread_id is None else codex.resume_thread(thread_id, options, tools=given)
        )

    def _kernel_tools(self) -> "KernelTools":
        # Imported here, because most notebooks never use them.
        from codex_jupyter.notebook.kernel_tools.toolbox import KernelTools

        return KernelTools(self.shell, self.collector, self.display_log, self.sent)

    def start_turn(self, notebook_thread: NotebookThread, request: PromptRequest, running: RunningTurn) -> None:
        """Let a turn use the kernel's tools until it ends."""
        tools = notebook_thread.tools
        if request.kernel in ("off", "read"):
            self.consent.run = False
        if tools is None or tools.kernel is None or request.kernel == "off":
            return
        if request.background:
            running.wake_main_thread = self._between_cells
        tools.kernel.start_turn(
            TurnAccess(
                thread=notebook_thread.name,
                mode=request.kernel,
                sees_context=request.context != "none",
                max_rows=request.kernel_rows,
                ask=running.ask,
                on_main_thread=running.on_main_thread,
                consent=self.consent,
            )
        )
        running.closers.append(tools.kernel.end_turn)

    def effective(self, request: PromptRequest) -> KernelMode:
        """Return the mode of a turn, after what the user has allowed until the kernel ends."""
        return "run" if request.kernel == "ask" and self.consent.run else request.kernel

    def _between_cells(self, function: Callable[[], None]) -> None:
        loop = getattr(getattr(self.shell, "kernel", None), "io_loop", None)
        if loop is not None:
            loop.add_callback(function)

    def record(self, notebook_thread: NotebookThread, prompt: "ComposedPrompt") -> None:
        """Record what left the kernel with a prompt."""
        sizes = [len(attachment.input.data) for attachment in prompt.attachments]
        if sizes or prompt.context.text:
            self.sent.add(SentRecord(notebook_thread.name, "prompt: context and images", len(prompt.context.text), len(sizes), sum(sizes)))


def _check(wanted: set[str], present: set[str], *, kernel: bool, has_kernel: bool) -> None:
    """Raise if a thread lacks a tool."""
    missing = sorted(wanted - present)
    if missing:
        raise UsageError(f"--tool {missing[0]}: this thread was started without it, and a thread gets its tools when it starts. Add --new.")
    if kernel and not has_kernel:
        raise UsageError("--kernel: this thread was started without kernel tools, and a thread gets its tools when it starts. Add --new.")
