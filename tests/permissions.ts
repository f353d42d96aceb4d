/**
 * Tests that need more than computation say so with {@link ignoreWithout}, so that `deno test` without flags passes.
 * `permissions_test.ts` prints the one notice about what that leaves out.
 *
 * @module
 */

/** What a test may need beside computation. */
export type Permission = "read" | "write" | "run" | "net" | "env";

/** Whether a test that needs all of these permissions has to be ignored; asks nobody and never prompts. */
export function ignoreWithout(...needed: Permission[]): boolean {
  return missingPermissions(needed).length > 0;
}

/** Those of the permissions that are not granted in full. */
export function missingPermissions(needed: readonly Permission[] = ["read", "write", "run", "net", "env"]): Permission[] {
  return needed.filter((name) => Deno.permissions.querySync({ name }).state !== "granted");
}
