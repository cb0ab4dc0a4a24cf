"""The collected context, and the record of data that a thread has received."""

from dataclasses import dataclass, field

from codex_jupyter.sdk import ContextInput


@dataclass(frozen=True)
class ContextPart:
    """One part of a context.

    Attributes:
        name: `error`, `variables`, `cells` or `outputs`.
        text: The text, as it is sent.
        count: Number of described objects.
    """

    name: str
    text: str
    count: int = 1


@dataclass
class SentContext:
    """Data that a thread has received.

    Attributes:
        variables: Fingerprints of the text of each variable, by level of detail.
        omitted: Variables that were only counted, because there were too many.
        removed: Variables that were reported as removed.
        cells: Ids of cells whose source was sent.
        outputs: Ids of cells whose output was sent.
        errors: Ids of cells whose error was sent.
    """

    variables: dict[str, dict[int, int]] = field(default_factory=dict)
    omitted: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    cells: set[int] = field(default_factory=set)
    outputs: set[int] = field(default_factory=set)
    errors: set[int] = field(default_factory=set)

    def add(self, sent: "SentContext") -> None:
        """Add more data."""
        for name in sent.removed:
            self.variables.pop(name, None)
        self.variables.update(sent.variables)
        self.omitted |= sent.omitted
        self.cells |= sent.cells
        self.outputs |= sent.outputs
        self.errors |= sent.errors


@dataclass(frozen=True)
class Context:
    """Context of a prompt.

    Attributes:
        parts: The parts, most important first. Empty parts are left out.
        input: All parts as an input of the turn. None if there is nothing to send.
        sent: The data that the thread has received once the context is sent.
    """

    parts: tuple[ContextPart, ...] = ()
    input: ContextInput | None = None
    sent: SentContext = field(default_factory=SentContext, repr=False)

    @property
    def text(self) -> str:
        """The whole text in its envelope. Empty if there is nothing to send."""
        return self.input.marked if self.input is not None else ""

    @property
    def sizes(self) -> dict[str, int]:
        """Number of characters of each part, by name."""
        return {part.name: len(part.text) for part in self.parts}

    def summary(self) -> str:
        """Return one line, such as `context: 12 variables, 3 cells, the last error (2.1 kB)`, or `context: nothing`."""
        counts = {part.name: part.count for part in self.parts if part.name != "error" and part.count}
        texts = [f"{count} {name if count != 1 else name[:-1]}" for name, count in counts.items()]
        texts += ["the last error" for part in self.parts if part.name == "error"]
        size = len(self.text.encode())
        return f"context: {', '.join(texts)} ({f'{size / 1000:.1f} kB' if size >= 1000 else f'{size} B'})" if texts else "context: nothing"
