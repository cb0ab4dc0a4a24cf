"""Images that count as shown by the notebook, in a real kernel: cleared, captured, new, our own; and their cost."""

from collections.abc import Callable

import pytest

from codex_jupyter.testing import ScriptedModel
from codex_jupyter.testing.script import Script
from tests.notebook.conftest import Kernel

Scripted = Callable[[Script], ScriptedModel]

SETUP = """
import io, os
import codex_jupyter
from PIL import Image as PIL
from IPython.display import Image, clear_output, display
def picture(colour):
    file = io.BytesIO()
    PIL.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()
def show(*colours):
    for colour in colours:
        display(Image(data=picture(colour)))
log = lambda: get_ipython().magics_manager.registry["CodexMagics"].display_log
def shown():
    return [PIL.open(io.BytesIO(one.data)).convert("RGB").getpixel((0, 0))[0] for one in log().images]
grey = lambda value: (value, value, value)
"""


@pytest.fixture
def kernel(kernel: Kernel) -> Kernel:
    """The kernel as if it had shown nothing yet."""
    kernel.execute("%reload_ext codex_jupyter\n%config CodexMagics.context = 'none'")
    assert kernel.execute(SETUP).error is None
    return kernel


def test_of_a_progress_plot_only_the_last_state_is_known(kernel: Kernel) -> None:
    """A loop that clears and shows leaves one image. A cell that only asks to clear keeps what it shows."""
    kernel.execute("show(grey(200))")
    kernel.execute("for step in range(30):\n    clear_output(wait=True)\n    show(grey(step))\nclear_output(wait=True)")
    assert kernel.execute("shown()").value == "[200, 29]"
    kernel.execute("show(grey(50))\nclear_output()\nshow(grey(51))")
    assert kernel.execute("shown()").value == "[200, 29, 51]"


def test_clearing_an_output_widget_leaves_the_images_of_the_cell(kernel: Kernel) -> None:
    """`interact` does that at each move of a slider; what stands above it stays."""
    kernel.execute(
        "import ipywidgets\nshow(grey(10))\nout = ipywidgets.Output()\n"
        "with out:\n    show(grey(11))\n    clear_output(wait=True)\n    show(grey(12))\nout.clear_output()\nshow(grey(13))"
    )
    assert kernel.execute("shown()[0], shown()[-1]").value == "(10, 13)"


def test_what_is_captured_is_shown_when_it_is_shown(kernel: Kernel) -> None:
    """An extension that was loaded by a captured cell records the images of all later cells."""
    kernel.execute("%unload_ext codex_jupyter")
    assert kernel.execute("%%capture\n%load_ext codex_jupyter\nshow(grey(19))").messages == []
    kernel.execute("show(grey(20))\ngrey(1)")
    kernel.execute("%%capture kept\nshow(grey(21))")
    kernel.execute("show(grey(22))")
    assert kernel.execute("shown()").value == "[20, 22]"
    kernel.execute("kept.show()")
    assert kernel.execute("shown()").value == "[20, 22, 21]"


def test_answers_that_mention_charts_do_not_count_as_images(kernel: Kernel, scripted: Scripted) -> None:
    """The mark that distinguishes a chart of Altair's from other HTML may be in the text of an answer."""
    scripted(["```html\n<script>vegaEmbed('#vis', {});</script>\n```"])
    done = kernel.execute("%codex how do I embed it?")
    assert "vegaEmbed" in done.html
    assert kernel.execute("shown()").value == "[]"


def test_new_images_never_prevent_a_turn(kernel: Kernel, scripted: Scripted) -> None:
    """The newest go along; the others, and what nothing can draw, are named. What is shown while the turn runs is new to the next."""
    model = scripted(["ok"] * 4)
    kernel.execute("%config CodexMagics.attach_plots = 'new'")
    kernel.execute("show(*map(grey, range(25)))\ndisplay({'image/svg+xml': '<svg'}, raw=True)")
    done = kernel.execute("%codex and now?")
    assert done.error is None
    assert len(model.requests[-1].images) == 20
    assert "Not attached: plot 26 of In[" in done.text
    assert "Not attached: the older 5 of 26 new images.\n" in done.text
    kernel.execute("%codex and now?")
    assert len(model.requests[-1].images) == 0
    kernel.execute(
        "from threading import Timer\nfrom codex_jupyter.notebook.session.event_loop import EventLoop\nstart = EventLoop.start\n"
        "def slow(*args, **kwargs):\n    show(grey(99))\n    return start(*args, **kwargs)\n"
        "EventLoop.start = slow\nget_ipython().run_line_magic('codex', 'and now?')\nEventLoop.start = start"
    )
    assert len(model.requests[-1].images) == 0
    kernel.execute("%codex and now?\n%config CodexMagics.attach_plots = 'mentioned'")
    assert len(model.requests[-1].images) == 1


def test_names_of_variables_and_files_are_what_they_are(kernel: Kernel, scripted: Scripted) -> None:
    """A variable may be called as the first word of a spec, and a file as a pattern."""
    model = scripted(["ok"] * 4)
    kernel.execute("plots = cell = PIL.new('RGB', (3, 3), grey(30))\nplots.save('a[1].png'); PIL.new('L', (3, 3)).save('a1.png')")
    for spec in ("plots", "cell", "a[1].png", "'a[[]1].png'"):
        assert kernel.execute(f"%codex -n -i {spec} what is it?").error is None, spec
        assert [image.data for image in model.requests[-1].images] == [model.requests[0].images[0].data], spec


def test_a_figure_is_rendered_on_the_main_thread_for_every_caller(kernel: Kernel) -> None:
    """A chat asks on a thread of its own: the figure is drawn between two cells, or the message says what to wait for."""
    kernel.execute(
        "%matplotlib inline\nimport threading\nimport matplotlib.pyplot as plt\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "threads = []\nfigure, axes = plt.subplots(); axes.plot([1, 2]); plt.close(figure)\n"
        "savefig = figure.canvas.print_figure\n"
        "def told(*args, **kwargs):\n    threads.append(threading.current_thread() is threading.main_thread())\n"
        "    return savefig(*args, **kwargs)\n"
        "figure.canvas.print_figure = told\nasked = ThreadPoolExecutor().submit(codex_jupyter.image, figure)"
    )
    done = kernel.execute("import asyncio\nimage = await asyncio.wrap_future(asked)\nimage.media_type, threads")
    assert done.value == "('image/png', [True])"
    busy = kernel.execute("print(ThreadPoolExecutor().submit(codex_jupyter.image, figure).exception())\nthreads")
    assert "Figures are drawn on the kernel's main thread, which is busy" in busy.text
    assert kernel.execute("threads").value == "[True]"


def test_ten_thousand_images_leave_the_kernel_no_larger_than_the_bound(kernel: Kernel) -> None:
    """Measured at the process: 600 MB of distinct images are displayed, 64 MiB of them are kept."""
    kernel.execute("show(grey(0))")
    before = kernel.process.memory_info().rss
    for _ in range(20):
        kernel.execute("for _ in range(500): display({'image/png': os.urandom(60_000)}, raw=True)")
    assert kernel.execute("log().shown, len(log().images), log().size").value == "(10001, 200, 12000000)"
    kept = kernel.process.memory_info().rss - before
    assert kept < 150_000_000, f"{kept / 1e6:.0f} MB"
