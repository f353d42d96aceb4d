/**
 * What PyTorch's samples ask for and Tandem does not have, each with the reason.
 *
 * @module
 */

/** Reasons by operator and what it lacks ("sum dtype"), or by what any operator may lack ("* dtype complex64"). */
export const unsupported: Readonly<Record<string, string>> = {};

/** Operators that no row replays, by reason. */
export const missingOperators: Readonly<Record<string, readonly string[]>> = {};
