// Errors that the user reads.

/** An error whose message is for the user. `details` can name what to do. */
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
