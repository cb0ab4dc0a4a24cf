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
  let shown = "";

  /** @returns {Promise<string>} */
  function choose() {
    return connection.send({ do: "choose", trait, value: select.value });
  }

  /**
   * @param {string[]} values
   * @param {string} chosen
   * @param {object} [texts]
   * @param {string} [texts.empty] the text of the empty value; without it, there is no empty value
   * @param {Record<string, string>} [texts.labels] the texts of other values
   * @param {string[]} [texts.groups] the names of two groups: the empty value, and the others
   */
  function fill(values, chosen, { empty = "", labels = {}, groups = [] } = {}) {
    const all = [...new Set([...(empty ? [""] : []), ...values, chosen].filter((value) => value || empty))];
    const options = all.map((value) => [value, value ? (labels[value] ?? value) : empty]);
    // An open list must not change under the user's hand.
    const shows = JSON.stringify(options);
    const nodes = () => options.map(([value, text]) => make("option", { value }, text ?? ""));
    if (shows !== shown) select.replaceChildren(...(groups.length ? grouped(nodes(), groups) : nodes()));
    shown = shows;
    if (select.value !== chosen) select.value = chosen;
    select.dataset.value = chosen;
  }

  return { select, fill };
}

/**
 * @param {HTMLOptionElement[]} options
 * @param {string[]} names
 */
function grouped([empty, ...others], names) {
  const lists = [empty ? [empty] : [], others];
  return lists.flatMap((list, index) => (list.length ? [make("optgroup", { label: names[index] ?? "" }, ...list)] : []));
}
