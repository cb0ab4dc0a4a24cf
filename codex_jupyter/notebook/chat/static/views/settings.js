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

/**
 * Show a setting. What applies is shown, also if the user leaves the choice to the notebook or to Codex.
 *
 * @param {{ trait: string, label: string } & ReturnType<typeof createChooser>} chooser
 * @param {MetaMessage} meta
 */
function showSetting({ trait, label, select, fill }, meta) {
  const chosen = meta.settings[trait] ?? "";
  const effective = trait === "preset" ? meta.preset : meta.effective[trait];
  select.title = `${label}: ${effective || "as Codex is configured"}`;
  if (trait === "preset") {
    const labels = Object.fromEntries(meta.presets.map((preset) => [preset.name, preset.label]));
    const applied = meta.presets.find((preset) => preset.label === meta.preset);
    fill(Object.keys(labels), applied?.name ?? "", { empty: applied ? "Default rights" : `${meta.preset} rights`, labels });
    select.title += applied ? `: ${applied.description}` : "";
    select.hidden = !meta.presets.length;
    return;
  }
  const values = meta.choices[trait] ?? [];
  const runs = trait === "sandbox" && meta.effective.kernel === "run" ? " + kernel" : "";
  fill(values, chosen, {
    empty: effective ? `${effective}${runs}` : `default ${trait}`,
    groups: ["As the notebook is set", "Only in this chat"],
  });
  select.dataset.value = effective ?? chosen;
  select.disabled = meta.bounded.includes(trait) && values.every((value) => value === chosen);
}
