/**
 * CIFAR-10 and CIFAR-100: 60,000 colour photographs of 32×32 pixels, in their binary version.
 *
 * @module
 */
import { checkOptions } from "../tensor/arguments.ts";
import { ArgumentError, DataError } from "../tensor/errors.ts";
import { InMemoryDataset } from "./dataset.ts";
import { joinPath, type Path, readDataFile } from "./files.ts";

/** Which part of CIFAR-10 to load, and from where. */
export interface Cifar10Options {
  /** The folder `cifar-10-batches-bin`, with `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, plain or gzip. */
  readonly dir: Path;
  /** The part: 50,000 samples to learn from or 10,000 to test on. Default "train". */
  readonly split?: "train" | "test";
  /** Subtracted from pixels in [0, 1], one number per channel. Default 0. */
  readonly mean?: readonly number[];
  /** Divided by after subtracting, one number per channel. Default 1. */
  readonly std?: readonly number[];
}

/** Which part of CIFAR-100 to load, and from where. */
export interface Cifar100Options extends Cifar10Options {
  /** The folder `cifar-100-binary`, with `train.bin` and `test.bin`, plain or gzip. */
  readonly dir: Path;
  /** Which of its two labels to take: 100 `fine` classes or 20 `coarse` ones. Default "fine". */
  readonly labels?: "fine" | "coarse";
}

/**
 * Loads CIFAR-10: images `[3, 32, 32]` with values from 0 to 1, ten classes. Needs permission to read the folder.
 *
 * Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
 *
 * @throws DataError when a file is missing, cut short or holds a label that is no class.
 */
export async function cifar10(options: Cifar10Options): Promise<InMemoryDataset> {
  checkOptions(options, "cifar10", ["dir", "split", "mean", "std"]);
  const train = isTrain(options);
  return await loadBinary(options, {
    files: train ? [1, 2, 3, 4, 5].map((part) => `data_batch_${part}.bin`) : ["test_batch.bin"],
    records: 10_000,
    labelBytes: 1,
    labelByte: 0,
    classes: cifar10Classes,
    remedy: "fetch it by `curl -O https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz` and unpack it",
  });
}

/**
 * Loads CIFAR-100: images `[3, 32, 32]` with values from 0 to 1, 100 fine or 20 coarse classes. Needs permission to read
 * the folder.
 *
 * Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
 *
 * @throws DataError when a file is missing, cut short or holds a label that is no class.
 */
export async function cifar100(options: Cifar100Options): Promise<InMemoryDataset> {
  const { labels = "fine" } = checkOptions(options, "cifar100", ["dir", "labels", "split", "mean", "std"]);
  if (labels !== "fine" && labels !== "coarse") {
    throw new ArgumentError(`Cannot load CIFAR-100: labels "fine" or "coarse" are needed, got "${labels}"`);
  }
  const train = isTrain(options);
  return await loadBinary(options, {
    files: [train ? "train.bin" : "test.bin"],
    records: train ? 50_000 : 10_000,
    labelBytes: 2,
    labelByte: labels === "fine" ? 1 : 0,
    classes: labels === "fine" ? cifar100Classes : cifar100CoarseClasses,
    remedy: "fetch it by `curl -O https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz` and unpack it",
  });
}

function isTrain({ split = "train" }: Cifar10Options): boolean {
  if (split !== "train" && split !== "test") {
    throw new ArgumentError(`Cannot load CIFAR: split "train" or "test" is needed, got "${split}"`);
  }
  return split === "train";
}

/** How records lie in a CIFAR file. */
export interface CifarLayout {
  /** How many records the file must have. */
  readonly records: number;
  /** How many bytes of labels precede a record's pixels: 1 or 2. */
  readonly labelBytes: number;
  /** Which of them is the label. */
  readonly labelByte: number;
  /** The names of the classes. */
  readonly classes: readonly string[];
  /** What to do about a broken file, as a clause for the error. */
  readonly remedy: string;
}

const pixels = 3 * 32 * 32;

async function loadBinary(options: Cifar10Options, layout: CifarLayout & { files: readonly string[] }): Promise<InMemoryDataset> {
  const { files, records } = layout;
  const data = new Uint8Array(files.length * records * pixels);
  const labels = new Uint8Array(files.length * records);
  for (const [part, name] of files.entries()) {
    const { file, bytes } = await readDataFile([joinPath(options.dir, name), joinPath(options.dir, `${name}.gz`)], layout.remedy);
    const parsed = parseCifar(bytes, file, layout);
    data.set(parsed.data, part * records * pixels);
    labels.set(parsed.labels, part * records);
  }
  const { mean, std } = options;
  return new InMemoryDataset({
    data,
    labels,
    shape: [3, 32, 32],
    classes: layout.classes,
    scale: 1 / 255,
    ...(mean && { mean }),
    ...(std && { std }),
  });
}

/**
 * Takes a CIFAR file apart: records of label bytes and 3,072 pixels (red, green and blue planes).
 *
 * @throws DataError with file and offset when it does not have exactly the records it should, or a label is no class.
 */
export function parseCifar(bytes: Uint8Array, file: string, layout: CifarLayout): { data: Uint8Array; labels: Uint8Array } {
  const { records, labelBytes, labelByte, classes, remedy } = layout;
  const recordBytes = labelBytes + pixels;
  if (bytes.length !== records * recordBytes) {
    const offset = Math.min(bytes.length, records * recordBytes);
    throw new DataError(
      `Cannot read ${file} at offset ${offset}: ${records} records of ${recordBytes} bytes are needed, got ${bytes.length} bytes; ${remedy}`,
    );
  }
  const data = new Uint8Array(records * pixels);
  const labels = new Uint8Array(records);
  for (let record = 0; record < records; record++) {
    const start = record * recordBytes;
    const label = bytes[start + labelByte]!;
    if (label >= classes.length) {
      throw new DataError(
        `Cannot read ${file} at offset ${start + labelByte}: a label from 0 to ${classes.length - 1} is needed, got ${label}; ${remedy}`,
      );
    }
    labels[record] = label;
    data.set(bytes.subarray(start + labelBytes, start + recordBytes), record * pixels);
  }
  return { data, labels };
}

const cifar10Classes: readonly string[] = "airplane automobile bird cat deer dog frog horse ship truck".split(" ");

const cifar100Classes: readonly string[] = (
  "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle caterpillar cattle " +
  "chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house " +
  "kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid " +
  "otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark " +
  "shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor " +
  "train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
).split(" ");

const cifar100CoarseClasses: readonly string[] = (
  "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture insects " +
  "large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals " +
  "non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2"
).split(" ");
