// A widget of the saved notebook that stands for the chat. In place of a widget whose kernel has ended, JupyterLab shows an error, unless
// the metadata of the notebook have a state for it. This state is an empty text, so that a reader sees only the saved copy below.

/** @import { WidgetModel } from "./front_end.js" */

const METADATA = "widgets";
const STATE_MIME = "application/vnd.jupyter.widget-state+json";
/** Marks our states, so that those of earlier chats can be removed. */
const MARK = "codex-chat-saved";

/**
 * Add the state for a chat to the notebook that contains it, and remove those of chats that it does not contain any more.
 *
 * @param {WidgetModel} model
 * @param {string} id the id of the chat's widget model
 */
export function saveState(model, id) {
  const notebook = model.widget_manager?.context?.model?.sharedModel;
  if (!notebook?.getMetadata || !notebook.setMetadata || !id) return;
  const outputs = JSON.stringify(notebook.cells.map((cell) => cell.toJSON().outputs ?? []));
  if (!outputs.includes(id)) return;
  const saved = notebook.getMetadata(METADATA) ?? {};
  const before = saved[STATE_MIME] ?? { version_major: 2, version_minor: 0, state: {} };
  const state = withChat(before.state ?? {}, id, (widget) => outputs.includes(widget));
  if (JSON.stringify(state) === JSON.stringify(before.state)) return;
  notebook.setMetadata(METADATA, { ...saved, [STATE_MIME]: { ...before, state } });
}

/**
 * Return the states with one for a chat, and without those of chats that are not shown any more.
 *
 * @param {Record<string, any>} states the states by the ids of the widgets
 * @param {string} id
 * @param {(id: string) => boolean} isShown returns whether the notebook shows a widget
 * @returns {Record<string, any>}
 */
export function withChat(states, id, isShown) {
  const others = Object.entries(states).filter(([other, { state }]) => !state?._dom_classes?.includes(MARK) || isShown(other));
  const empty = {
    model_name: "HTMLModel",
    model_module: "@jupyter-widgets/controls",
    model_module_version: "2.0.0",
    state: { _dom_classes: [MARK], layout: null, style: null, value: "" },
  };
  return { ...Object.fromEntries(others), [id]: empty };
}
