// Cells that run for the agent. The outputs appear in the cell, by JupyterLab's own means.

/** @import { Cell, Jupyter, KernelConnection, NotebookPanel } from "./front_end.js" */
/** @import { ReloadedCells } from "./reloaded_cells.js" */

import { ENDED } from "./connection.js";

const SILENT = { code: "", silent: true, store_history: false, allow_stdin: false, stop_on_error: false };

export class CellRuns {
  /** @param {Jupyter} jupyter */
  constructor(jupyter) {
    this.jupyter = jupyter;
    /** @type {Map<string, { ended: Promise<unknown>, finish?: (number: number | null, state: string) => void }>} by the id of the cell */
    this.runs = new Map();
  }

  /**
   * Run a cell as the user would, without a change of the selection.
   *
   * @param {NotebookPanel} panel
   * @param {Cell} cell
   * @returns {string} the id of the request; empty if there is nothing to run
   */
  run(panel, cell) {
    if (cell.model.type === "markdown") cell.rendered = true;
    const kernel = panel.sessionContext.session?.kernel;
    if (cell.model.type !== "code" || !kernel) return "";
    let id = "";
    const requestExecute = (/** @type {Parameters<typeof kernel.requestExecute>} */ ...request) => {
      const future = kernel.requestExecute(...request);
      id = future.msg.header.msg_id;
      return future;
    };
    this.add(cell, this.execute(panel, cell, { session: { kernel: { requestExecute } } }));
    return id;
  }

  /**
   * Show a cell as running that was started before the page was reloaded.
   *
   * @param {KernelConnection} kernel
   * @param {Cell} cell
   * @param {string} request the id of the message that runs the cell
   * @param {ReloadedCells} reloaded
   */
  follow(kernel, { model }, request, reloaded) {
    if (this.runs.has(model.id) || !model.outputs) return;
    /** @type {(value?: unknown) => void} */
    let resolve = () => {};
    const ended = new Promise((done) => (resolve = done));
    const finish = (/** @type {number | null} */ number) => {
      kernel.statusChanged.disconnect(onStatus);
      reloaded.ends.delete(request);
      if (number !== null) model.executionCount = number;
      model.executionState = "idle";
      resolve();
    };
    /** @type {(kernel: KernelConnection, status: string) => void} */
    const onStatus = (_, status) => {
      if (ENDED.includes(status)) finish(null);
    };
    model.executionState = "running";
    kernel.statusChanged.connect(onStatus);
    reloaded.follow(kernel, request, model.outputs, () => finish(null));
    this.add({ model }, ended, finish);
  }

  /**
   * Show a cell as running that the kernel runs by itself, inside of another cell.
   *
   * The cell gets a request that does nothing. The kernel publishes the outputs of the cell as those of this request.
   *
   * @param {NotebookPanel} panel
   * @param {Cell} cell
   * @returns {object | null} the header of the request; null if there is nothing to run
   */
  show(panel, cell) {
    const kernel = panel.sessionContext.session?.kernel;
    if (cell.model.type !== "code" || !kernel) {
      this.run(panel, cell);
      return null;
    }
    /** @type {{ msg: { header: object } } | undefined} */
    let request;
    /** @type {(number: number | null, state: string) => void} */
    let finish = () => {};
    const requestExecute = () => {
      const future = kernel.requestExecute(SILENT, false);
      const done = new Promise((resolve, reject) => {
        finish = (number, state) => {
          const reply = { content: { status: state, execution_count: number }, metadata: {}, header: { date: new Date().toISOString() } };
          if (state === "aborted") reject(new Error("Canceled"));
          else resolve(reply);
        };
        kernel.disposed.connect(() => reject(new Error("Canceled")));
      });
      done.catch(() => {});
      request = Object.defineProperty(future, "done", { value: done });
      return future;
    };
    const ended = this.execute(panel, cell, { session: { kernel: { requestExecute } } });
    if (!request) return null;
    this.add(cell, ended, finish);
    return request.msg.header;
  }

  /**
   * @param {NotebookPanel} panel
   * @param {Cell} cell
   * @param {object} context
   * @returns {Promise<unknown>}
   */
  execute(panel, cell, context) {
    const recordTiming = panel.content.notebookConfig?.recordTiming;
    return this.jupyter.cells.CodeCell.execute(cell, context, { recordTiming }).catch(() => {});
  }

  /**
   * @param {Pick<Cell, "model">} cell
   * @param {Promise<unknown>} ended
   * @param {(number: number | null, state: string) => void} [finish]
   */
  add(cell, ended, finish) {
    const { id } = cell.model;
    const run = { ended: ended.finally(() => this.runs.get(id) === run && this.runs.delete(id)), finish };
    this.runs.set(id, run);
  }

  /**
   * End a run that the kernel did by itself.
   *
   * @param {string} id
   * @param {number | null} number
   * @param {string} state
   */
  finish(id, number, state) {
    this.runs.get(id)?.finish?.(number, state);
  }

  /**
   * Wait until a cell does not run any more.
   *
   * @param {Cell} cell
   * @param {number} seconds
   */
  async wait(cell, seconds) {
    const limit = new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const run = this.runs.get(cell.model.id);
    await Promise.race([run ? run.ended : stopped(cell), limit]);
  }
}

/**
 * Wait until a cell that the user runs has ended.
 *
 * @param {Cell} cell
 * @returns {Promise<void>}
 */
export function stopped({ model }) {
  return new Promise((resolve) => {
    const look = () => {
      if (model.executionState === "running") return;
      model.stateChanged.disconnect(look);
      resolve();
    };
    model.stateChanged.connect(look);
    look();
  });
}
