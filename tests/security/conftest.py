"""The real CLI and a real kernel for the tests of this folder."""

from tests.notebook.conftest import codex_home, kernel, new_kernel, scripted, shared_kernel
from tests.sdk.conftest import fake, real

__all__ = ["codex_home", "fake", "kernel", "new_kernel", "real", "scripted", "shared_kernel"]
