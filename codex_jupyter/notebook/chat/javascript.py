"""Join JavaScript modules into one.

anywidget loads the JavaScript of a widget as one module that has no address, so it cannot resolve relative imports. The modules are
therefore joined when the widget's class is created. Users need no build step.

Only what the modules use is supported: `import { a, b } from "./file.js";` on one line, and `export` before a top-level function, class or
constant.
"""

import re
from pathlib import Path
from typing import Final

_IMPORT: Final = re.compile(r'import \{([^{}]*)\} from "(\.\.?/[^"]+)";')
_DECLARATION: Final = re.compile(r"(?:async function|function\*?|class|const|let) ([A-Za-z_$][\w$]*)")
_STATEMENT: Final = re.compile(r"(?:import|export|async|function|class|const|let|var)\b")
_EXPORT: Final = "export "
_DEFAULT: Final = "export default "


def join_modules(entry: Path) -> str:
    """Return one module with the code of a module and of all that it imports.

    Each module comes after those that it imports, without its imports and exports. Only the default export of the entry is left.
    Comments for the type checker are left out.

    Args:
        entry: The file of the module that has the default export.

    Raises:
        ValueError: If a module imports a file or name that does not exist, if modules import each other in a cycle, if two modules declare
            the same name, or if a module uses other forms of import, export or declaration.
    """
    entry = entry.resolve()
    modules: dict[Path, _Module] = {}
    _load(entry, modules, ())
    declared: dict[str, Path] = {}
    for path, module in modules.items():
        for name in module.names:
            if name in declared:
                raise ValueError(f"{path.name} declares {name}, which {declared[name].name} declares, too. Rename one of them.")
            declared[name] = path
        if module.has_default and path != entry:
            raise ValueError(f"{path.name} has a default export. Only {entry.name} can have one.")
    return "\n".join(f"// {path.relative_to(entry.parent).as_posix()}\n{module.code}\n" for path, module in modules.items())


class _Module:
    """A module without its imports and exports.

    Args:
        path: Its file.

    Raises:
        ValueError: If it has a statement of another form.
    """

    def __init__(self, path: Path) -> None:
        self.imports: list[tuple[Path, list[str]]] = []
        self.names: list[str] = []
        self.exports: set[str] = set()
        self.has_default = False
        code: list[str] = []
        for line in _without_jsdoc(path.read_text(encoding="utf-8")):
            if imported := _IMPORT.fullmatch(line):
                names = [name.strip() for name in imported[1].split(",")]
                self.imports.append((path.parent.joinpath(imported[2]).resolve(), names))
                continue
            if declaration := _DECLARATION.match(line.removeprefix(_EXPORT)):
                self.names.append(declaration[1])
                if line.startswith(_EXPORT):
                    self.exports.add(declaration[1])
                    line = line.removeprefix(_EXPORT)
            elif line.startswith(_DEFAULT):
                self.has_default = True
            elif _STATEMENT.match(line):
                raise ValueError(f"{path.name} has a statement that cannot be joined: {line}")
            if line or (code and code[-1]):
                code.append(line)
        self.code = "\n".join(code).rstrip()


def _without_jsdoc(source: str) -> list[str]:
    lines, inside = list[str](), False
    for line in source.splitlines():
        text = line.strip()
        inside = inside or text.startswith("/**")
        if not inside:
            lines.append(line)
        elif text.endswith("*/"):
            inside = False
    return lines


def _load(path: Path, modules: dict[Path, _Module], importers: tuple[Path, ...]) -> _Module:
    """Add a module and its imports to `modules`, the imports first."""
    if path in importers:
        cycle = " -> ".join(module.name for module in (*importers[importers.index(path) :], path))
        raise ValueError(f"Modules import each other: {cycle}. Move what they share into another module.")
    if path in modules:
        return modules[path]
    if not path.is_file():
        raise ValueError(f"{importers[-1].name if importers else 'The entry'} imports {path.name}, which does not exist.")
    module = _Module(path)
    for file, names in module.imports:
        imported = _load(file, modules, (*importers, path))
        for name in names:
            if name not in imported.exports:
                raise ValueError(f"{path.name} imports {name}, which {file.name} does not export.")
    modules[path] = module
    return module
