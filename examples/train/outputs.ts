/**
 * What a run says and writes: progress for people, JSON for programs, metrics.jsonl.
 *
 * @module
 */
import { DataError, Progress, type ProgressUpdate } from "../../mod.ts";

/** One line of metrics.jsonl, and of standard output with `--json`. */
export interface MetricsRecord {
  readonly event: "start" | "train" | "test" | "end" | "interrupted";
  readonly [name: string]: unknown;
}

/** A record that says where in the run it was made. */
export interface PlacedRecord extends MetricsRecord {
  readonly event: "train" | "test";
  /** The stage's position. */
  readonly stage: number;
  /** Epochs of the stage that are done, with a fraction. */
  readonly epoch: number;
  /** Steps of the stage that are done. */
  readonly step: number;
  readonly loss: number;
  readonly accuracy?: number;
}

/** Where words go. */
export class Outputs implements Disposable {
  readonly #json: boolean;
  readonly #progress = new Progress();
  readonly #history: PlacedRecord[] = [];
  #file: Deno.FsFile | undefined;

  constructor({ json }: { readonly json: boolean }) {
    this.#json = json;
  }

  /** Every record of training and tests so far, those before a resumption included. */
  get history(): readonly PlacedRecord[] {
    return this.#history;
  }

  /** Opens metrics.jsonl; a resumed run keeps what lies before the step it goes on from. */
  async open(folder: string, from?: { readonly stage: number; readonly step: number }): Promise<void> {
    const path = `${folder}/metrics.jsonl`;
    try {
      await Deno.mkdir(folder, { recursive: true });
      if (from !== undefined) this.#history.push(...(await readRecords(path)).filter((record) => isBefore(record, from)));
      this.#file = await Deno.open(path, { write: true, create: true, truncate: true });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new DataError(`Cannot write ${path}: a folder that can be written to is needed, got "${reason}"; choose another --out`, {
        cause,
      });
    }
    for (const record of this.#history) this.#append(record);
  }

  /** Keeps and publishes a record. */
  record(record: MetricsRecord | PlacedRecord): void {
    if (record.event === "train" || record.event === "test") this.#history.push(record as PlacedRecord);
    this.#append(record);
    if (this.#json) console.log(JSON.stringify(record));
  }

  #append(record: MetricsRecord): void {
    this.#file?.writeSync(new TextEncoder().encode(`${JSON.stringify(record)}\n`));
  }

  /** Shows how far the run is. */
  progress(update: ProgressUpdate): void {
    this.#progress.update(update);
  }

  /** Ends a stage: progress begins anew. */
  finish(): void {
    this.#progress.finish();
  }

  /** Says a line to people. */
  say(text: string): void {
    this.#progress.note(text);
  }

  /** Shows the run's result: on standard output, unless that belongs to a program. */
  table(rows: readonly (readonly [string, string])[]): void {
    this.#progress.finish();
    const width = Math.max(...rows.map(([name]) => name.length));
    const text = rows.map(([name, value]) => `${name.padEnd(width)}   ${value}`).join("\n");
    if (this.#json) this.say(text);
    else console.log(text);
  }

  [Symbol.dispose](): void {
    this.#progress.finish();
    this.#file?.close();
    this.#file = undefined;
  }
}

/** A killed run may have left half a line: what is no record is left out. */
async function readRecords(path: string): Promise<PlacedRecord[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return text.split("\n").flatMap((line) => {
    try {
      const record = JSON.parse(line) as PlacedRecord;
      return record.event === "train" || record.event === "test" ? [record] : [];
    } catch {
      return [];
    }
  });
}

function isBefore(record: PlacedRecord, { stage, step }: { readonly stage: number; readonly step: number }): boolean {
  return record.stage < stage || (record.stage === stage && record.step <= step);
}
