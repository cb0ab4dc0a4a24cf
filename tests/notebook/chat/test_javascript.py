"""The page's JavaScript modules are joined into one module."""

from pathlib import Path

import pytest

from codex_jupyter.notebook.chat import javascript
from codex_jupyter.notebook.chat.javascript import join_modules

STATIC = Path(javascript.__file__).parent / "static"


def write(folder: Path, **modules: str) -> Path:
    """Write modules, and return the file of the one named `index`."""
    for name, source in modules.items():
        (folder / f"{name}.js").write_text(source)
    return folder / "index.js"


def test_imports_come_first_without_import_and_export(tmp_path: Path) -> None:
    shared = 'import { C } from "./c.js";\n\n/**\n * @param {string} text\n */\nexport function shared(text) {\n  return C + text;\n}\n'
    entry = write(
        tmp_path,
        index='import { C } from "./c.js";\nimport { shared, other } from "./shared.js";\n\nexport default () => other(shared(C));\n',
        shared=f"{shared}\nexport const other = (text) => text;\n",
        c="/** A constant. */\nexport const C = 1;\n",
    )
    assert join_modules(entry) == (
        "// c.js\nconst C = 1;\n\n"
        "// shared.js\nfunction shared(text) {\n  return C + text;\n}\n\nconst other = (text) => text;\n\n"
        "// index.js\nexport default () => other(shared(C));\n"
    )


def test_the_result_is_the_same_each_time_and_has_every_module_once() -> None:
    joined = join_modules(STATIC / "index.js")
    assert joined == join_modules(STATIC / "index.js")
    headings = [line.removeprefix("// ") for line in joined.splitlines() if line.startswith("// ") and line.endswith(".js")]
    assert sorted(headings) == sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js"))
    assert not [line for line in joined.splitlines() if line.startswith("import ")]
    assert [line for line in joined.splitlines() if line.startswith("export ")] == ["export default () => {"]


A = "export const A = 1;\n"
IMPORT_A = 'import { A } from "./a.js";\n'
WRONG = {
    "a cycle": ({"index": IMPORT_A, "a": 'import { I } from "./index.js";'}, "index.js -> a.js -> index.js"),
    "a missing file": ({"index": IMPORT_A}, "index.js imports a.js, which does not exist"),
    "a missing name": ({"index": 'import { B } from "./a.js";', "a": f"{A}const B = 2;"}, "index.js imports B, which a.js does not export"),
    "a name twice": ({"index": f"{IMPORT_A}function one() {{}}", "a": f"{A}const one = 1;"}, "index.js declares one, which a.js declares"),
    "a second default": ({"index": IMPORT_A, "a": f"{A}export default A;"}, "a.js has a default export"),
    "another import": ({"index": 'import A from "./a.js";'}, "cannot be joined: import A"),
    "a package": ({"index": 'import { A } from "a";'}, "cannot be joined: import { A }"),
    "another export": ({"index": "const A = 1;\nexport { A };"}, "cannot be joined: export { A }"),
    "a pattern": ({"index": "const { a, b } = one;"}, "cannot be joined: const { a, b }"),
}


@pytest.mark.parametrize(("modules", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_joined_raises_and_names_the_module(tmp_path: Path, modules: dict[str, str], message: str) -> None:
    entry = write(tmp_path, **modules)
    with pytest.raises(ValueError, match=r".") as raised:
        join_modules(entry)
    assert message in str(raised.value)
