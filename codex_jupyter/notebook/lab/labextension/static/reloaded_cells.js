// Cells whose page was reloaded while they ran. JupyterLab drops the rest of their outputs, so this module updates them.

/** @import { KernelConnection, NotebookTracker, OutputList, OutputModel } from "./front_end.js" */
/** @import { TurnInCell } from "./protocol.js" */

import { savedTurn } from "./cell_data.js";
import { panelsOf } from "./kernels.js";

const OUTPUTS = ["display_data", "error", "execute_result", "stream"];
const INCOMPLETE = "[The page was reloaded while this cell ran. Its output from before is not shown.]\n";

export class ReloadedCells {
  /** @param {NotebookTracker} tracker */
  constructor(tracker) {
    this.tracker = tracker;
    /** @type {Map<string, { list: OutputList, model: OutputModel }>} the outputs by their display ids */
    this.outputs = new Map();
    /** @type {Map<string, OutputList>} the outputs of cells, by the ids of the messages that ran the cells */
    this.lists = new Map();
    /** @type {Map<string, () => void>} called when a cell has ended, by the ids of the messages that ran the cells */
    this.ends = new Map();
    /** @type {WeakSet<KernelConnection>} */
    this.kernels = new WeakSet();
  }

  /**
   * Show the outputs of a turn in its cell, and update them from now on.
   *
   * @param {KernelConnection} kernel
   * @param {TurnInCell} turn
   */
  show(kernel, { cell: id, request, earlier, outputs }) {
    const model = this.find(kernel, id);
    const list = model?.outputs;
    // The saved notebook has the end of a turn that ended before.
    const isComplete = model && !this.lists.has(request) && savedTurn(model) && earlier === 0;
    if (!list || isComplete) return;
    this.listen(kernel, request, list);
    const known = outputs.every((output) => this.outputs.has(output.id));
    if (!known) removeTurn(list, earlier);
    for (const { id: name, data, metadata } of outputs) this.set(list, name, data, metadata);
  }

  /**
   * Show the outputs of a running cell from now on. The cell says that those from before are missing.
   *
   * @param {KernelConnection} kernel
   * @param {string} request the id of the message that ran the cell
   * @param {OutputList} list
   * @param {() => void} onEnd called when the kernel has carried out the message
   */
  follow(kernel, request, list, onEnd) {
    list.fromJSON([]);
    list.add({ output_type: "stream", name: "stderr", text: INCOMPLETE });
    this.ends.set(request, onEnd);
    this.listen(kernel, request, list);
  }

  /**
   * @param {KernelConnection} kernel
   * @param {string} request
   * @param {OutputList} list
   */
  listen(kernel, request, list) {
    this.lists.set(request, list);
    if (this.kernels.has(kernel)) return;
    this.kernels.add(kernel);
    kernel.iopubMessage.connect((_, message) => this.onMessage(message));
  }

  /**
   * @param {KernelConnection} kernel
   * @param {string} id
   */
  find(kernel, id) {
    const cells = panelsOf(this.tracker, kernel).flatMap(({ content }) => content.widgets);
    return cells.find(({ model }) => model.id === id)?.model;
  }

  /** @param {{ header: { msg_type: string }, parent_header: { msg_id?: string }, content: any }} message */
  onMessage({ header, parent_header: parent, content }) {
    const { msg_type: type } = header;
    const request = parent.msg_id ?? "";
    const id = content.transient?.display_id;
    const list = this.outputs.get(id)?.list ?? this.lists.get(request);
    if (!list) return;
    if (id && ["display_data", "update_display_data"].includes(type)) this.set(list, id, content.data, content.metadata);
    else if (OUTPUTS.includes(type)) list.add({ ...content, output_type: type });
    else if (type === "clear_output") list.clear(content.wait);
    else if (type === "status" && content.execution_state === "idle") this.ends.get(request)?.();
  }

  /**
   * Show an output: in its place, or as a new one.
   *
   * @param {OutputList} list
   * @param {string} id
   * @param {Record<string, any>} data
   * @param {Record<string, any>} metadata
   */
  set(list, id, data, metadata) {
    const json = { output_type: "display_data", data, metadata };
    const known = this.outputs.get(id)?.model;
    let index = Array.from({ length: list.length }, (_, place) => list.get(place)).indexOf(/** @type {OutputModel} */ (known));
    // The cell was run again, or its outputs were cleared.
    if (known && index < 0) return;
    if (known) list.set(index, json);
    else index = list.add(json) - 1;
    this.outputs.set(id, { list, model: list.get(index) });
  }
}

/**
 * Remove the outputs of a turn, and of the later ones of the cell. Other outputs stay.
 *
 * @param {OutputList} list
 * @param {number} earlier the number of turns before it in the same cell
 */
export function removeTurn(list, earlier) {
  let turns = 0;
  const kept = Array.from({ length: list.length }, (_, index) => list.get(index).toJSON()).filter(({ metadata }) => {
    const place = metadata?.codex?.output;
    if (place === 0) turns += 1;
    return place === undefined || turns <= earlier;
  });
  list.fromJSON(kept);
}
