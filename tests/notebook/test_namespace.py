"""Names in prompts and options: each stands for what it would stand for in the code that calls the magic."""

from collections.abc import Callable

import pytest
from IPython.core.interactiveshell import InteractiveShell

from codex_jupyter.notebook.namespace import calling_namespace
from codex_jupyter.testing import ScriptedModel
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]

SETUP = """
from PIL import Image as PIL
city, note, where = "the global city", "the global note", "the notebook"
def ask(line, cell=None):
    ip = get_ipython()
    return ip.run_line_magic("codex", line) if cell is None else ip.run_cell_magic("codex", line, cell)
"""


@pytest.fixture
def kernel(kernel: Kernel) -> Kernel:
    assert kernel.execute(SETUP).error is None
    return kernel


def test_a_prompt_in_a_function_sends_the_variables_of_the_function(kernel: Kernel, scripted: Scripted) -> None:
    """A line magic, a cell magic, an attached image, a mentioned image, a schema, a variable of the context, and Python's `images`."""
    model = scripted(['{"n": 1}'] * 8)
    defined = kernel.execute(
        "def describe(city, photo, shape):\n"
        "    %codex -q Describe {city} and {where}\n"
        "    get_ipython().run_cell_magic('codex', '-q', 'Paint {city}')\n"
        "    %codex -q -i photo one\n"
        "    %codex -q what is @photo?\n"
        "    %codex -q --context vars:shape -o answer --schema shape two\n"
        "    import codex_jupyter\n"
        "    return codex_jupyter.image('photo').media_type, len(codex_jupyter.images('photo', 'photo')), 'answer' in locals()"
    )
    assert defined.error is None
    done = kernel.execute(
        "schema = {'type': 'object', 'properties': {'n': {'type': 'integer'}}, 'required': ['n'], 'additionalProperties': False}\n"
        "describe('Oslo', PIL.new('RGB', (5, 5), 'red'), schema)"
    )
    assert done.error is None
    assert done.value == "('image/png', 1, False)"
    assert [request.prompt.strip() for request in model.requests[:2]] == ["Describe Oslo and the notebook", "Paint Oslo"]
    assert [len(request.images) for request in model.requests] == [0, 0, 1, 1, 0]
    assert model.requests[4].body["text"]["format"]["schema"]["required"] == ["n"]
    assert "shape: dict, 4 items" in str(model.requests[4].input)
    # `-o` assigns the notebook's variable, as `%%capture` does.
    assert kernel.execute("answer").value == "{'n': 1}"


def test_a_function_can_let_its_own_client_answer(kernel: Kernel, scripted: Scripted) -> None:
    """The argument of `%codex use` is a name like the others; one of another caller is not used."""
    model = scripted(["Yes."])
    assert kernel.execute("own = client; del client\ndef choose(mine):\n    %codex use mine\nchoose(own)").error is None
    assert kernel.execute("%codex hello").error is None
    assert len(model.requests) == 1
    refused = kernel.execute("def inner():\n    %codex use mine\ndef outer(mine):\n    inner()\nouter(own)")
    assert "mine is not defined" in refused.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-i figx see", "InputError: There is no variable and no file figx."),
        ("what is @figx?", "InputError: @figx: There is no variable figx. If it is not an image, write `@figx` as code, in backticks."),
        ("--schema figx see", "UsageError: --schema: figx is not defined, and not a JSON file."),
        ("--context vars:figx see", "UsageError: --context: there is no variable figx."),
        ("-i figx.axes see", "InputError: There is no file figx.axes."),
    ],
)
def test_a_name_of_a_further_caller_is_refused(kernel: Kernel, scripted: Scripted, line: str, message: str) -> None:
    """`helper` calls the magic; the variable of its caller is not its variable. Nothing is sent."""
    model = scripted(["never"])
    code = f"def helper():\n    %codex {line}\ndef caller(figx):\n    helper()\ncaller(PIL.new('RGB', (5, 5)))"
    asked = kernel.execute(code)
    assert f"{asked.error or ''}{asked.text}".strip() == message
    assert model.requests == []


MODULE = "import types\nm = types.ModuleType('m')\nm.get_ipython = get_ipython"
PLACES = {
    "a nested function that uses the variable": "def f(city):\n    def g():\n        city\n        look()\n    g()\nf('Oslo')",
    "a function that is called in another": "def g(city):\n    look()\ndef f(city):\n    g('Oslo')\nf('Rome')",
    "a method": "class A:\n    def m(self, city):\n        look()\nA().m('Oslo')",
    "a static method": "class A:\n    @staticmethod\n    def m(city):\n        look()\nA.m('Oslo')",
    "a class body": "class A:\n    city = 'Oslo'\n    look()",
    "a lambda": "(lambda city: look())('Oslo')",
    "a default argument": "def f(city='Oslo', *args, **kwargs):\n    look()\nf()",
    "a generator": "def f(city):\n    yield look()\nlist(f('Oslo'))",
    "a list comprehension": "[look() for city in ['Oslo']]",
    "a dict comprehension in a set comprehension": "[{1: look() for _ in range(1)} for city in ['Oslo']]",
    "a generator expression": "list(look() for city in ['Oslo'])",
    "a comprehension in a function": "def f(city):\n    [look() for _ in range(1)]\nf('Oslo')",
    "a generator expression in a function": "def f(city):\n    any(look() for _ in range(1))\nf('Oslo')",
    "a generator expression in a comprehension in a function": "def f(city):\n    [list(look() for _ in [1]) for _ in [1]]\nf('Oslo')",
    "exec with names": "exec('look()', {'get_ipython': get_ipython, 'city': 'Oslo'})",
    "exec with locals": "exec('look()', globals(), {'city': 'Oslo'})",
    "a function made by exec": "names = {'get_ipython': get_ipython}\nexec('def f(city):\\n    look()', names)\nnames['f']('Oslo')",
    "eval": "def f(city):\n    eval('look()')\nf('Oslo')",
    "a decorated function": (
        "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(*a):\n        city = 'Rome'\n        return f(*a)\n    return w\n"
        "@d\ndef f(city):\n    look()\nf('Oslo')"
    ),
    "a thread": "import threading\nt = threading.Thread(target=lambda city: look(), args=['Oslo'])\nt.start(); t.join()",
    "a pool": "from concurrent.futures import ThreadPoolExecutor as P\nwith P(1) as p:\n    p.submit(lambda city: look(), 'Oslo').result()",
    "an async function": "import asyncio\nasync def f(city):\n    await asyncio.sleep(0)\n    look()\nawait f('Oslo')",
    "an async cell": "import asyncio\nawait asyncio.sleep(0)\ncity = 'Oslo'\nlook()",
    "the cell itself": "city = 'Oslo'\nlook()",
    "%time in a function": "def f(city):\n    %time look()\nf('Oslo')",
    "%timeit in a function": "def f(city):\n    %timeit -n1 -r1 look()\nf('Oslo')",
    "%%capture": "city = 'Oslo'\nget_ipython().run_cell_magic('capture', '', 'look()')",
    "%%time": "city = 'Oslo'\nget_ipython().run_cell_magic('time', '', 'look()')",
    "a module": f"{MODULE}\nexec('city = \"Oslo\"\\ndef f(): look()', vars(m))\nm.f()",
    "a module that lacks the name": f"{MODULE}\ncity = 'Oslo'\nexec('def f(): look()', vars(m))\nm.f()",
    "a recursion": "def f(city, n):\n    look() if n == 0 else f('Oslo', n - 1)\nf('Rome', 1)",
    "a callback": "sorted([1], key=lambda _, city='Oslo': look() or 0)",
    "a property": "class A:\n    @property\n    def p(self):\n        city = 'Oslo'\n        look()\nA().p",
    "a match statement": "def f(x):\n    match x:\n        case {'city': city}:\n            look()\nf({'city': 'Oslo'})",
    "an except clause": "def f():\n    try:\n        raise ValueError('Oslo')\n    except ValueError as city:\n        look()\nf()",
    "a comprehension outside of its variable": "city = 'Oslo'\ndef f():\n    [city for city in ['Rome']]\n    look()\nf()",
}
MISSING = {
    "a nested function that does not use the variable": "def f(city):\n    def g():\n        look()\n    g()\nf('Oslo')",
    "a lambda that does not use it": "def f(city):\n    list(map(lambda _: look(), [1]))\nf('Oslo')",
    "a generator expression that other code consumes": ("def use(g):\n    list(g)\ndef f(city):\n    use(look() for _ in [1])\nf('Oslo')"),
    "a deleted variable": "def f(city):\n    del city\n    look()\nf('Oslo')",
    "a variable that is assigned later": "def f():\n    look()\n    city = 'Oslo'\nf()",
    "an except clause that ended": "def f():\n    try:\n        1 / 0\n    except Exception as city:\n        pass\n    look()\nf()",
}


@pytest.fixture
def looked(shell: InteractiveShell) -> list[str]:
    """Return the value of `city` in each call of the magic `%look`, or the reason why it has no value."""
    values: list[str] = []

    def look(line: str, cell: str | None = None) -> None:
        names = calling_namespace(shell)
        values.append(str(names.values.get("city", names.hidden.get("city"))))

    shell.register_magic_function(look, "line_cell", "look")  # type: ignore[arg-type]
    return values


@pytest.fixture(scope="module")
def shell() -> InteractiveShell:
    return InteractiveShell.instance()


@pytest.mark.parametrize("call", ['get_ipython().run_line_magic("look", "")', 'get_ipython().run_cell_magic("look", "", "x")'])
@pytest.mark.parametrize("place", PLACES)
def test_a_name_stands_for_what_the_calling_code_means(shell: InteractiveShell, looked: list[str], place: str, call: str) -> None:
    """A global of the same name is not sent instead, nor a variable of another caller."""
    shell.run_cell("city = 'the global city'").raise_error()
    shell.run_cell(PLACES[place].replace("look()", call)).raise_error()
    assert looked == ["Oslo"]


@pytest.mark.parametrize("place", MISSING)
def test_a_local_variable_without_a_value_is_not_replaced_by_a_global(shell: InteractiveShell, looked: list[str], place: str) -> None:
    """Python itself would raise there, or would pass the variable on if the code used it."""
    shell.run_cell("city = 'the global city'").raise_error()
    shell.run_cell(MISSING[place].replace("look()", 'get_ipython().run_line_magic("look", "")')).raise_error()
    assert len(looked) == 1
    assert looked[0].startswith("city is a variable of f")


def test_braces_with_a_hidden_name_are_refused(kernel: Kernel, scripted: Scripted) -> None:
    """Neither the braces nor a global are sent; double braces stay text."""
    model = scripted(["Yes."])
    code = "def f(city):\n    def g():\n        %codex -q {text}\n    g()\nf('Oslo')"
    refused = kernel.execute(code.replace("{text}", "Describe {city.name}"))
    reason = "city is a variable of f, which g does not use. Pass it to g as an argument."
    assert refused.text.strip().endswith(f"UsageError: {{city.name}} has no value: {reason} Double braces keep the text.")
    assert model.requests == []
    assert kernel.execute(code.replace("{text}", "Describe {{city}}")).error is None
    assert model.requests[0].prompt.strip() == "Describe {city}"
