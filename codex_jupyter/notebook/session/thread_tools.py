"""The tools of the notebook's threads: those of the kernel and its cells, and functions of the notebook."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError

from codex_jupyter.notebook.cell_tools.page import NotebookPage
from codex_jupyter.notebook.consent.grants import NotebookGrants
from codex_jupyter.notebook.display.front_end import cell_id
from codex_jupyter.notebook.kernel_tools.access import NAMESPACE, SentLog, SentRecord, TurnAccess, effective_mode
from codex_jupyter.notebook.persistence.notebook_file import notebook_path
from codex_jupyter.notebook.session.notebook_thread import NotebookThread, ThreadTools
from codex_jupyter.notebook.session.open_notebook import OpenNotebook
from codex_jupyter.notebook.session.request import PromptRequest
from codex_jupyter.notebook.session.running_turn import RunningTurn
from codex_jupyter.sdk import Codex, DynamicToolCallItem, Tool, ToolLike, Turn, TurnOptions
from codex_jupyter.sdk.rollouts import codex_home, stored_tools
from codex_jupyter.sdk.tools import ToolSet

if TYPE_CHECKING:
    from codex_jupyter.notebook.cell_tools.in_place import CellNumbers
    from codex_jupyter.notebook.cell_tools.toolbox import CellTools
    from codex_jupyter.notebook.context import ContextCollector
    from codex_jupyter.notebook.images.display_log import DisplayLog
    from codex_jupyter.notebook.kernel_tools.toolbox import KernelTools
    from codex_jupyter.notebook.session.prompts import ComposedPrompt


_KERNEL_TOOL: Final = (NAMESPACE, "run")
"""A tool that each thread with the kernel's tools has."""


@dataclass
class NotebookTools:
    """Gives the threads of a notebook their tools. The protocol accepts tools only when a thread starts.

    Args:
        shell: The notebook's shell.
        collector: Collects what the kernel reports.
        display_log: Images that the notebook displayed.
        grants: The rights that the user has granted for this notebook.
        page: The page of the notebook.
    """

    shell: Any
    collector: "ContextCollector"
    display_log: "DisplayLog"
    grants: NotebookGrants
    page: NotebookPage = field(default_factory=NotebookPage)
    sent: SentLog = field(default_factory=SentLog)
    """Data that left the kernel."""

    def bind(self, notebook_thread: NotebookThread, request: PromptRequest, codex: Codex) -> TurnOptions:
        """Give a thread its tools, and return the options of its turn.

        Every new thread gets the kernel's tools, because it cannot get them later. The mode of a turn decides about each call.

        Raises:
            UsageError: If the thread was started without one of the tools that the request names.
            ConfigError: If a function cannot be a tool.
            UnsupportedOperationError: If the transport cannot call tools.
        """
        functions = [Tool.from_callable(function) for function in request.tools]
        wanted, kernel = {function.name for function in functions}, request.rights.kernel not in ("", "off")
        if notebook_thread.tools is None or notebook_thread.thread.id is None:
            present = _tools_of(notebook_thread, codex, kernel=_may_use_kernel(request, codex))
            if notebook_thread.thread.id is not None:
                _check(wanted, {name for group, name in present if group is None}, kernel=kernel, has_kernel=_KERNEL_TOOL in present)
            if not functions and _KERNEL_TOOL not in present:
                return request.turn_options
            self._start(notebook_thread, functions, codex, kernel=_KERNEL_TOOL in present)
        tools = notebook_thread.tools
        assert tools is not None  # noqa: S101 - set by `_start`
        _check(wanted, set(tools.names), kernel=kernel, has_kernel=tools.kernel is not None)
        selected: list[ToolLike | str] = list(wanted)
        if tools.kernel is not None and request.rights.kernel != "off":
            # The name requires a transport that can call tools. The group itself does not.
            selected.append(NAMESPACE if kernel else tools.kernel.namespace)
        return TurnOptions.of(request.turn_options, {"tools": selected})

    def specs(self, request: PromptRequest, codex: Codex) -> list[dict[str, Any]]:
        """Return the tools that `bind` gives to a new thread, in the form in which the CLI registers them.

        Raises:
            ConfigError: If a function cannot be a tool.
        """
        kernel = [self._kernel_tools()[0].namespace] if _may_use_kernel(request, codex) else []
        return ToolSet([*map(Tool.from_callable, request.tools), *kernel]).specs()

    def _start(self, notebook_thread: NotebookThread, functions: list[Tool[..., Any]], codex: Codex, *, kernel: bool) -> None:
        """Make the object of the thread again, with tools."""
        thread_id, options = notebook_thread.thread.id, notebook_thread.thread.options
        tools = ThreadTools(frozenset(function.name for function in functions))
        if kernel:
            tools.kernel, tools.cells = self._kernel_tools()
        given: list[ToolLike] = [*functions, *([tools.kernel.namespace] if tools.kernel is not None else [])]
        notebook_thread.tools = tools
        notebook_thread.thread = (
            codex.start_thread(options, tools=given) if thread_id is None else codex.resume_thread(thread_id, options, tools=given)
        )

    def _kernel_tools(self) -> "tuple[KernelTools, CellTools]":
        # Imported here, because most notebooks never use them.
        from codex_jupyter.notebook.cell_tools.toolbox import CellTools
        from codex_jupyter.notebook.kernel_tools.toolbox import KernelTools

        cells = CellTools(self.shell, self.collector.cells, self.sent, lambda: self._numbers)
        return KernelTools(self.shell, self.collector, self.display_log, self.sent, cells.tools), cells

    @cached_property
    def _numbers(self) -> "CellNumbers":
        from codex_jupyter.notebook.cell_tools.in_place import CellNumbers

        return CellNumbers(self.shell)

    def start_turn(self, notebook_thread: NotebookThread, request: PromptRequest, running: RunningTurn) -> None:
        """Let a turn use the kernel's tools until it ends."""
        tools = notebook_thread.tools
        running.closers.append(lambda: self._record_results(notebook_thread.name, running.turn))
        if tools is None or tools.kernel is None or tools.cells is None or request.rights.kernel == "off":
            return
        if request.background:
            running.main_calls.wake = self._between_cells
        access = TurnAccess(
            thread=notebook_thread.name,
            mode=request.rights.kernel,
            ceiling=request.kernel_ceiling,
            sees_context=_sees_context(request),
            max_rows=request.kernel_rows,
            ask=running.questions.ask_user,
            ended=running.is_closed,
            stop=lambda: running.stop("The user stopped the turn."),
            on_main_thread=running.main_calls.add,
            grants=self.grants,
            is_shared=lambda: self.page.is_shared(),
        )
        # Imported with the tools of the thread.
        from codex_jupyter.notebook.cell_tools.changes import TurnChanges
        from codex_jupyter.notebook.cell_tools.turn import TurnCells

        tools.kernel.start_turn(access)
        # After a rename, only the page knows the file.
        path = notebook_path(self.shell)
        if path is None or not path.exists():
            path = next(iter(self.page.files), path)
        running.open_notebook = None if path is None else OpenNotebook(path)
        changes = TurnChanges(self.page, request.rights.cells or "propose", running.undoables)
        home = "" if request.background else cell_id(self.shell) or ""
        tools.cells.start_turn(TurnCells(access=access, changes=changes, page=self.page, home=home, in_cell=not request.background))
        running.closers += [tools.kernel.end_turn, tools.cells.end_turn]

    def effective(self, request: PromptRequest) -> str:
        """Return the mode of a turn after the grants. Empty if the user is asked first."""
        return effective_mode(request.rights.kernel, request.kernel_ceiling, self.grants, sees_context=_sees_context(request))

    def _between_cells(self, function: Callable[[], None]) -> None:
        loop = getattr(getattr(self.shell, "kernel", None), "io_loop", None)
        if loop is not None:
            loop.add_callback(function)

    def record(self, notebook_thread: NotebookThread, prompt: "ComposedPrompt") -> None:
        """Record what left the kernel with a prompt."""
        sizes = [len(attachment.input.data) for attachment in prompt.attachments]
        characters = len(prompt.context.text) + len(prompt.request.page_context)
        if sizes or characters:
            self.sent.add(SentRecord(notebook_thread.name, "prompt: context and images", characters, len(sizes), sum(sizes)))

    def _record_results(self, name: str, turn: Turn) -> None:
        """Record the results of functions of the notebook, which the agent has called in a turn. The kernel's tools record theirs."""
        calls = (item for item in turn.items if isinstance(item, DynamicToolCallItem) and item.namespace != NAMESPACE)
        for call in calls:
            texts = [str(part.get("text", "")) for part in call.content_items]
            sizes = [len(image) for part in call.content_items if (image := _image_data(part))]
            self.sent.add(SentRecord(name, f"tool {call.tool}", sum(map(len, texts)), len(sizes), sum(sizes)))


def _image_data(part: dict[str, Any]) -> bytes:
    """Return the image of a part of a result. Empty if it has none."""
    _, mark, data = str(part.get("imageUrl", "")).partition(";base64,")
    return base64.b64decode(data) if mark else b""


def _sees_context(request: PromptRequest) -> bool:
    """Return False if the user has excluded the notebook's context from the turn."""
    return request.context != "none"


def _may_use_kernel(request: PromptRequest, codex: Codex) -> bool:
    """Return whether a new thread gets the kernel's tools."""
    # If they are required, `start_thread` explains why a transport cannot call them.
    return request.rights.kernel not in ("", "off") or (request.kernel_ceiling != "off" and codex.transport.has_tools)


def _tools_of(notebook_thread: NotebookThread, codex: Codex, *, kernel: bool) -> list[tuple[str | None, str]]:
    """Return the tools of a stored thread, as groups and names, or those that a new thread gets besides functions.

    Args:
        notebook_thread: The thread.
        codex: The client.
        kernel: Include the kernel's tools.
    """
    thread_id = notebook_thread.thread.id
    tools = [_KERNEL_TOOL] if thread_id is None else stored_tools(codex_home(codex.options.env), thread_id) or []
    return [tool for tool in tools if kernel or tool[0] != NAMESPACE]


def _check(wanted: set[str], present: set[str], *, kernel: bool, has_kernel: bool) -> None:
    """Raise if a thread lacks a tool."""
    missing = sorted(wanted - present)
    if missing:
        raise UsageError(f"--tool {missing[0]}: this thread was started without it, and a thread gets its tools when it starts. Add --new.")
    if kernel and not has_kernel:
        raise UsageError("--kernel: this thread was started without kernel tools, and a thread gets its tools when it starts. Add --new.")
