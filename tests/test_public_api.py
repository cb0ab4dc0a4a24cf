"""A snapshot of the public API: every public name with its signature.

After an intended change, describe it in CHANGELOG.md and update the snapshot with `python -m tests.test_public_api`.
"""

import ast
import inspect
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import ParamSpec, TypeVar

import typing_extensions

import codex_jupyter
from codex_jupyter import sdk

SNAPSHOT = Path(__file__).with_name("public_api.txt")
PACKAGE = Path(codex_jupyter.__file__).parent
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
INTERNAL_CONSTRUCTORS = {"Login", "StreamedTurn", "Thread", "TurnRecording"}
"""Classes that only methods of the package instantiate."""
METHODS = {
    "ThreadMethods": "sdk/client_threads.py",
    "AccountMethods": "sdk/client_account.py",
    "RequestMethods": "sdk/client_requests.py",
    "CliTransport": "sdk/transports/cli_transport.py",
}
"""Classes with a part of the methods of `Codex`."""
NOTEBOOK_NAMES = {"image": "notebook/images/attach.py", "images": "notebook/images/attach.py", "chat": "notebook/chat/widget.py"}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def definition(path: Path, name: str) -> ast.stmt | None:
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef | FUNCTION) and node.name == name:
            return node
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            return node
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            return node
    return None


def located() -> dict[str, tuple[Path, ast.stmt]]:
    """Return the definitions of the SDK's public names. They are found by following the imports of its `__init__`."""
    statements = {}
    for node in parsed(PACKAGE / "sdk" / "__init__.py").body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            path = PACKAGE.parent / Path(*node.module.split(".")).with_suffix(".py")
            for alias in node.names:
                statement = definition(path, alias.name)
                assert statement is not None, f"{alias.name} is not defined in {path}"
                statements[alias.name] = (path, statement)
    for name, file in NOTEBOOK_NAMES.items():
        statement = definition(PACKAGE / file, name)
        assert statement is not None, f"{name} is not defined in {file}"
        statements[name] = (PACKAGE / file, statement)
    return statements


def signature(node: FUNCTION) -> str:
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returned = "" if node.returns is None else f" -> {ast.unparse(node.returns)}"
    return f"{word} {node.name}({ast.unparse(node.args)}){returned}"


def members(node: ast.ClassDef | ast.If, constructor: bool) -> list[str]:
    lines = []
    for child in node.body:
        if isinstance(child, ast.If):
            lines += members(child, constructor)
        elif isinstance(child, ast.AnnAssign) and not ast.unparse(child.target).startswith("_"):
            lines.append(ast.unparse(child))
        elif isinstance(child, FUNCTION) and (not child.name.startswith("_") or (child.name == "__init__" and constructor)):
            lines += [f"@{ast.unparse(decorator)}" for decorator in child.decorator_list]
            lines.append(signature(child))
        if isinstance(child, FUNCTION) and child.name == "__init__":
            attributes = [part for part in ast.walk(child) if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Attribute)]
            lines += [ast.unparse(part) for part in attributes if isinstance(part.target, ast.Attribute) and part.target.attr[0] != "_"]
    return lines


def described(name: str, node: ast.stmt) -> str:
    if isinstance(node, ast.ClassDef):
        bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
        inherited = [base for base in map(ast.unparse, node.bases) if base in METHODS]
        parts = [node, *(parent for base in inherited if isinstance(parent := definition(PACKAGE / METHODS[base], base), ast.ClassDef))]
        lines = [line for part in parts for line in members(part, name not in INTERNAL_CONSTRUCTORS)]
        head = [*(f"@{ast.unparse(decorator)}" for decorator in node.decorator_list), f"class {name}{bases}"]
        return "\n".join([*head, *(f"    {line}" for line in lines)])
    if isinstance(node, FUNCTION):
        return signature(node)
    return ast.unparse(node)


def public_api() -> str:
    return "\n\n".join(described(name, node) for name, (_, node) in sorted(located().items())) + "\n"


def annotations(node: ast.AST) -> list[ast.expr]:
    """Return the annotations and bases in a definition, without those of private members."""
    expressions: list[ast.expr] = []
    if isinstance(node, ast.ClassDef):
        expressions += [base for base in node.bases if not ast.unparse(base).startswith("_") and ast.unparse(base) not in METHODS]
        children = [child for part in node.body for child in (part.body if isinstance(part, ast.If) else [part])]
        for child in children:
            if isinstance(child, FUNCTION) and (not child.name.startswith("_") or child.name == "__init__"):
                expressions += [] if child.name == "__init__" and node.name in INTERNAL_CONSTRUCTORS else annotations(child)
            elif isinstance(child, ast.AnnAssign) and not ast.unparse(child.target).startswith("_"):
                expressions.append(child.annotation)
    elif isinstance(node, FUNCTION):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        expressions += [argument.annotation for argument in arguments if argument is not None and argument.annotation is not None]
        expressions += [] if node.returns is None else [node.returns]
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        expressions.append(node.value)
    return expressions


def is_ours(value: object, name: str, module: ModuleType) -> bool:
    """Return True if a name in an annotation is a class or a type alias of this package."""
    if isinstance(value, TypeVar | ParamSpec | typing_extensions.TypeVar) or inspect.isroutine(value):
        return False
    if inspect.isclass(value):
        return value.__module__.startswith("codex_jupyter")
    path = Path(str(module.__file__))
    return definition(path, name) is not None or any(
        isinstance(node, ast.ImportFrom) and str(node.module).startswith("codex_jupyter") and name in [alias.name for alias in node.names]
        for node in parsed(path).body
    )


def test_the_public_api_is_that_of_the_snapshot() -> None:
    """A change of a name or a signature is intended, and described in CHANGELOG.md."""
    assert public_api() == SNAPSHOT.read_text(encoding="utf-8"), (
        "The public API has changed. If that is intended, add a line to CHANGELOG.md and run `python -m tests.test_public_api`."
    )


def test_every_type_in_a_public_signature_can_be_imported_from_the_package() -> None:
    """Users can annotate what they pass and receive."""
    missing = set()
    for name, (path, node) in located().items():
        if name in NOTEBOOK_NAMES:
            continue
        module = inspect.getmodule(getattr(sdk, name)) if inspect.isclass(getattr(sdk, name)) else None
        if module is None:
            module = __import__(".".join(("codex_jupyter", *path.relative_to(PACKAGE).with_suffix("").parts)), fromlist=["_"])
        for annotation in annotations(node):
            tree = (
                ast.parse(annotation.value, mode="eval")
                if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
                else annotation
            )
            for part in ast.walk(tree):
                used = part.id if isinstance(part, ast.Name) else ""
                if used and hasattr(module, used) and is_ours(getattr(module, used), used, module) and used not in sdk.__all__:
                    missing.add(f"{used} (in {name})")
    assert missing == set()


if __name__ == "__main__":
    SNAPSHOT.write_text(public_api(), encoding="utf-8")
