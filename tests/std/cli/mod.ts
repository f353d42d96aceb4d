/**
 * A stand-in for the part of `@std/cli` that this project uses: `parseArgs`.
 *
 * deno.json links it in place of `jsr:@std/cli@^1` where JSR cannot be reached; `tests/std_test.ts` holds it to the documented
 * behaviour.
 *
 * @module
 */
export { type Args, parseArgs, type ParseOptions } from "./parse_args.ts";
