// The parts of the extension that a notebook needs, and how they are connected.

/** @import { Application, Jupyter, NotebookTracker, Settings, Widget } from "./front_end.js" */

import { Actions } from "./actions.js";
import { reloadChangedFiles } from "./changed_files.js";
import { CONSENT, Connections } from "./connections.js";
import { Fixes } from "./fixes.js";
import { markTurn, markUnfinished } from "./marked_turns.js";
import { sendPaths } from "./notebook_paths.js";
import { notify } from "./notices.js";
import { OutputActions } from "./output_actions.js";
import { ChatPanel } from "./panel.js";
import { showPromptsAsProse } from "./prompt_cells.js";
import { ReloadedCells } from "./reloaded_cells.js";
import { Review } from "./review.js";
import { connectWhenUsed } from "./runs.js";
import { askFurther, copyAnswer, insertAnswer, openAll, undoTurn } from "./turn_actions.js";

/** @typedef {{ actions: Actions, panel: ChatPanel, review: Review }} Parts */

/**
 * Create the parts.
 *
 * @param {Application} app
 * @param {NotebookTracker} tracker
 * @param {Jupyter} jupyter
 * @param {{ panel: Widget & { layout: any }, settings: Settings | null }} services
 * @returns {Parts}
 */
export function createParts(app, tracker, jupyter, services) {
  const review = new Review(jupyter, tracker);
  /** @type {Promise<import("./notebook_cells.js").NotebookCells> | undefined} */
  let cells;
  const loadCells = () =>
    (cells ??= import("./notebook_cells.js").then(({ NotebookCells }) => new NotebookCells(jupyter, tracker, review, reloaded)));
  const reloaded = new ReloadedCells(tracker);
  const consent = () => askConsent(jupyter, services.settings);
  /** @type {Connections} */
  const connections = new Connections(app, services.settings, consent, {
    change: (kernel, change) => fixes.show(kernel, change),
    outputs: (kernel, turn) => reloaded.show(kernel, turn),
    files: (kernel) => reloadChangedFiles(app, jupyter, kernel),
    marked: (kernel, message) => markTurn(tracker, kernel, message),
    problem: (text) => notify(jupyter, "warning", text),
    ended: (kernel) => markUnfinished(tracker, kernel),
    cells: async (kernel, message) => (await loadCells()).perform(kernel, message),
  });
  review.onDecided = (kernel, ids, decision, result) => {
    for (const edit of ids) connections.open.get(kernel.id)?.post({ do: "decided", edit, decision, result });
  };
  const panel = new ChatPanel(app, jupyter, tracker, connections, services.panel);
  const actions = new Actions(app, jupyter, tracker, connections, panel);
  const fixes = new Fixes(jupyter, review, (notebook, cell, others, attempt) => actions.prompt("fix", notebook, cell, { others, attempt }));
  actions.fix = (notebook, cell) => fixes.start(notebook, cell);
  review.run = (notebook, cell) => fixes.run(notebook, cell);
  review.describeRun = (notebook, cell) => fixes.describe(notebook, cell);
  showPromptsAsProse(jupyter, tracker);
  sendPaths(tracker, connections);
  connectWhenUsed(app, jupyter, tracker, connections);
  new OutputActions(app, tracker, {
    fix: (notebook, cell) => fixes.start(notebook, cell),
    explain: (notebook, cell) => actions.prompt("explain", notebook, cell),
    plot: (notebook, cell) => actions.prompt("plot", notebook, cell),
    open: (_, cell, button) => openAll(cell, button),
    copy: (_, cell, button) => copyAnswer(cell, button),
    insert: insertAnswer,
    further: (notebook, cell) => askFurther(jupyter, notebook, cell),
    undo: (notebook, cell) => undoTurn(jupyter, connections, notebook, cell, false),
    redo: (notebook, cell) => undoTurn(jupyter, connections, notebook, cell, true),
  });
  return { actions, panel, review };
}

/**
 * Ask the user if the extension may be loaded into kernels. The answer is remembered in the user's settings, never in a notebook.
 *
 * @param {Jupyter} jupyter
 * @param {Settings | null} settings
 * @returns {Promise<boolean>}
 */
async function askConsent(jupyter, settings) {
  const { Dialog, showDialog } = jupyter.apputils;
  const { button } = await showDialog({
    title: "Use Codex in your notebooks?",
    body:
      "The extension codex_jupyter is loaded into the kernel of a notebook when you first use Codex there. It starts the codex program " +
      "when you send a prompt, with your own account. You can change this in the settings of Codex.",
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: "Use Codex" })],
  });
  if (button.accept) await settings?.set(CONSENT, true);
  return button.accept;
}
