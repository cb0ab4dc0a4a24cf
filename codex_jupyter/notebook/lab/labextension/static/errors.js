// Errors that the user reads.

/** An error whose message is for the user. `code` can be the remedy. */
export class UserError extends Error {
  /**
   * @param {string} message
   * @param {string} [code] code that a cell can run to fix it
   */
  constructor(message, code = "") {
    super(message);
    this.code = code;
  }
}

/**
 * Return the text of any error.
 *
 * @param {unknown} error
 */
export const textOf = (error) => (error instanceof Error ? error.message : String(error));
