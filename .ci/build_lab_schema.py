"""Write the schema of JupyterLab's settings page from the settings of the magics. A test compares the file with this."""

import json
from pathlib import Path
from typing import Any, Final

from traitlets import Bool, Dict, Enum, Float, Int, List, TraitType, Unicode

from codex_jupyter.notebook.magic.magics import CodexMagics

FOLDER: Final = Path(__file__).parents[1] / "codex_jupyter" / "notebook" / "lab" / "labextension"
FILE: Final = FOLDER / "schemas" / "codex-jupyter" / "plugin.json"
CONSENT: Final[dict[str, Any]] = {
    "title": "load_into_kernels",
    "description": "Load the extension codex_jupyter into the kernel of a notebook when Codex is first used there.",
    "type": "boolean",
    "default": False,
}


def schema() -> dict[str, Any]:
    """Return the schema, with the places of the commands that the file has."""
    places = {name: value for name, value in json.loads(FILE.read_text(encoding="utf-8")).items() if name.startswith("jupyter.lab")}
    properties = {name: _property(name, trait) for name, trait in CodexMagics.class_traits(config=True).items()}
    return {
        **places,
        "title": "Codex",
        "description": "Settings of OpenAI's Codex agent in notebooks, the same as those of %config CodexMagics, which override them.",
        "type": "object",
        "properties": {"load_into_kernels": CONSENT, **dict(sorted(properties.items()))},
        "additionalProperties": False,
    }


def _property(name: str, trait: TraitType[Any, Any]) -> dict[str, Any]:
    default: Any = trait.default()
    return {"title": name, "description": trait.help, **_kind(trait), "default": default}


def _kind(trait: Any) -> dict[str, Any]:
    """Return the type of a setting as JSON schema."""
    match trait:
        case Enum():
            return {"type": "string", "enum": list(trait.values or ())}
        case Bool():
            return {"type": "boolean"}
        case Int():
            return {"type": "integer", "minimum": trait.min}
        case Float():
            return {"type": "number", "minimum": trait.min}
        case List():
            return {"type": "array", "items": {"type": "string"}}
        case Dict():
            return {"type": "object", "additionalProperties": True}
        case Unicode():
            return {"type": "string"}
    raise TypeError(f"{type(trait).__name__} has no counterpart in a JSON schema.")


def text() -> str:
    """Return the content of the file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
