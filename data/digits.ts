/**
 * The UCI handwritten digits, which come with the library.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, DataError } from "../tensor/errors.ts";
import { InMemoryDataset } from "./dataset.ts";
import { packedDigits } from "./digits_data.ts";
import { split } from "./wrappers.ts";

/** Which digits to load. */
export interface DigitsOptions {
  /** The part: 1,437 samples to learn from, 360 to test on, or all 1,797. Default "all". */
  readonly split?: "train" | "test" | "all";
  /** Names another division into the two parts than the usual one. Default 0. */
  readonly seed?: number;
}

/**
 * Loads UCI's handwritten digits: images `[1, 8, 8]` with values from 0 to 1 (the data's 0 to 16, divided by 16), ten
 * classes. It needs no file, no network and no permission.
 *
 * The parts are stratified and share no image. The data does not say who wrote what, so both hold digits by the same 13
 * people, and the accuracy is that on known writers.
 *
 * Data: E. Alpaydin and C. Kaynak 1998, https://doi.org/10.24432/C50P49, CC BY 4.0.
 *
 * @throws ArgumentError for a part that does not exist.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { digits } from "./digits.ts";
 *
 * const train = digits({ split: "train" });
 * const test = digits({ split: "test" });
 * assertEquals([train.size, test.size], [1437, 360]);
 * assertEquals(train.shape, [1, 8, 8]);
 * ```
 */
export function digits(options: DigitsOptions = {}): InMemoryDataset {
  const { split: part = "all", seed = 0 } = checkOptions(options, "digits", ["split", "seed"]);
  if (part !== "train" && part !== "test" && part !== "all") {
    throw new ArgumentError(`Cannot load digits: split "train", "test" or "all" is needed, got "${part}"`);
  }
  const { data, labels } = unpackDigits(packedDigits);
  const all = new InMemoryDataset({ data, labels, shape, classes, scale: 1 / 16 });
  if (part === "all") return all;
  const [train, test] = split(all, { fraction: 360 / 1797, seed });
  const { indices } = part === "train" ? train : test;
  const chosen = new Uint8Array(indices.length * pixels);
  indices.forEach((index, position) => chosen.set(data.subarray(index * pixels, (index + 1) * pixels), position * pixels));
  return new InMemoryDataset({ data: chosen, labels: Array.from(indices, (index) => labels[index]!), shape, classes, scale: 1 / 16 });
}

const shape: readonly number[] = [1, 8, 8];
const classes: readonly string[] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const pixels = 64;

/**
 * Unpacks the format that `digits_data.ts` describes.
 *
 * @throws DataError naming the line that is not a label and 64 pixels.
 */
export function unpackDigits(packed: string): { data: Uint8Array; labels: Uint8Array } {
  const lines = packed.trimEnd().split("\n");
  const data = new Uint8Array(lines.length * pixels);
  const labels = new Uint8Array(lines.length);
  lines.forEach((line, row) => {
    labels[row] = digitValue(line, 0, row);
    if (labels[row]! > 9) throw new DataError(`Cannot unpack digits: a label from 0 to 9 is needed in line ${row + 1}, got "${line[0]}"`);
    let at = row * pixels;
    for (let i = 1; i < line.length; i++) {
      const value = digitValue(line, i, row);
      if (value <= 16) data[at++] = value;
      else at += value - 15; // "h" has the value 17 and stands for two zeros
    }
    if (at !== (row + 1) * pixels) {
      throw new DataError(`Cannot unpack digits: ${pixels} pixels are needed in line ${row + 1}, got ${at - row * pixels}`);
    }
  });
  return { data, labels };
}

function digitValue(line: string, position: number, row: number): number {
  const value = Number.parseInt(line[position] ?? "", 36);
  if (Number.isNaN(value)) {
    throw new DataError(`Cannot unpack digits: 0-9 or a-z is needed in line ${row + 1}, got "${line[position] ?? ""}"`);
  }
  return value;
}
