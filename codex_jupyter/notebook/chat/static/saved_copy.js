// The copy of the conversation for the saved notebook. It is an output of the chat's cell that the kernel updates. After the page was
// reloaded, JupyterLab ignores such updates, and the page replaces the output itself.

/** @import { Output, SharedCell, WidgetModel } from "./front_end.js" */

import { TURNS_MIME } from "./protocol.js";

/** The outputs come a moment after the change of a cell. */
const OUTPUTS_DELAY_MS = 300;

/**
 * @param {WidgetModel} model
 * @returns {{ cell: SharedCell, index: number, output: Output } | null}
 */
function findCopy(model) {
  for (const cell of model.widget_manager?.context?.model?.sharedModel?.cells ?? []) {
    const outputs = cell.toJSON().outputs ?? [];
    const index = outputs.findIndex(
      ({ data }) => data?.[TURNS_MIME] && JSON.stringify(data["text/html"] ?? "").includes(model.get("_mark")),
    );
    const output = outputs[index];
    if (output) return { cell, index, output };
  }
  return null;
}

/**
 * Return whether the notebook has a copy other than the given one.
 *
 * @param {WidgetModel} model
 * @param {number} copy
 */
export function copyIsOutdated(model, copy) {
  const saved = findCopy(model);
  return saved !== null && saved.output.data?.[TURNS_MIME].copy !== copy;
}

/**
 * Replace the copy in the notebook.
 *
 * @param {WidgetModel} model
 * @param {Record<string, any>} bundle
 */
export function replaceCopy(model, bundle) {
  const saved = findCopy(model);
  saved?.cell.updateOutputs?.(saved.index, saved.index + 1, [{ ...saved.output, data: bundle }]);
}

/**
 * Put the copy back below an error of the chat's cell. After the end of the kernel, the cell can fail before it shows a chat, because the
 * extension is not loaded. The error then replaces the copy.
 *
 * @param {WidgetModel} model
 */
export function restoreCopyAfterErrors(model) {
  const saved = findCopy(model);
  if (!saved?.cell.changed) return;
  const { cell, output } = saved;
  const restore = () => {
    const outputs = cell.toJSON().outputs ?? [];
    if (outputs.some(({ data }) => data?.[TURNS_MIME])) return;
    if (outputs.some(isError)) cell.updateOutputs?.(outputs.length, outputs.length, [output]);
  };
  // Versions of JupyterLab differ in the changes that they report.
  cell.changed?.connect(() => setTimeout(restore, OUTPUTS_DELAY_MS));
}

/** @param {Output} output */
const isError = ({ output_type, name, text }) => output_type === "error" || (name === "stderr" && /Error/.test(text ?? ""));
