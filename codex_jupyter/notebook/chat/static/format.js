// Texts for times, spans of time and numbers.

/**
 * Return a time for readers: only the time of day if it is today.
 *
 * @param {number | null | undefined} seconds since the epoch
 */
export function formatTime(seconds) {
  if (!seconds) return "";
  const when = new Date(seconds * 1000);
  const today = when.toDateString() === new Date().toDateString();
  return today ? when.toLocaleTimeString([], { timeStyle: "short" }) : when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/**
 * Return a number of turns in words.
 *
 * @param {number} count
 */
export const countTurns = (count) => `${count} turn${count === 1 ? "" : "s"}`;

/** @param {number} count */
export const formatNumber = (count) => count.toLocaleString("en-US");

/** @param {number} seconds */
export const formatDuration = (seconds) => (seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`);
