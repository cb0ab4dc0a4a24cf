"""Limits of the tools of a turn."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimits:
    """Limits of the tools of a turn."""

    max_calls: int = 500
    """Calls in one turn. Further calls are refused, and the model is informed."""
    max_parallel: int = 8
    """Calls that run at the same time. Others wait."""
    timeout: float | None = 600.0
    """Seconds of one call, unless the tool has its own timeout. None sets no limit."""
    max_text: int = 36_000
    """Bytes of a result's text as UTF-8. The middle of a longer text is cut. The CLI itself cuts at 40,000 in code mode."""
    max_rows: int = 20
    """Rows of a data frame. The result states how many there are."""
    max_columns: int = 50
    """Columns of a data frame."""
    max_images: int = 6
    """Images of one result. Others are left out, and the result says so."""
    max_image_bytes: int = 5_000_000
    """Bytes of one image. A larger one is left out, and the result says so."""
