// Notifications of JupyterLab.

/** @import { Jupyter } from "./front_end.js" */

import { make, message, plainMessage } from "./dom.js";

/** The characters of a notification that JupyterLab shows. */
const SHOWN = 140;
const SECONDS = 1000;

/**
 * Show a notification. A long one has a button that shows the whole text, and stays until the user closes it.
 *
 * @param {Jupyter} jupyter
 * @param {"info" | "warning" | "error"} kind a warning stays until the user closes it
 * @param {string} text
 */
export function notify(jupyter, kind, text) {
  const { Dialog, Notification, showDialog } = jupyter.apputils;
  const isLong = text.length > SHOWN;
  const showAll = () => {
    const body = new jupyter.widgets.Widget({ node: make("div", { class: "codex-lab-notice" }, ...message(text)) });
    showDialog({ title: "Codex", body, buttons: [Dialog.okButton({ label: "Close" })] });
  };
  Notification[kind](plainMessage(text), {
    autoClose: isLong || kind === "warning" ? false : 15 * SECONDS,
    actions: isLong ? [{ label: "Show all", callback: showAll }] : [],
  });
}
