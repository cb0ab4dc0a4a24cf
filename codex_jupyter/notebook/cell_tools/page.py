"""The page that shows the notebook, as the tools for cells see it. The front that is connected with pages provides it."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

CONNECT_SECONDS: Final = 3.0
"""Seconds to wait for a page once. JupyterLab connects while the first `%%codex` cell runs."""
ANSWER_SECONDS: Final = 20.0
"""Seconds to wait for the answer to a request that takes no time of the kernel."""
RELOAD_SECONDS: Final = 30.0
"""Seconds to wait for a new page after the last one was closed. A reload looks to the kernel like the end of a page."""
REPEATED: Final = frozenset({"read", "wait"})
"""Requests that change nothing. If the page is closed before it answers, the next page receives them."""


class PageUnavailableError(Exception):
    """Raised when no page can carry out a request. The message says why."""


class PageClosedError(PageUnavailableError):
    """Raised when the page was closed or loaded again before it answered. Another page may follow."""


class PageConnection(Protocol):
    """A connected page."""

    @property
    def concurrent(self) -> bool:
        """True if the answers of the page are received while a cell runs."""
        ...

    def request(self, do: str, home: str, arguments: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Send a request, and wait for its result on this thread.

        Args:
            do: The name of the request.
            home: The id of the cell that runs the turn. Empty if none does.
            arguments: The arguments of the request.
            seconds: Seconds to wait.

        Raises:
            PageClosedError: If the page is closed before it answers.
            PageUnavailableError: If the page does not answer.
            ValueError: If the page refuses the request.
        """
        ...

    def post(self, do: str, home: str, arguments: Mapping[str, Any]) -> None:
        """Send a request whose result is not needed."""
        ...


@dataclass(slots=True)
class PageRun:
    """A cell that runs for the agent.

    Attributes:
        cell: The id of the cell.
        request: The id of the message to which the outputs belong.
        end: Returns the number and the state of the cell; None while it runs.
    """

    cell: str
    request: str
    end: Callable[[], tuple[int | None, str] | None]


class NotebookPage:
    """The page of the notebook. Its methods can be called from any thread."""

    def __init__(self) -> None:
        self.connection: Callable[[], PageConnection | None] = lambda: None
        """Returns the connected page; None if there is none."""
        self.is_shared: Callable[[], bool | None] = lambda: None
        """Returns True if several people can edit the notebook at once. None is unknown."""
        self.reported: Callable[[], Iterable[str]] = tuple
        """Returns the paths of the open notebooks, as the pages report them. They are not checked."""
        self.decided: dict[str, Callable[[str, dict[str, Any]], None]] = {}
        """Called about a change, by its id: it was `made`, or the user's decision is `keep` or `undo`; with what takes it back."""
        self.runs: dict[str, PageRun] = {}
        """The cells that run for the agent, by their ids."""
        self._connected = threading.Event()
        self._expected_until: float | None = None
        """The time until which requests wait for a page. None before the first request."""
        self._closed = False
        """True if the last page was closed."""

    @property
    def files(self) -> list[Path]:
        """The files of the open notebooks, as the pages report them. Use them only to protect them, because pages are not trusted."""
        paths = {Path(os.path.expanduser(name)): None for name in self.reported() if name.endswith(".ipynb") and "\0" not in name}
        return [path for path in paths if path.is_absolute() and ".." not in path.parts and path.is_file()]

    def on_connect(self) -> None:
        """Let requests that wait for a page continue."""
        self._closed = False
        self._connected.set()

    def on_close(self) -> None:
        """Let requests wait for a new page, because the last one was closed, maybe to be loaded again."""
        self._expected_until = time.monotonic() + RELOAD_SECONDS
        self._closed = True
        self._connected.clear()

    def on_reload(self, page: PageConnection) -> None:
        """Have a page that was reloaded show the cells that run for the agent."""
        for run in list(self.runs.values()):
            page.post("follow", run.cell, {"cell": run.cell, "request": run.request})
            if (end := run.end()) is not None:
                page.post("finish", run.cell, {"cell": run.cell, "number": end[0], "state": end[1]})

    def request(
        self, do: str, arguments: Mapping[str, Any], *, home: str = "", blocked: bool = False, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """Send a request to the page, and wait for its result.

        Args:
            do: The name of the request.
            arguments: The arguments of the request.
            home: The id of the cell that runs the turn. Empty if none does.
            blocked: A cell waits on the main thread. Only pages whose answers are received meanwhile can then be used.
            seconds: Seconds to wait.

        Raises:
            PageUnavailableError: If there is no page that can answer.
            ValueError: If the page refuses the request.
        """
        deadline, asked = time.monotonic() + seconds, dict(arguments)
        while True:
            # A page connects while the first cell runs that uses it. A front end that does not name the cell has no such page.
            page = self._page(blocked, waits=bool(home) or not blocked)
            left = max(0.0, deadline - time.monotonic())
            if "seconds" in asked:
                asked["seconds"] = min(asked["seconds"], left)
            try:
                return page.request(do, home, asked, left)
            except PageClosedError:
                if do not in REPEATED:
                    raise

    def post(self, do: str, arguments: Mapping[str, Any], *, home: str = "") -> None:
        """Send a request whose result is not needed. Does nothing without a page."""
        page = self.connection()
        if page is not None:
            page.post(do, home, arguments)

    def decide(self, edit: str, decision: str, result: dict[str, Any]) -> None:
        """Pass on that a change was made, or the user's decision about it."""
        decided = self.decided.get(edit) if decision == "made" else self.decided.pop(edit, None)
        if decided is not None:
            decided(decision, result)

    def _page(self, blocked: bool, waits: bool) -> PageConnection:
        if self._expected_until is None and waits:
            self._expected_until = time.monotonic() + CONNECT_SECONDS
        if self._expected_until is not None:
            self._connected.wait(max(0.0, self._expected_until - time.monotonic()))
        page = self.connection()
        if page is None and self._closed:
            raise PageUnavailableError("the page of the notebook was closed")
        if page is None:
            raise PageUnavailableError("no page of JupyterLab with the extension of codex-jupyter is connected with this kernel")
        if blocked and not page.concurrent:
            raise PageUnavailableError("this kernel receives nothing from the page while a cell runs, which needs ipykernel 7 or newer")
        return page
