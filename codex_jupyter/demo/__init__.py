"""The showcase behind `%codex demo`: a script for `codex_jupyter.testing.ScriptedModel`."""

from codex_jupyter.demo.showcase import MEASUREMENTS, showcase

__all__ = ["MEASUREMENTS", "showcase"]
