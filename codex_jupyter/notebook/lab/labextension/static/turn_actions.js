// What the buttons below a turn of Codex do.

/** @import { Cell, Jupyter, NotebookPanel } from "./front_end.js" */
/** @import { Connections } from "./connections.js" */

import { lastPython, savedTurn } from "./cell_data.js";
import { make } from "./dom.js";
import { textOf } from "./errors.js";
import { notify } from "./notices.js";

const CONFIRMATION_MS = 1500;

/**
 * Open all parts of the outputs of a cell, or close them if all are open.
 *
 * @param {Cell} cell
 * @param {HTMLElement} button
 */
export function openAll(cell, button) {
  const parts = [...cell.node.querySelectorAll(".jp-Cell-outputWrapper details")].filter((part) => part instanceof HTMLDetailsElement);
  const open = parts.some((part) => !part.open);
  for (const part of parts) part.open = open;
  button.textContent = open ? "Close all" : "Open all";
}

/**
 * Copy the answer of a turn.
 *
 * @param {Cell} cell
 * @param {HTMLElement} button
 */
export async function copyAnswer(cell, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(savedTurn(cell.model)?.answer ?? "");
    button.textContent = "Copied";
  } catch {
    button.textContent = "The browser does not allow it";
  }
  setTimeout(() => (button.textContent = label), CONFIRMATION_MS);
}

/**
 * Insert the last Python code of the answer into a new cell below.
 *
 * @param {NotebookPanel} panel
 * @param {Cell} cell
 */
export function insertAnswer(panel, cell) {
  insertBelow(panel, cell, lastPython(savedTurn(cell.model)?.answer ?? ""));
}

/**
 * Insert a cell for the next prompt of the same thread, and put the cursor into it.
 *
 * @param {Jupyter} jupyter
 * @param {NotebookPanel} panel
 * @param {Cell} cell
 */
export function askFurther(jupyter, panel, cell) {
  const name = savedTurn(cell.model)?.threadName;
  insertBelow(panel, cell, name ? `%%codex -t ${name}\n` : "%%codex\n");
  const { content } = panel;
  content.mode = "edit";
  jupyter.notebook.NotebookActions.focusActiveCell?.(content);
  const editor = content.activeCell?.editor;
  editor?.setCursorPosition?.({ line: 1, column: 0 });
}

/**
 * @param {NotebookPanel} panel
 * @param {Cell} cell
 * @param {string} source
 */
function insertBelow(panel, cell, source) {
  const { content } = panel;
  const index = content.widgets.indexOf(cell) + 1;
  content.model?.sharedModel.insertCell(index, { cell_type: "code", source, metadata: {} });
  content.activeCellIndex = index;
}

/**
 * Show what an undo of a turn, or its redo, would change. Do it if the user agrees.
 *
 * @param {Jupyter} jupyter
 * @param {Connections} connections
 * @param {NotebookPanel} panel
 * @param {Cell} cell
 * @param {boolean} redo
 */
export async function undoTurn(jupyter, connections, panel, cell, redo) {
  const saved = savedTurn(cell.model);
  if (!saved) return;
  const { Dialog, showDialog } = jupyter.apputils;
  try {
    const connection = await connections.connect(panel);
    const preview = await connection.send({ do: "undo", thread: saved.thread, turn: saved.turn, start: saved.start, redo });
    const verb = redo ? "Redo" : "Undo";
    const { node, kept } = describe(/** @type {any} */ (preview));
    const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label: verb })];
    const { button } = await showDialog({ title: `${verb} this turn?`, body: new jupyter.widgets.Widget({ node }), buttons });
    if (!button.accept) return;
    const { text } = await connection.send({ do: "apply_undo", keep: kept() });
    notify(jupyter, text.includes("Not done:") ? "warning" : "info", text);
  } catch (error) {
    notify(jupyter, "error", textOf(error));
  }
}

/** @param {{ title: string, files: { path: string, name: string, action: string }[], notes: string[] }} preview */
function describe({ title, files, notes }) {
  /** @type {HTMLInputElement[]} */
  const boxes = [];
  const rows = files.map(({ path, name, action }) => {
    const box = make("input", { type: "checkbox", checked: "", value: path });
    boxes.push(box);
    return make("label", {}, box, ` ${action} `, make("code", {}, name));
  });
  const hint = rows.length ? [make("p", {}, "A file without its mark stays as it is.")] : [];
  const list = make("div", { class: "codex-lab-undo-files" }, ...rows);
  const node = make("div", { class: "codex-lab-undo" }, make("p", {}, title), ...hint, list, ...notes.map((note) => make("p", {}, note)));
  return { node, kept: () => boxes.filter(({ checked }) => !checked).map(({ value }) => value) };
}
