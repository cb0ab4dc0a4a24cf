"""The tools for cells in a real kernel with the real CLI, for a front end without a page of JupyterLab."""

from tests.notebook.conftest import LIMIT, Kernel
from tests.notebook.kernel_tools.test_in_a_kernel import Play, k, output
from tests.notebook.kernel_tools.test_in_a_kernel import play as play


def test_a_front_end_without_a_page_gets_a_new_cell_below_and_the_agent_reads_why_the_other_tools_do_nothing(
    kernel: Kernel, play: Play
) -> None:
    model = play([k("read_notebook"), k("insert_cell", source="x = 1"), k("run_cell", cell="a", fingerprint="f"), "Below."])
    request = kernel.send("%%codex --kernel run\nAdd a cell.", cell=False)
    kernel.outputs_of(request)
    while (reply := kernel.client.get_shell_msg(timeout=LIMIT))["parent_header"]["msg_id"] != request:
        pass
    assert reply["content"]["payload"] == [{"source": "set_next_input", "text": "x = 1", "replace": False}]
    read, inserted, run = (output(request) for request in model.requests[1:4])
    assert "no page of JupyterLab with the extension of codex-jupyter is connected" in read
    assert "Use read_cells for the cells that ran." in read
    assert "A new cell with this source will be below the cell of this turn" in inserted
    assert "Use run to run code" in run
    preview = kernel.execute("%codex undo --yes").text
    assert "turn: 1 turn." in preview
    assert "the cell that was inserted below: the kernel cannot delete cells" in preview
