// The difference between two texts, by lines.

/** @typedef {{ kind: "same" | "added" | "removed", text: string }} Line */

/** Lines above which the texts are shown one after the other: the comparison takes time of their product. */
const MAX_LINES = 2000;

/**
 * Return the lines of both texts in order: those that are the same, and those that only one of them has.
 *
 * @param {string} before
 * @param {string} after
 * @returns {Line[]}
 */
export function lineDiff(before, after) {
  const [old, now] = [before.split("\n"), after.split("\n")];
  /** @type {(kind: Line["kind"]) => (text: string) => Line} */
  const as = (kind) => (text) => ({ kind, text });
  if (old.length * now.length > MAX_LINES ** 2) return [...old.map(as("removed")), ...now.map(as("added"))];
  // The number of common lines from each position to the end.
  const common = Array.from({ length: old.length + 1 }, () => new Uint32Array(now.length + 1));
  const at = (/** @type {number} */ i, /** @type {number} */ j) => common[i]?.[j] ?? 0;
  for (let i = old.length - 1; i >= 0; i--) {
    const row = /** @type {Uint32Array} */ (common[i]);
    for (let j = now.length - 1; j >= 0; j--) row[j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  /** @type {Line[]} */
  const lines = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    const [removed, added] = [old[i], now[j]];
    if (removed !== undefined && removed === added) {
      lines.push({ kind: "same", text: removed });
      [i, j] = [i + 1, j + 1];
    } else if (removed !== undefined && (added === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ kind: "removed", text: removed });
      i += 1;
    } else {
      lines.push({ kind: "added", text: added ?? "" });
      j += 1;
    }
  }
  return lines;
}
