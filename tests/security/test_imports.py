"""Files that the agent writes under the names of modules run in no process of the kernel, unless the user imports them."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import codex_jupyter
from codex_jupyter._trusted_imports import distrust, is_trusted, isolated_python, trusted_path
from codex_jupyter.testing import ScriptedModel, plan, say, search, shell, think, write_file
from codex_jupyter.testing.script import Script
from tests.codex_home import used_home
from tests.invented import NEWEST
from tests.notebook.chat.pages import ChatPage
from tests.notebook.conftest import Kernel
from tests.sdk.conftest import Real

Scripted = Callable[[Script], ScriptedModel]
PACKAGE = Path(codex_jupyter.__file__).parent
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'
CODE = "\n".join(f"```{language}\nx = 1\n```" for language in ("python", "md", "js", "html", "rst", "nothing-known", ""))
UPLOAD = "an image that the page of the chat sends"
IMAGE = f"![x](data:image/png;base64,{PIXEL})"
ANSWER = f"# Title\n\n| a | b |\n|---|---|\n| 1 | $x$ |\n\n- [ ] [link](https://é.example/ü?q=1) `code` {IMAGE}\n\n{CODE}\n"


@cache
def imported_names() -> set[str]:
    """The top-level names of all modules that the package imports, wherever the import stands, and some words of its texts."""
    return {name for file in PACKAGE.rglob("*.py") for name in re.findall(r"^ *(?:from|import) +(\w+)", file.read_text(), re.MULTILINE)}


@cache
def module_names() -> list[str]:
    """Every name that an installed module has. The package imports some of them itself, its libraries others."""
    names = imported_names() | sys.stdlib_module_names | packages_distributions().keys() | {"sitecustomize", "usercustomize"}
    return sorted(name for name in names if name.isidentifier())


def planting(folder: Path, mark: Path, *targets: Path) -> str:
    """The shell command that writes a module of each name into folders. A module that is imported notes its name and who imported it."""
    module = (
        "import sys, _io\n"
        "frame, way = sys._getframe(1), []\n"
        "while frame:\n"
        "    way.append(f'{frame.f_code.co_filename}:{frame.f_lineno}')\n"
        "    frame = frame.f_back\n"
        f"_io.open({str(mark)!r}, 'a').write(__name__ + ' imported by ' + ' '.join(one for one in way if 'importlib' not in one) + '\\n')\n"
        "raise ImportError('the planted ' + __name__)\n"
    )
    script = folder / "plant.py"
    lines = [f"for folder in {[str(target) for target in targets]!r}:", f"    for name in {module_names()!r}:"]
    script.write_text("\n".join([*lines, f"        open(f'{{folder}}/{{name}}.py', 'w').write({module!r})"]))
    return f"{sys.executable} -I {script} && echo planted"


def ran(mark: Path) -> list[str]:
    return mark.read_text().splitlines() if mark.exists() else []


def test_the_planted_names_cover_all_that_the_package_imports() -> None:
    assert imported_names() >= {"markdown_it", "PIL", "vl_convert", "kaleido", "plotly", "psutil", "nh3", "tomli_w", "pygments", "anyio"}
    assert set(module_names()) >= imported_names()


@pytest.mark.parametrize(
    "path", ["", "['.', os.getcwd(), os.path.abspath('more')]"], ids=["default path", "path with folders of the agent"]
)
def test_no_module_that_the_agent_plants_runs_in_the_kernel(new_kernel: Callable[[], Kernel], tmp_path: Path, path: str) -> None:
    """All that the package does after the agent's first command, in a kernel that has imported as little as possible before it."""
    mark, kernel = tmp_path / "ran", new_kernel()
    for name in ("work", "work/more", "temporary"):
        (tmp_path / name).mkdir()
    kernel.execute(f"import os, sys\nos.chdir({str(tmp_path / 'work')!r})")
    if path:
        kernel.execute(f"sys.path[:0] = {path}\nos.environ['PYTHONPATH'] = os.pathsep.join({path})")
    plant = planting(tmp_path, mark, tmp_path / "work", tmp_path / "work" / "more")
    draw = f"echo {PIXEL} | base64 -d > a.png; echo '{SVG}' > b.svg; cp a.png c.webp; printf '\\033[1;31mred\\n'"
    script: Script = [
        [
            [shell(plant)],
            [think("**Looking** around"), plan([("Look", "in_progress")]), search("cats")],
            [write_file("d.txt", "d\n")],
            [shell(draw)],
            [say(ANSWER)],
        ],
        *[ANSWER] * 20,
    ]
    with ScriptedModel(script, codex_home=used_home(tmp_path / "home")) as model:
        kernel.use(model, TMPDIR=str(tmp_path / "temporary"))
        first = kernel.execute("%codex -s workspace-write --add-dir more look around")
        assert first.error is None
        assert "planted" in first.text
        assert "written: b.svg" in first.text
        assert len(list((tmp_path / "work").glob("*.py"))) == len(module_names())
        for code in (
            "%codex -i a.png -i b.svg --context auto+vars+cells+outputs again",
            "%codex -t other --bg hello\n%codex wait",
            "%codex status\n%codex threads\n%codex usage\n%codex doctor\n%codex help\n%codex insert",
            *(f"%codex export {form}" for form in ("md", "html", "ipynb", "jsonl")),
            "%codex fork forked",
            "%codex -t forked --timeout 60 hello",
            "1 / 0",
            "%codex fix",
            "chat = %codex chat\nchat",
            "chat.ask('hi')\n%codex wait",
            UPLOAD,
            "%codex resume",
            "%config CodexMagics.transport = 'exec'",
            "%codex hello",
            "%codex demo",
            "%codex Hello",
            "%codex demo off",
            "!echo of the user",
            "get_ipython().complete('%codex --ne')",
            "get_ipython().complete('sys.pa')",
            "%codex show",
            "%unload_ext codex_jupyter",
        ):
            if code is UPLOAD:
                data = (tmp_path / "work" / "a.png").read_bytes()
                assert ChatPage(kernel).do([data], do="upload", item="1", name="a.png", last=True)["error"] == ""
                continue
            assert (kernel.execute(code).error is None) == (code != "1 / 0"), code
        assert ran(mark) == []
        kernel.execute("import seaborn")
    (line,) = ran(mark)
    assert line.startswith("seaborn imported by"), "the user's own import is what it was"


def test_charts_and_figures_are_drawn_without_the_agents_modules(new_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """Libraries of the user that are loaded already import more of themselves and others when they draw."""
    mark, kernel = tmp_path / "ran", new_kernel()
    for name in ("work", "temporary"):
        (tmp_path / name).mkdir()
    kernel.execute(f"import os\nos.chdir({str(tmp_path / 'work')!r})")
    created = kernel.execute(
        "import altair, numpy, matplotlib.pyplot as plt, plotly.graph_objects as go, pandas, pydantic\n"
        "figure, axes = plt.subplots()\naxes.plot([1, 2])\nplt.close()\n"
        "chart = go.Figure(go.Scatter(y=[1, 2]))\n"
        "vega = altair.Chart(pandas.DataFrame({'a': [1], 'b': [2]})).mark_bar().encode(x='a:Q', y='b:Q')\n"
        "array = numpy.zeros((9, 9, 3), dtype='uint8')\nframe = pandas.DataFrame({'a': [1]})\n"
        "class Answer(pydantic.BaseModel):\n    value: int"
    )
    assert created.error is None
    answers: Script = ["Seen."] * 5
    with ScriptedModel(
        [[[shell(planting(tmp_path, mark, tmp_path / "work"))], "Done."], *answers, '{"value": 3}'], codex_home=used_home(tmp_path / "home")
    ) as model:
        kernel.use(model, TMPDIR=str(tmp_path / "temporary"))
        assert "planted" in kernel.execute("%codex -s workspace-write look around").text
        for spec in ("figure", "chart", "vega", "array", "axes"):
            done = kernel.execute(f"%codex -i {spec} what is it?")
            assert done.error is None, spec
            assert len(model.requests[-1].images) == 1, spec
        assert kernel.execute("%codex --schema Answer --context vars -o answer how many?\nanswer.value").value == "3"
    assert ran(mark) == []


@pytest.mark.parametrize("transport", ["exec", "app-server"])
def test_no_module_that_the_agent_plants_runs_in_a_program_of_the_sdk(real: Real, transport: str) -> None:
    """A script looks into its own folder first, which is where its agent works."""
    mark = real.folder / "ran"
    model = real.play([[[shell(planting(real.folder, mark, real.workspace))], "Done."], '{"value": 3}'])
    environment = real.environment(model)
    program = real.workspace / "program.py"
    program.write_text(
        "import json, sys\n"
        "settings = json.load(sys.stdin)\n"
        "from codex_jupyter import Codex, CancellationToken, ImageInput, TextInput\n"
        "import anyio\n"
        "async def main():\n"
        f"    async with Codex(config=settings['config'], env=settings['env'], transport={transport!r}) as codex:\n"
        "        thread = codex.start_thread(sandbox_mode='workspace-write', skip_git_repo_check=True)\n"
        "        turn = await thread.run('go')\n"
        "        assert 'planted' in turn.items[0].aggregated_output\n"
        "        prompt = [TextInput(text='?'), ImageInput(data=bytes.fromhex(settings['image']))]\n"
        "        turn = await thread.run(prompt, output_schema={'type': 'object', 'properties': {'value': {'type': 'integer'}}})\n"
        "        assert turn.parsed == {'value': 3}\n"
        "        await codex.list_threads()\n"
        "        await codex.doctor()\n"
        "anyio.run(main)\n"
    )
    image = base64.b64decode(PIXEL).hex()
    settings = json.dumps({"config": model.config, "env": environment, "image": image})
    done = subprocess.run(
        [sys.executable, program], input=settings, cwd=real.workspace, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert ran(mark) == []


def test_modules_of_the_user_are_found_as_ever(new_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """Also those that the user's code imports while this package calls it, as an extension, and when they are loaded again."""
    kernel = new_kernel()
    (tmp_path / "helper.py").write_text("value = 1\n")
    (tmp_path / "late.py").write_text(f"import base64\npicture = base64.b64decode({PIXEL!r})\n")
    (tmp_path / "extension.py").write_text("def load_ipython_extension(shell):\n    shell.user_ns['loaded'] = True\n")
    shows = "        import late\n        return {'image/png': late.picture}\n"
    (tmp_path / "shown.py").write_text(f"class Shown:\n    def _repr_mimebundle_(self, **_):\n{shows}")
    (tmp_path / "seaborn.py").write_text("value = 1\n")
    with ScriptedModel(["Seen."], codex_home=used_home(tmp_path / "home")) as model:
        kernel.use(model)
        assert (
            kernel.execute("%load_ext autoreload\n%autoreload 2\n%load_ext extension\nimport helper, shown, seaborn\nloaded").value
            == "True"
        )
        kernel.execute("it = shown.Shown()\n%codex -i it what is it?")
        assert len(model.requests[-1].images) == 1
    for name in ("helper", "seaborn"):
        (tmp_path / f"{name}.py").write_text("value = 22222\n")
    kernel.execute("import importlib\nget_ipython().kernel.io_loop.add_callback(importlib.reload, seaborn)")
    assert kernel.execute("helper.value, seaborn.value").value == "(22222, 22222)"
    assert kernel.execute("seaborn.__spec__.origin").value == repr(str(tmp_path / "seaborn.py"))


@pytest.mark.integration
def test_a_python_that_the_package_starts_has_the_installed_modules_and_none_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sitecustomize", "usercustomize", "PIL", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('planted')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "json.py"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend("")
    done = subprocess.run(
        isolated_python("import sys, json, PIL, vl_convert\nprint(sys.argv[1:])", "a", "b"), capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['a', 'b']\n", "")


def test_installed_modules_stay_trusted_wherever_an_agent_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment inside the project is the usual case; without it nothing could be imported at all."""
    site_packages = str(Path(pytest.__file__).parent.parent)
    monkeypatch.setattr("codex_jupyter._trusted_imports.working_folders", set[str]())
    monkeypatch.chdir(Path(site_packages).parent)
    distrust(Path(site_packages).parents[2], "/")
    assert is_trusted(site_packages)
    assert not is_trusted(str(Path(site_packages).parents[1]))
    assert site_packages in trusted_path()


@pytest.mark.parametrize("entry", ["", ".", "relative", "{work}", "{work}/inside", "{more}", "{link}", "{temporary}"])
def test_no_folder_that_a_turn_can_write_to_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    """Neither by another name, nor when the turn is over and the notebook works elsewhere."""
    places = {name: tmp_path / name for name in ("work", "more", "link", "temporary")}
    for name in ("work", "more"):
        places[name].mkdir()
    places["link"].symlink_to(places["work"])
    monkeypatch.setattr("codex_jupyter._trusted_imports.working_folders", set[str]())
    monkeypatch.setattr("codex_jupyter._trusted_imports.temporary_folders", (str(places["temporary"]),))
    assert is_trusted(str(places["work"]))
    distrust(places["work"], places["more"])
    assert not is_trusted(entry.format(**places))
    assert is_trusted(str(tmp_path / "workshop"))


@pytest.mark.anyio
async def test_the_folders_of_a_turn_are_not_trusted_from_its_start_on(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder, additional folders, and the folder in which the program was at that time."""
    monkeypatch.setattr("codex_jupyter._trusted_imports.working_folders", set[str]())
    monkeypatch.setattr("codex_jupyter._trusted_imports.temporary_folders", ())
    folders = [real.folder / name for name in ("work", "more", "current")]
    for folder in folders:
        folder.mkdir()
    model = real.play(["Done.", "Done."])
    monkeypatch.chdir(folders[2])
    await real.thread(model, working_directory=folders[0], additional_directories=[folders[1]]).run("go")
    await real.thread(model, working_directory=None).run("go")
    monkeypatch.chdir(Path(pytest.__file__).parent)
    assert [is_trusted(str(folder)) for folder in (*folders, real.folder)] == [False, False, False, True]


def test_a_written_file_that_hides_an_installed_module_is_named_after_the_turn(kernel: Kernel, scripted: Scripted, tmp_path: Path) -> None:
    """A file that was there, or hides nothing, is not."""
    work = tmp_path / "work"
    (work / "numpy.py").write_text("")
    (work / "altair.py").write_text("")
    write = "mkdir jinja2 data; touch pandas.py PIL.pyc jinja2/__init__.py data/seaborn.py own.py notes.txt; echo '# new' > altair.py"
    scripted([[[shell(write)], "Done."], [[shell("touch more.txt")], "Done."]])
    done = kernel.execute("%codex -s workspace-write write")
    (line,) = [line for line in done.text.splitlines() if "hide installed modules" in line]
    assert sorted(line.partition(":")[0].removeprefix("⚠ ").split(", ")) == ["PIL.pyc", "altair.py", "jinja2/", "pandas.py"]
    assert "kernel that starts" not in line
    assert "hide installed modules" in done.html
    assert "hide" not in kernel.execute("%codex -s workspace-write again").text


@pytest.mark.parametrize("name", ["ipykernel_launcher", "types"])
def test_a_written_module_that_the_next_kernel_would_run_is_named(kernel: Kernel, scripted: Scripted, tmp_path: Path, name: str) -> None:
    """A kernel is started with `python -m`, which looks into the current folder first. So no import of the user is needed."""
    module = tmp_path / "work" / f"{name}.py"
    scripted([[[shell(f"echo \"open('ran', 'w')\" > {module}")], "Done."]])
    done = kernel.execute("%codex -s workspace-write write")
    assert f"{name}.py: a kernel that starts in this folder may run these files of the turn" in done.text
    subprocess.run([sys.executable, "-m", "ipykernel_launcher", "--help"], cwd=module.parent, capture_output=True, check=False)
    assert (module.parent / "ran").exists()


def test_the_codex_executable_is_not_taken_from_a_package_that_the_agent_wrote(new_kernel: Callable[[], Kernel], tmp_path: Path) -> None:
    """An absolute path of the notebook's folder in `sys.path` is common, and comes before site-packages."""
    kernel = new_kernel()
    kernel.execute("import os, sys\nsys.path.insert(0, os.getcwd())\nos.environ['PATH'] = '/nowhere'")
    codex = f"#!/bin/sh\\ntouch {tmp_path}/ran\\necho codex-cli {NEWEST}\\n"
    (tmp_path / "codex_cli_bin.py").write_text("")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "codex").write_text(codex)
    (tmp_path / "bin" / "codex").chmod(0o755)
    status = kernel.execute("%codex status").text
    assert "codex_cli_bin/bin/codex" in status
    assert str(tmp_path / "bin") not in status
    assert not (tmp_path / "ran").exists()
