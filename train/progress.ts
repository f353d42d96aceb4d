/**
 * Progress for people: one line that is rewritten on a terminal, a line now and then elsewhere.
 *
 * It is driven by steps. A timer would stand still, since reading a GPU's results blocks the event loop.
 *
 * @module
 */

/** Where progress goes. */
export interface ProgressTarget {
  /** Writes text at once. */
  write(text: string): void;
  /** Whether a line can be rewritten. */
  readonly terminal: boolean;
  /** The width of a terminal in characters. */
  readonly columns: number;
}

/** What a line shows. */
export interface ProgressUpdate {
  /** What is under way: "epoch 3/10". */
  readonly label: string;
  /** How much is done. */
  readonly done: number;
  /** How much there is in all. */
  readonly total: number;
  /** Further parts, in order: "loss 0.51". */
  readonly parts?: readonly string[];
  /** Seconds since the beginning, from which the time left is estimated. */
  readonly seconds: number;
  /** How much was done before `seconds` began, by a run that is resumed. Default 0. */
  readonly from?: number;
}

/**
 * Shows how far a run is.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Progress } from "./mod.ts";
 *
 * let text = "";
 * const progress = new Progress({ write: (part) => void (text += part), terminal: false, columns: 80 });
 * progress.update({ label: "epoch 1/2", done: 5, total: 10, parts: ["loss 0.5"], seconds: 4 });
 * assertEquals(text, "epoch 1/2   50 %  loss 0.5  0:04 left\n");
 * ```
 */
export class Progress {
  readonly #target: ProgressTarget;
  #open = false;
  #shown = -1;

  /** Writes to standard error unless told otherwise. */
  constructor(target: ProgressTarget = standardError()) {
    this.#target = target;
  }

  /** Shows the present state; elsewhere than on a terminal only each further tenth. */
  update(state: ProgressUpdate): void {
    const { label, done, total, parts = [] } = state;
    const fraction = total > 0 ? Math.min(1, done / total) : 1;
    const percent = `${String(Math.floor(fraction * 100)).padStart(3)} %`;
    const rest = [...parts, ...timeLeft(state)].join("  ");
    if (!this.#target.terminal) {
      const tenth = Math.floor(fraction * 10);
      if (tenth !== this.#shown) this.#target.write(`${label}  ${percent}  ${rest}`.trimEnd() + "\n");
      this.#shown = tenth;
      return;
    }
    const room = this.#target.columns - 1 - label.length - percent.length - rest.length - 6;
    const bar = room >= 8 ? `  ${drawBar(fraction, Math.min(room, 30))}` : "";
    this.#target.write(`\r${`${label}${bar}  ${percent}  ${rest}`.slice(0, this.#target.columns - 1)}\x1b[K`);
    this.#open = true;
  }

  /** Writes a line of its own above the progress. */
  note(text: string): void {
    this.#target.write(`${this.#open ? "\r\x1b[K" : ""}${text}\n`);
    this.#open = false;
  }

  /** Ends the line, so that what follows begins a new one; the next update counts tenths anew. */
  finish(): void {
    if (this.#open) this.#target.write("\n");
    this.#open = false;
    this.#shown = -1;
  }
}

/** Standard error, as a place for progress. */
export function standardError(): ProgressTarget {
  const encoder = new TextEncoder();
  const terminal = Deno.stderr.isTerminal();
  return { write: (text) => void writeAll(encoder.encode(text)), terminal, columns: terminal ? consoleColumns() : 80 };
}

function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
}

function consoleColumns(): number {
  try {
    return Math.max(40, Deno.consoleSize().columns);
  } catch {
    return 80;
  }
}

const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

function drawBar(fraction: number, width: number): string {
  const filled = fraction * width;
  const bar = "█".repeat(Math.floor(filled)) + eighths[Math.floor((filled % 1) * 8)]!;
  return `▕${bar.padEnd(width)}▏`;
}

/** At the pace so far; nothing before there is one. */
function timeLeft({ done, total, seconds, from = 0 }: ProgressUpdate): string[] {
  if (done <= from || done >= total) return [];
  return [`${formatDuration((seconds / (done - from)) * (total - done))} left`];
}

/** Seconds as minutes and seconds, or hours, minutes and seconds: 0:04, 12:34, 1:02:03. */
export function formatDuration(seconds: number): string {
  const whole = Math.ceil(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
