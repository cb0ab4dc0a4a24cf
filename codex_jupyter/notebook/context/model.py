"""What is collected, and what is remembered of what was sent."""

from dataclasses import dataclass, field

from codex_jupyter.sdk import ContextInput


@dataclass(frozen=True)
class ContextPart:
    """One kind of what is sent.

    Attributes:
        name: `error`, `variables`, `cells` or `outputs`.
        text: The text, as it is sent.
        count: How many things it tells of.
    """

    name: str
    text: str
    count: int = 1


@dataclass
class Memory:
    """What a thread was told.

    Attributes:
        variables: Fingerprints of the text of each variable, by level of detail.
        omitted: Variables that were only counted, because there were too many.
        removed: Variables that were said to be gone.
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

    def add(self, told: "Memory") -> None:
        """Note what was told on top."""
        for name in told.removed:
            self.variables.pop(name, None)
        self.variables.update(told.variables)
        self.omitted |= told.omitted
        self.cells |= told.cells
        self.outputs |= told.outputs
        self.errors |= told.errors


@dataclass(frozen=True)
class Context:
    """What goes along with a prompt.

    Attributes:
        parts: The parts, most important first; what has nothing to say is no part.
        input: All parts as an input of the turn; None if there is nothing to send.
        told: What a thread knows once it was sent.
    """

    parts: tuple[ContextPart, ...] = ()
    input: ContextInput | None = None
    told: Memory = field(default_factory=Memory, repr=False)

    @property
    def text(self) -> str:
        """The whole block with its marks; empty if there is nothing to send."""
        return self.input.marked if self.input is not None else ""

    @property
    def sizes(self) -> dict[str, int]:
        """Characters of each part, by its name."""
        return {part.name: len(part.text) for part in self.parts}

    def summary(self) -> str:
        """One line, such as `context: 12 variables, 3 cells, the last error (2.1 kB)`; `context: nothing` if it is empty."""
        counts = {part.name: part.count for part in self.parts if part.name != "error" and part.count}
        said = [f"{count} {name if count != 1 else name[:-1]}" for name, count in counts.items()]
        said += ["the last error" for part in self.parts if part.name == "error"]
        size = len(self.text.encode())
        return f"context: {', '.join(said)} ({f'{size / 1000:.1f} kB' if size >= 1000 else f'{size} B'})" if said else "context: nothing"
