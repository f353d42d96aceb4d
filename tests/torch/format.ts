/**
 * The form `torch-samples-v1` that generate.py writes: a manifest, and per operator a JSON file and the elements of its tensors.
 *
 * @module
 */
import { type DType, type Tensor, tensor, type TypedArray } from "../../tensor/mod.ts";
import { missingPermissions } from "../permissions.ts";

/** A tensor's description. Without `at` its elements are not stored: the type is none of ours. */
export interface StoredTensor {
  /** PyTorch's name of the type. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** The first byte in the operator's binary file. */
  readonly at?: number;
  readonly requiresGrad?: boolean;
}

/** An argument: a plain value, a list, or an object with one of `tensor`, `number`, `dtype`, `slice`, `ellipsis` and `other`. */
export type StoredArgument = null | boolean | number | string | readonly StoredArgument[] | { readonly [kind: string]: unknown };

/** One call of an operator. */
export interface StoredCall {
  /** Positional arguments, the sample's input first. */
  readonly args: readonly StoredArgument[];
  readonly kwargs: Readonly<Record<string, StoredArgument>>;
  readonly tensors: readonly StoredTensor[];
}

/** A call with its results; where it has gradients, `cotangents` are the outputs' and `gradients` belong to `tensors`. */
export interface Sample extends StoredCall {
  readonly outputs: readonly StoredTensor[];
  readonly cotangents?: readonly (StoredTensor | null)[];
  readonly gradients?: readonly (StoredTensor | null)[];
}

/** A call that raises. */
export interface ErrorInput extends StoredCall {
  /** What PyTorch says. */
  readonly message: string;
}

/** An operator's samples. */
export interface Operator {
  readonly name: string;
  readonly samples: readonly Sample[];
  readonly errors: readonly ErrorInput[];
  readonly elements: ArrayBuffer;
}

/** An operator in the manifest; `file` is missing where its samples were not asked for. */
export interface ManifestEntry {
  readonly name: string;
  readonly file?: string;
}

/** What generate.py says about a folder. */
export interface Manifest {
  readonly format: string;
  readonly torch: string;
  readonly operators: readonly ManifestEntry[];
}

/** A folder of samples and what is in it. */
export interface Samples {
  readonly folder: string;
  readonly manifest: Manifest;
}

const python = "/usr/bin/python3";
const installedTorch = "/usr/lib/python3/dist-packages/torch/__init__.py";

/** What is missing to replay PyTorch's samples; undefined where nothing is. */
export async function missingForSamples(): Promise<string | undefined> {
  const lacking = missingPermissions(["read", "env"]);
  if (lacking.length > 0) return `--allow-${lacking.join(" and --allow-")}`;
  if (Deno.env.get("TANDEM_TORCH_DIR")) return undefined;
  const forMaking = missingPermissions(["write", "run"]);
  if (forMaking.length > 0) return `--allow-${forMaking.join(" and --allow-")}, or a folder in TANDEM_TORCH_DIR`;
  const installed = await Deno.stat(installedTorch).then(() => true, () => false);
  return installed ? undefined : "Debian's python3-torch and python3-numpy, or a folder in TANDEM_TORCH_DIR";
}

/** Reads the folder in `TANDEM_TORCH_DIR`, or makes the samples of the given operators in a temporary one, removed at the end. */
export async function openSamples(operators: readonly string[]): Promise<Samples> {
  const given = Deno.env.get("TANDEM_TORCH_DIR");
  if (given) return { folder: given, manifest: await readManifest(given) };
  const folder = await Deno.makeTempDir({ prefix: "tandem-torch-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  const names = `${folder}/names.json`;
  await Deno.writeTextFile(names, JSON.stringify(operators));
  const script = new URL("./generate.py", import.meta.url).pathname;
  const { success, stderr } = await new Deno.Command(python, { args: [script, folder, names], stdout: "null", stderr: "piped" }).output();
  if (!success) throw new Error(`Cannot make PyTorch's samples: generate.py fails with\n${new TextDecoder().decode(stderr)}`);
  return { folder, manifest: await readManifest(folder) };
}

async function readManifest(folder: string): Promise<Manifest> {
  const manifest = JSON.parse(await Deno.readTextFile(`${folder}/manifest.json`)) as Manifest;
  if (manifest.format !== "torch-samples-v1") {
    throw new Error(`Cannot read ${folder}: the format torch-samples-v1 is needed, got ${manifest.format}`);
  }
  return manifest;
}

/** Reads one operator. */
export async function readOperator(folder: string, { name, file }: ManifestEntry): Promise<Operator> {
  const { samples, errors } = JSON.parse(await Deno.readTextFile(`${folder}/${file}.json`)) as Pick<Operator, "samples" | "errors">;
  return { name, samples, errors, elements: (await Deno.readFile(`${folder}/${file}.bin`)).buffer };
}

/** Our name of PyTorch's type; 64-bit whole numbers are held in 32 bits. */
export const ourTypes: Readonly<Record<string, DType>> = {
  float16: "float16",
  float32: "float32",
  float64: "float64",
  int32: "int32",
  int64: "int32",
  bool: "bool",
};

/** The elements of a stored tensor, row-major; undefined where they are not stored. */
export function elementsOf({ dtype, shape, at }: StoredTensor, elements: ArrayBuffer): TypedArray | Uint8Array<ArrayBuffer> | undefined {
  if (at === undefined) return undefined;
  const length = shape.reduce((a, b) => a * b, 1);
  switch (dtype) {
    case "float16":
      return new Float16Array(elements, at, length);
    case "float32":
      return new Float32Array(elements, at, length);
    case "float64":
      return new Float64Array(elements, at, length);
    case "bool":
      return new Uint8Array(elements, at, length);
    default:
      return new Int32Array(elements, at, length);
  }
}

/** Makes a stored tensor's twin on a device; undefined for a type that is none of ours. */
export function build(stored: StoredTensor, elements: ArrayBuffer, device: string): Tensor | undefined {
  const values = elementsOf(stored, elements);
  const dtype = ourTypes[stored.dtype];
  return values === undefined || dtype === undefined ? undefined : tensor(values, { shape: stored.shape, dtype, device });
}
