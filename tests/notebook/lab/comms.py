"""Comms that only record, and the pages that open and close them."""

from typing import Any

from codex_jupyter.notebook.lab.pages import LabPages


class Comm:
    """A comm that records what is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed = False
        self.handle_msg: Any = None
        self.closers: list[Any] = []

    def send(self, data: dict[str, Any]) -> None:
        self.sent.append(data)

    def on_close(self, closer: Any) -> None:
        self.closers.append(closer)

    def close(self) -> None:
        self.closed = True

    def receive(self, **action: Any) -> None:
        self.handle_msg({"content": {"data": action}})


def opened(pages: LabPages, name: str = "a", subshell: str | None = None, **data: Any) -> tuple[Comm, Comm]:
    control, events = Comm(), Comm()
    for role, comm in (("control", control), ("events", events)):
        content = {"data": {"page": name, "role": role, "protocol": 2, **data}}
        pages.open(comm, {"header": {"subshell_id": subshell}, "content": content})
    return control, events


def close(events: Comm, **data: Any) -> None:
    """Let a page close its comm."""
    for closer in events.closers:
        closer({"content": {"data": data}})
