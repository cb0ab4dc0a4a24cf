"""Token counts."""

from codex_jupyter.sdk.models.wire import WireModel


class Usage(WireModel):
    """Token counts, all >= 0. On the wire they are running totals of the thread; `Turn.usage` holds those of one turn."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    """Input tokens that came from the cache. Included in `input_tokens`."""
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0
    """Output tokens of reasoning. Included in `output_tokens`."""

    def __sub__(self, earlier: "Usage") -> "Usage":
        """Return the tokens used since `earlier`, never below zero."""
        return Usage(**{name: max(0, getattr(self, name) - getattr(earlier, name)) for name in Usage.model_fields})

    @property
    def total_tokens(self) -> int:
        """The sum of input and output tokens."""
        return self.input_tokens + self.output_tokens
