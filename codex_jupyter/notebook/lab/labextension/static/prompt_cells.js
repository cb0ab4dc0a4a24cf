// `%%codex` cells appear as prose: no colours of Python, and long lines are wrapped. Messages below a magic wrap between words.

/** @import { Cell, Jupyter, NotebookPanel, NotebookTracker } from "./front_end.js" */

import { isProse } from "./cell_data.js";

const MAGIC = /^\s*%%?codex\b/m;

/**
 * Show the prompts of all notebooks as prose.
 *
 * @param {Jupyter} jupyter
 * @param {NotebookTracker} tracker
 */
export function showPromptsAsProse(jupyter, tracker) {
  const { Compartment, Prec } = jupyter.state;
  // A language of higher precedence than the notebook's, because JupyterLab sets the latter again, whenever it has loaded it.
  const plain = jupyter.language.StreamLanguage.define({
    token: (/** @type {{ skipToEnd(): void }} */ stream) => {
      stream.skipToEnd();
      return null;
    },
  });
  const prose = [Prec.highest(plain), jupyter.view.EditorView.lineWrapping];
  /** @type {WeakMap<Cell, any>} the part of the editor's configuration that this module changes */
  const compartments = new WeakMap();
  /** @param {Cell} cell */
  const update = (cell) => {
    if (cell.isDisposed || !cell.editor) return;
    const source = cell.model.sharedModel.getSource();
    const prompt = isProse(source);
    cell.node.classList.toggle("codex-lab-magic", MAGIC.test(source));
    const compartment = compartments.get(cell);
    if (cell.node.classList.toggle("codex-lab-prompt", prompt) === Boolean(compartment?.get(cell.editor.editor.state)?.length)) return;
    if (compartment) {
      cell.editor.editor.dispatch({ effects: compartment.reconfigure(prompt ? prose : []) });
    } else {
      const created = new Compartment();
      compartments.set(cell, created);
      cell.editor.injectExtension(created.of(prose));
    }
  };
  /** @type {WeakSet<Cell>} */
  const watched = new WeakSet();
  /** @param {NotebookPanel} panel */
  const watch = async (panel) => {
    await panel.context.ready;
    const visit = () => {
      for (const cell of panel.content.widgets) {
        if (cell.model.type !== "code" || watched.has(cell)) continue;
        watched.add(cell);
        // The editor cannot be changed while it applies a change.
        cell.model.contentChanged.connect(() => queueMicrotask(() => update(cell)));
        cell.ready.then(() => update(cell));
      }
    };
    panel.content.model?.cells.changed.connect(visit);
    visit();
  };
  tracker.widgetAdded.connect((_, panel) => watch(panel));
  tracker.forEach(watch);
}
