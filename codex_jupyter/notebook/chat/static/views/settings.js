// The settings of the next turns, with what applies now.

/** @import { Connection } from "../connection.js" */
/** @import { MetaMessage } from "../protocol.js" */

import { make } from "../dom.js";
import { createChooser } from "./chooser.js";

/** The settings that can be chosen, and their names. */
const SETTINGS = { preset: "Rights", model: "Model", effort: "Effort", sandbox: "Sandbox" };

/** @param {Connection} connection */
export function createSettings(connection) {
  const choosers = Object.entries(SETTINGS).map(([trait, label]) => ({ trait, label, ...createChooser(connection, label, trait) }));
  return {
    node: make("div", { class: "codex-settings", role: "group", "aria-label": "Settings" }, ...choosers.map(({ select }) => select)),
    /** @param {MetaMessage} meta */
    showMeta(meta) {
      for (const chooser of choosers) showSetting(chooser, meta);
    },
  };
}

/** @typedef {{ trait: string, label: string } & ReturnType<typeof createChooser>} Chooser */

/**
 * Show a setting. What applies is shown, also if the user leaves the choice to the notebook or to Codex.
 *
 * @param {Chooser} chooser
 * @param {MetaMessage} meta
 */
function showSetting(chooser, meta) {
  const { trait, label, select, fill } = chooser;
  if (trait === "preset") {
    showPreset(chooser, meta);
    return;
  }
  const chosen = meta.settings[trait] ?? "";
  const effective = meta.effective[trait];
  const values = meta.choices[trait] ?? [];
  const runs = trait === "sandbox" && meta.effective.kernel === "run" ? " + kernel" : "";
  select.title = `${label}: ${effective || "as Codex is configured"}`;
  // A preset of the chat, or the limit of an administrator, can take the place of a setting.
  fill(values, effective && chosen !== effective ? "" : chosen, {
    empty: effective ? `${effective}${runs}` : `default ${trait}`,
    groups: ["As the notebook is set", "Only in this chat"],
  });
  select.dataset.value = effective ?? chosen;
  select.disabled = meta.bounded.includes(trait) && values.every((value) => value === chosen);
}

/**
 * @param {Chooser} chooser
 * @param {MetaMessage} meta
 */
function showPreset({ label, select, fill }, meta) {
  const labels = Object.fromEntries(meta.presets.map((preset) => [preset.name, preset.label]));
  const applied = meta.presets.find((preset) => preset.label === meta.preset);
  fill(Object.keys(labels), applied?.name ?? "", { empty: applied ? "Default rights" : `${meta.preset} rights`, labels });
  select.title = `${label}: ${meta.preset || "as Codex is configured"}${applied ? `: ${applied.description}` : ""}`;
  select.hidden = !meta.presets.length;
}
