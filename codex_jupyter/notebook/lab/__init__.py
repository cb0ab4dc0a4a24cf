"""The JupyterLab extension: JavaScript without a build in `labextension/`, and its kernel side.

Only this module is imported when the extension is loaded. The rest is imported when a page opens a comm.
"""

from typing import Final

COMM_TARGET: Final = "codex_jupyter.lab"
"""The name under which a page opens its comms to the kernel."""
