// Help for handlers of events.

/**
 * Return whether an event came from an element that matches a selector, or from inside of one.
 *
 * @param {EventTarget | null} target
 * @param {string} selector
 */
export const isIn = (target, selector) => target instanceof Element && target.closest(selector) !== null;
