/**
 * The flags of the main job.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type DatasetName, datasetNames } from "../datasets.ts";

/** A mistake on the command line: one line for people, exit code 2. */
export class UsageError extends Error {}

/** The losses, each with its way to a classifier. */
export const losses = ["ce", "espce", "supcon", "esupcon"] as const;
/** A name of {@link losses}. */
export type LossName = typeof losses[number];

/** The encoders. */
export const models = ["mlp", "cnn", "resnet18"] as const;
/** A name of {@link models}. */
export type ModelName = typeof models[number];

/** The optimizers. */
export const optimizers = ["sgd", "adam", "adamw"] as const;
/** A name of {@link optimizers}. */
export type OptimizerName = typeof optimizers[number];

/** The schedules of the learning rate. */
export const schedules = ["cosine", "step", "constant"] as const;
/** A name of {@link schedules}. */
export type ScheduleName = typeof schedules[number];

/** What decides the course of a run, as given: what is left out comes from the recipe of dataset and loss. */
export interface Choices {
  readonly loss: LossName;
  readonly dataset: DatasetName;
  readonly model?: ModelName;
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly lr?: number;
  readonly temperature?: number;
  readonly optimizer?: OptimizerName;
  readonly schedule?: ScheduleName;
  readonly labelNoise: number;
  readonly imbalance: number;
  readonly samplesPerClass?: number;
  readonly views?: number;
  readonly seed: number;
}

/** The flags that say where and how a run happens, not what it computes. */
export interface Surroundings {
  readonly dataDir?: string;
  readonly device: "auto" | "webgpu" | "cpu";
  readonly threads: number | "auto";
  readonly out: string;
  readonly resume: boolean;
  readonly json: boolean;
  /** Whether steps are compiled. */
  readonly compile: boolean;
}

/** The command line, understood. */
export interface Command extends Surroundings {
  /** With defaults filled in. */
  readonly choices: Choices;
  /** Only what was given: a resumed run takes the rest from its checkpoint. */
  readonly given: Partial<Choices>;
}

/** What `--help` prints. */
export const help = `Tandem: train a classifier, with its representation.

usage: deno run -A --unstable-webgpu examples/train.ts [flags]

what to learn from
  --dataset NAME           ${datasetNames.join(", ")} (default digits)
  --data-dir DIR           where the dataset's files lie
  --label-noise RATE       make this part of the training labels wrong, 0 to 1 (default 0)
  --imbalance FACTOR       the last class keeps this part of the first's samples, above 0 to 1 (default 1)
  --samples-per-class N    learn from N samples of each class (default all)
  --views N                differently changed copies of each sample in a batch

what to learn
  --loss NAME              ${losses.join(", ")} (default esupcon)
                           supcon adds a second stage: a linear classifier on frozen features
  --model NAME             ${models.join(", ")}
  --temperature T          of the contrastive losses

how to learn
  --epochs N               passes over the training data; supcon's second stage takes a quarter of them
  --batch-size N           samples in a batch
  --optimizer NAME         ${optimizers.join(", ")}
  --lr RATE                the highest learning rate
  --schedule NAME          ${schedules.join(", ")}; all but constant begin with a warm-up
  --seed N                 names every random choice (default 0)

where to run and what to write
  --device NAME            auto, webgpu or cpu (default auto: a hardware GPU, else the CPU)
  --threads N              auto or a number of CPU threads (default auto: TANDEM_THREADS, else the processors)
  --no-compile             run each step's operations one by one: slower, for comparison
  --out DIR                checkpoint, metrics.jsonl and report.html (default runs/DATASET-LOSS)
  --resume                 go on from the checkpoint in --out, bit for bit
  --json                   one JSON object a line on standard output
  --help                   this text

Flags without a default here take it from the recipe of dataset and loss, which the run prints. Ctrl-C saves a checkpoint.`;

const valueFlags = [
  "loss",
  "dataset",
  "data-dir",
  "model",
  "epochs",
  "batch-size",
  "lr",
  "temperature",
  "optimizer",
  "schedule",
  "label-noise",
  "imbalance",
  "samples-per-class",
  "views",
  "device",
  "threads",
  "seed",
  "out",
] as const;
type ValueFlag = typeof valueFlags[number];

/**
 * Understands the command line.
 *
 * @returns The command, or "help" when that was asked for.
 * @throws UsageError for an unknown flag or a bad value.
 */
export function parseCommand(args: readonly string[]): Command | "help" {
  const parsed = parseArgs(joinNegativeValues(args), {
    string: valueFlags,
    boolean: ["resume", "json", "no-compile", "help"],
    alias: { h: "help" },
    unknown: (argument) => {
      throw new UsageError(`unknown ${argument.startsWith("-") ? "flag" : "argument"} ${argument}; --help lists the flags`);
    },
  });
  if (parsed.help) return "help";
  if (parsed._.length > 0) throw new UsageError(`unknown argument ${parsed._[0]}; --help lists the flags`);
  const read = new Values(parsed);
  const given = givenChoices(read);
  const choices = { loss: "esupcon", dataset: "digits", labelNoise: 0, imbalance: 1, seed: 0, ...given } as const;
  return { ...surroundings(read, choices), choices, given };
}

/** `--lr -1` is a bad value of --lr, not a flag called -1. */
function joinNegativeValues(args: readonly string[]): string[] {
  const out: string[] = [];
  for (const arg of args) {
    const before = out.at(-1);
    if (/^-\.?\d/.test(arg) && before !== undefined && /^--[^=]+$/.test(before)) out[out.length - 1] = `${before}=${arg}`;
    else out.push(arg);
  }
  return out;
}

function givenChoices(read: Values): Partial<Choices> {
  const flags: { readonly [K in keyof Choices]-?: Choices[K] | undefined } = {
    loss: read.oneOf("loss", losses),
    dataset: read.oneOf("dataset", datasetNames),
    model: read.oneOf("model", models),
    epochs: read.whole("epochs", 1),
    batchSize: read.whole("batch-size", 2),
    lr: read.number("lr", "a number above 0", (value) => value > 0),
    temperature: read.number("temperature", "a number above 0", (value) => value > 0),
    optimizer: read.oneOf("optimizer", optimizers),
    schedule: read.oneOf("schedule", schedules),
    labelNoise: read.number("label-noise", "a number from 0 to 1", (value) => value >= 0 && value <= 1),
    imbalance: read.number("imbalance", "a number above 0 and at most 1", (value) => value > 0 && value <= 1),
    samplesPerClass: read.whole("samples-per-class", 1),
    views: read.whole("views", 1),
    seed: read.whole("seed", 0, 2 ** 32 - 1),
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

function surroundings(read: Values, { dataset, loss }: Choices): Surroundings {
  const dataDir = read.text("data-dir");
  return {
    ...(dataDir === undefined ? {} : { dataDir }),
    device: read.oneOf("device", ["auto", "webgpu", "cpu"]) ?? "auto",
    threads: read.text("threads") === "auto" ? "auto" : read.whole("threads", 1) ?? "auto",
    out: read.text("out") ?? `runs/${dataset}-${loss}`,
    resume: read.is("resume"),
    json: read.is("json"),
    compile: !read.is("no-compile"),
  };
}

/** The values of flags, checked. */
class Values {
  readonly #parsed: Readonly<Record<string, unknown>>;

  constructor(parsed: Readonly<Record<string, unknown>>) {
    this.#parsed = parsed;
  }

  is(flag: "resume" | "json" | "no-compile"): boolean {
    return this.#parsed[flag] === true;
  }

  text(flag: ValueFlag): string | undefined {
    const value = this.#parsed[flag];
    if (value === undefined) return undefined;
    if (typeof value !== "string" || value === "") throw new UsageError(`--${flag} needs a value; --help lists the flags`);
    return value;
  }

  oneOf<Name extends string>(flag: ValueFlag, names: readonly Name[]): Name | undefined {
    const value = this.text(flag);
    if (value === undefined) return undefined;
    const name = names.find((candidate) => candidate === value);
    if (name === undefined) throw new UsageError(`--${flag} needs one of ${names.join(", ")}, got ${value}`);
    return name;
  }

  number(flag: ValueFlag, needed: string, fits: (value: number) => boolean): number | undefined {
    const value = this.text(flag);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (!Number.isFinite(number) || !fits(number)) throw new UsageError(`--${flag} needs ${needed}, got ${value}`);
    return number;
  }

  whole(flag: ValueFlag, least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    return this.number(flag, `a whole number ${range}`, (value) => Number.isSafeInteger(value) && value >= least && value <= most);
  }
}
