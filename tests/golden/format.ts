/**
 * The form `golden-v1` of golden cases (see README.md), and where they are read from.
 *
 * @module
 */
import { type DType, type Tensor, tensor } from "../../tensor/mod.ts";
import { missingPermissions } from "../permissions.ts";

/** A tensor as JSON: flat, row-major; NaN and the infinities are strings. */
export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "bool";
  readonly data: readonly (number | string)[];
}

/** Everything in a case that is not a tensor. */
export type Parameters = Readonly<Record<string, unknown>>;

/** One case of `losses/` or `ops/`; those of `optim/` have further fields, which `layout` describes. */
export interface GoldenCase {
  readonly name: string;
  readonly op: string;
  readonly inputs: Readonly<Record<string, GoldenTensor>>;
  readonly params: Parameters;
  readonly expected: Readonly<Record<string, GoldenTensor>>;
  readonly gradOutput?: GoldenTensor;
  readonly grads?: Readonly<Record<string, GoldenTensor>>;
  readonly f32AbsErr?: ErrorHints;
}

/** How far PyTorch's float32 was from float64. */
export interface ErrorHints {
  readonly expected?: Readonly<Record<string, number>>;
  readonly grads?: Readonly<Record<string, number>>;
}

/** One file. */
export interface GoldenFile {
  readonly format: string;
  /** Like "ops/conv". */
  readonly suite: string;
  readonly cases: readonly GoldenCase[];
}

// Static imports need no permission, so that plain `deno test` reads the project's own cases.
const ownFiles: readonly (() => Promise<{ default: unknown }>)[] = [
  () => import("./losses/cross_entropy.json", { with: { type: "json" } }),
  () => import("./losses/espce.json", { with: { type: "json" } }),
  () => import("./losses/esupcon.json", { with: { type: "json" } }),
  () => import("./losses/ntxent.json", { with: { type: "json" } }),
  () => import("./losses/spce.json", { with: { type: "json" } }),
  () => import("./losses/supcon.json", { with: { type: "json" } }),
  () => import("./ops/conv.json", { with: { type: "json" } }),
  () => import("./ops/einsum.json", { with: { type: "json" } }),
  () => import("./ops/elementwise.json", { with: { type: "json" } }),
  () => import("./ops/index_sort.json", { with: { type: "json" } }),
  () => import("./ops/matmul.json", { with: { type: "json" } }),
  () => import("./ops/norm.json", { with: { type: "json" } }),
  () => import("./ops/pool.json", { with: { type: "json" } }),
  () => import("./ops/reduce.json", { with: { type: "json" } }),
  () => import("./ops/shape.json", { with: { type: "json" } }),
  () => import("./ops/softmax.json", { with: { type: "json" } }),
  () => import("./optim/init.json", { with: { type: "json" } }),
  () => import("./optim/mlp_training.json", { with: { type: "json" } }),
  () => import("./optim/optimizers.json", { with: { type: "json" } }),
  () => import("./optim/schedulers.json", { with: { type: "json" } }),
];

/** What {@link loadGolden} found. */
export interface Golden {
  readonly files: readonly GoldenFile[];
  /** A folder that was asked for but may not be read. */
  readonly unreadable?: string;
}

/** Reads the folder in `TANDEM_GOLDEN_DIR`, or the project's own copy where that is not set. */
export async function loadGolden(): Promise<Golden> {
  const folder = environment("TANDEM_GOLDEN_DIR");
  if (folder !== undefined) {
    return missingPermissions(["read"]).length > 0 ? { files: [], unreadable: folder } : { files: await readFolder(folder) };
  }
  return { files: await Promise.all(ownFiles.map(async (load) => checked((await load()).default, "tests/golden"))) };
}

function environment(variable: string): string | undefined {
  if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") return undefined;
  return Deno.env.get(variable) || undefined;
}

async function readFolder(folder: string): Promise<GoldenFile[]> {
  const files: GoldenFile[] = [];
  const entries = [];
  for await (const entry of Deno.readDir(folder)) entries.push(entry);
  for (const { name, isDirectory } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${folder}/${name}`;
    if (isDirectory) files.push(...await readFolder(path));
    else if (name.endsWith(".json")) files.push(checked(JSON.parse(await Deno.readTextFile(path)), path));
  }
  return files;
}

function checked(content: unknown, where: string): GoldenFile {
  const file = content as GoldenFile;
  if (file.format !== "golden-v1") throw new Error(`Cannot read ${where}: the format golden-v1 is needed, got ${file.format}`);
  return file;
}

/** The numbers of a golden tensor. */
export function numbersOf({ data }: GoldenTensor): number[] {
  return data.map(Number);
}

/** Makes a golden tensor's twin; floats get the type that is being tested. */
export function build(golden: GoldenTensor, { device, dtype }: { readonly device: string; readonly dtype: DType }): Tensor {
  const type = golden.dtype === "float32" ? dtype : golden.dtype;
  return tensor(Float64Array.from(numbersOf(golden)), { shape: golden.shape, dtype: type, device });
}
