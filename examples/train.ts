/**
 * The main job: trains a classifier together with its representation, tests it and writes a report. `--help` lists the flags.
 *
 * @module
 */
import { ArgumentError, DataError, DeviceError, DivergenceError } from "../mod.ts";
import { runJob } from "./train/job.ts";
import { help, parseCommand, UsageError } from "./train/options.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));

/** Runs the job and gives the exit code: 0 done, 1 failed, 2 not understood or not possible, 130 interrupted. */
async function main(args: readonly string[]): Promise<number> {
  const interruption = new AbortController();
  Deno.addSignalListener("SIGINT", () => {
    if (interruption.signal.aborted) Deno.exit(130);
    interruption.abort();
  });
  try {
    const command = parseCommand(args);
    if (command === "help") {
      console.log(help);
      return 0;
    }
    return await runJob(command, interruption.signal) === "done" ? 0 : 130;
  } catch (error) {
    const code = exitCode(error);
    if (code === undefined) throw error;
    console.error(`train: ${(error as Error).message}`);
    return code;
  }
}

/** Mistakes that people can mend get a line, all others their stack. */
function exitCode(error: unknown): number | undefined {
  if (error instanceof DivergenceError) return 1;
  const mendable = [UsageError, DataError, ArgumentError, DeviceError].some((kind) => error instanceof kind);
  return mendable ? 2 : undefined;
}
