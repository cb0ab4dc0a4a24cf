"""The scripts of the project in `.ci`, which are in no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / ".ci"


def load_script(name: str) -> ModuleType:
    """Load a script as a module, without running it as a program.

    Args:
        name: The name of its file without `.py`.
    """
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its data classes look themselves up there
    spec.loader.exec_module(module)
    return module
