// Fixes of cells that failed. The change can be in an earlier cell. The cells from there on run again. After three fixes it is enough.

/** @import { Cell, Jupyter, KernelConnection, NotebookPanel } from "./front_end.js" */
/** @import { ChangeMessage, PageCell } from "./protocol.js" */
/** @import { Review } from "./review.js" */

import { cellData, hasError, isPrompt } from "./cell_data.js";
import { stopped } from "./cell_runs.js";
import { notify } from "./notices.js";

export const MAX_ATTEMPTS = 3;
/** Characters of the cells that are sent with the one that failed. */
const MAX_OTHERS = 20_000;

/**
 * @typedef {object} Fix
 * @property {NotebookPanel} panel
 * @property {Cell} failed
 * @property {number} attempt from 1
 */

export class Fixes {
  /**
   * @param {Jupyter} jupyter
   * @param {Review} review
   * @param {(panel: NotebookPanel, cell: Cell, others: PageCell[], attempt: number) => unknown} send sends the prompt
   */
  constructor(jupyter, review, send) {
    this.jupyter = jupyter;
    this.review = review;
    this.send = send;
    /** @type {Map<string, Fix>} by the id of the cell that failed */
    this.fixes = new Map();
    /** @type {Map<string, Fix>} by the id of the cell that was changed */
    this.changes = new Map();
  }

  /**
   * Let Codex fix a cell that failed.
   *
   * @param {NotebookPanel} panel
   * @param {Cell} failed
   * @param {number} [attempt]
   */
  async start(panel, failed, attempt = 1) {
    // JupyterLab shows the error before the number of the cell.
    await stopped(failed);
    this.fixes.set(failed.model.id, { panel, failed, attempt });
    await this.send(panel, failed, cellsBefore(panel.content.widgets, failed), attempt);
  }

  /**
   * Show a change in its cell. If it may run without a question, run it.
   *
   * @param {KernelConnection} kernel
   * @param {ChangeMessage} change
   */
  show(kernel, change) {
    const fix = this.fixes.get(change.fixes);
    const cell = fix?.panel.content.widgets.find(({ model }) => model.id === change.cell);
    if (fix) this.changes.set(change.cell, fix);
    if (fix && !cell) this.warn(`Codex changed the cell ${change.cell}, which is not in this notebook. The code is in the chat.`);
    else this.review.show(kernel, change);
    if (fix && cell && change.run && cell.model.sharedModel.getSource() === change.after) this.run(fix.panel, cell);
  }

  /**
   * Return which cells run after a change, in words.
   *
   * @param {NotebookPanel} panel
   * @param {Cell} cell
   */
  describe(panel, cell) {
    const names = this.cellsOf(panel, cell).map(({ model }) => (model.executionCount ? `[${model.executionCount}]` : "the changed one"));
    return names.length > 1 ? `Keep and run: runs the cells ${names.join(", ")}, in this order.` : "";
  }

  /**
   * Run a cell that was changed and the later ones, up to the one that failed. If one of them fails, ask for the next fix.
   *
   * @param {NotebookPanel} panel
   * @param {Cell} cell
   */
  async run(panel, cell) {
    const fix = this.changes.get(cell.model.id);
    const cells = this.cellsOf(panel, cell);
    this.changes.delete(cell.model.id);
    await this.jupyter.notebook.NotebookActions.runCells(panel.content, cells, panel.sessionContext);
    const failed = cells.find(({ model }) => hasError(model));
    if (!fix || !failed) return;
    if (fix.attempt < MAX_ATTEMPTS) await this.start(panel, failed, fix.attempt + 1);
    else this.warn(`The cells still fail after ${MAX_ATTEMPTS} fixes. Codex does not try again by itself.`);
  }

  /**
   * @param {NotebookPanel} panel
   * @param {Cell} cell
   */
  cellsOf(panel, cell) {
    const fix = this.changes.get(cell.model.id);
    return fix ? cellsToRun(panel.content.widgets, cell, fix.failed) : [cell];
  }

  /** @param {string} text */
  warn(text) {
    notify(this.jupyter, "warning", text);
  }
}

/**
 * Return a changed cell, and those that ran after it up to the one that failed, in the order in which they ran. Prompts do not run again.
 *
 * @param {Cell[]} cells
 * @param {Cell} changed
 * @param {Cell} failed
 */
export function cellsToRun(cells, changed, failed) {
  const [first, last] = [changed.model.executionCount ?? 0, failed.model.executionCount ?? 0];
  const between = cells.filter(({ model }) => {
    const number = model.executionCount ?? 0;
    return model.type === "code" && number > first && number < last && first > 0 && !isPrompt(model.sharedModel.getSource());
  });
  const ends = changed === failed ? [] : [failed];
  return [changed, ...between.sort((one, other) => (one.model.executionCount ?? 0) - (other.model.executionCount ?? 0)), ...ends];
}

/**
 * Return the code cells that ran before a cell, which can contain the fault: first those that its traceback names, then the last ones.
 *
 * @param {Cell[]} cells
 * @param {Cell} failed
 * @returns {PageCell[]}
 */
export function cellsBefore(cells, failed) {
  const { number, output } = cellData(failed.model);
  const named = new Set([...output.matchAll(/\bIn\s?\[(\d+)\]/g)].map(([, digits]) => Number(digits)));
  const others = cells.map(({ model }) => model).filter((model) => model.type === "code" && !isPrompt(model.sharedModel.getSource()));
  const earlier = others.flatMap((model) => {
    const data = cellData(model);
    return data.number && number && data.number < number ? [{ ...data, output: "", image: undefined }] : [];
  });
  const rank = (/** @type {PageCell} */ cell) => (named.has(cell.number ?? 0) ? 1e9 : 0) + (cell.number ?? 0);
  let left = MAX_OTHERS;
  return earlier.sort((one, other) => rank(other) - rank(one)).filter(({ source }) => (left -= source.length) >= 0);
}
