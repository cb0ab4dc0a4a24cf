// A list to choose a thread or a setting from.

/** @import { Connection } from "../connection.js" */

import { make } from "../dom.js";

/**
 * @param {Connection} connection
 * @param {string} label
 * @param {string} trait the trait of the widget that is set
 */
export function createChooser(connection, label, trait) {
  const select = make("select", {
    "aria-label": label,
    title: label,
    onchange: () => void choose(),
  });

  /** @returns {Promise<string>} */
  function choose() {
    return connection.send({ do: "choose", trait, value: select.value });
  }

  /**
   * @param {string[]} values
   * @param {string} chosen
   * @param {string} [empty] the text of the empty value; without it, there is no empty value
   */
  function fill(values, chosen, empty = "") {
    const all = [...new Set([...(empty ? [""] : []), ...values, chosen].filter((value) => value || empty))];
    // An open list must not change under the user's hand.
    const same = select.options.length === all.length && all.every((value, index) => select.options[index]?.value === value);
    if (!same) select.replaceChildren(...all.map((value) => make("option", { value }, value || empty)));
    if (select.value !== chosen) select.value = chosen;
    select.dataset.value = chosen;
  }

  return { select, fill };
}
