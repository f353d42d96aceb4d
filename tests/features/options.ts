/**
 * Compares parameters: what PyTorch's functions take and Tandem's do not, by the names that `deno doc` finds in the source.
 *
 * @module
 */
import { camelCase, type Graded } from "./grade.ts";
import names from "./fixtures/names.json" with { type: "json" };

/** What is the same for all functions, which the page says once, or has no meaning here. */
const everywhere: ReadonlySet<string> = new Set([
  ...["out", "dtype", "device", "layout", "memory_format", "requires_grad", "generator", "pin_memory", "inplace", "size_average", "reduce"],
  ...["names", "name", "stable", "_stacklevel", "foreach", "capturable", "fused", "differentiable", "async", "non_blocking", "out_int32"],
  ...[
    "sparse_grad",
    "as_tuple",
    "return_indices",
    "enable_nested_tensor",
    "mask_check",
    "verbose",
    "last_epoch",
    "module",
    "last_batch_iter",
  ],
  ...["compute_mode", "driver", "output_size", "recompute_scale_factor", "assume_unique", "training", "defaults", "check_nan", "inputs"],
]);

/** The tensors that a function is about; they have their places. */
const operands: ReadonlySet<string> = new Set([
  ...[
    "input",
    "self",
    "other",
    "tensor",
    "tensors",
    "tensor1",
    "tensor2",
    "vec2",
    "x1",
    "x2",
    "input1",
    "input2",
    "A",
    "B",
    "x",
    "y",
    "value",
  ],
  ...[
    "target",
    "condition",
    "indices",
    "index",
    "src",
    "optimizer",
    "data_source",
    "dataset",
    "func",
    "sorted_sequence",
    "boundaries",
    "var",
  ],
  ...["dividend", "divisor", "tensor_", "cond", "mat1", "mat2", "operands", "lr_lambda", "schedulers", "params", "size", "sizes", "var_"],
]);

/** PyTorch's parameter → other names that it has here. */
const synonyms: Readonly<Record<string, readonly string[]>> = {
  keepdim: ["keepDim"],
  elements: ["values"],
  test_elements: ["values"],
  fweights: ["frequencies"],
  aweights: ["weights"],
  equal_nan: ["equalNaN"],
  maxnorm: ["maxNorm"],
  indices_or_sections: ["parts"],
  N: ["columns"],
  kernel_size: ["size", "kernelSize"],
  fill_value: ["value"],
  reps: ["repeats"],
  dims: ["dim", "order", "repeats", "dims"],
  dimension: ["dim"],
  chunks: ["count"],
  split_size: ["size"],
  split_size_or_sections: ["size"],
  start_dim: ["start"],
  end_dim: ["end"],
  diagonal: ["offset"],
  unbiased: ["correction"],
  posinf: ["posInf"],
  neginf: ["negInf"],
  side: ["right"],
  rcond: ["tolerance", "rtol"],
  lambd: ["lambda"],
  negative_slope: ["slope"],
  min_val: ["min"],
  max_val: ["max"],
  min_value: ["min"],
  max_value: ["max"],
  num_classes: ["classes"],
  num_features: ["channels", "features"],
  num_channels: ["channels"],
  num_groups: ["groups"],
  in1_features: ["inFeatures"],
  in2_features: ["inFeatures"],
  num_embeddings: ["count", "embeddings", "size"],
  embedding_dim: ["dim", "width"],
  _weight: ["weight"],
  elementwise_affine: ["affine"],
  embed_dim: ["width", "embedDim", "dim"],
  num_heads: ["heads"],
  nhead: ["heads"],
  d_model: ["width", "dim"],
  dim_feedforward: ["feedforward"],
  layer_norm_eps: ["eps"],
  decoder_layer: ["layer"],
  encoder_layer: ["layer"],
  num_layers: ["layers", "count"],
  upscale_factor: ["factor"],
  downscale_factor: ["factor"],
  n_power_iterations: ["iterations"],
  ord: ["p", "order"],
  T_max: ["steps", "totalSteps", "period", "tMax"],
  T_0: ["period", "first", "t0"],
  T_mult: ["factor", "growth", "multiplier", "tMult"],
  eta_min: ["minLr", "etaMin"],
  start_factor: ["start", "startFactor"],
  end_factor: ["end", "endFactor"],
  total_iters: ["steps", "totalSteps", "totalIters"],
  anneal_strategy: ["annealing"],
  init_scale: ["scale", "initialScale"],
  num_samples: ["count"],
  init: ["initial", "init"],
  norm_type: ["p", "normType"],
  eps: ["epsilon", "eps"],
};

/** Options whose type has another name where it is exported. */
const optionTypes: Readonly<Record<string, string>> = { CosineAnnealingLR: "CosineAnnealingOptions", LinearLR: "LinearLROptions" };

interface Node {
  readonly name: string;
  readonly declarations: readonly Declaration[];
}

interface Declaration {
  readonly kind: string;
  readonly def?: { readonly extends?: string; readonly methods?: readonly { readonly name: string }[] };
}

/** What the library declares, by name. */
export type Declared = ReadonlyMap<string, readonly Declaration[]>;

/** Reads the library's declarations. */
export async function declaredBy(file: URL): Promise<Declared> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), { args: ["doc", "--json", file.pathname], stderr: "null" }).output();
  if (!success) throw new Error("Cannot read the library's declarations: deno doc failed");
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as {
    nodes: Readonly<Record<string, { readonly symbols: readonly Node[] }>>;
  };
  const symbols = Object.values(nodes).flatMap((node) => node.symbols);
  return new Map(symbols.map(({ name, declarations }) => [name, declarations]));
}

/** All names of parameters and properties in a declaration, and in the option types it mentions. */
function wordsIn(part: unknown, declared: Declared, depth = 0): Set<string> {
  const text = JSON.stringify(part);
  const words = new Set([...text.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name!));
  if (depth === 3) return words;
  for (const [, type] of text.matchAll(/"typeName":"(?:\w+\.)?(\w+)"/g)) {
    for (const declaration of declared.get(type!) ?? []) {
      if (declaration.kind !== "interface" && declaration.kind !== "typeAlias") continue;
      for (const word of wordsIn(declaration, declared, depth + 1)) words.add(word);
    }
  }
  return words;
}

/** The names that may be given to what a piece of code calls; undefined where that is more than one call. */
function wordsOf(code: string, declared: Declared): Set<string> | undefined {
  const method = /^x\.(\w+)\(\)$/.exec(code)?.[1];
  const tensor = declared.get("Tensor")!.find(({ kind }) => kind === "class")!;
  if (method !== undefined) return wordsIn(tensor.def!.methods!.filter(({ name }) => name === method), declared);
  const name = /^(\w+)(?:\(\))?$/.exec(code)?.[1];
  if (name === undefined || !declared.has(name)) return undefined;
  const words = wordsIn(declared.get(optionTypes[name] ?? name)!, declared);
  for (let at: string | undefined = name; at !== undefined && at !== "Module"; at = declared.get(at)?.[0]?.def?.extends) {
    for (const word of wordsIn(declared.get(at)!, declared)) words.add(word);
  }
  return words;
}

/** Options that a remark says are missing ("no sorter") and that are there. */
export function presentOptions({ code, remark = "" }: Graded, declared: Declared): string[] {
  const words = code === undefined ? undefined : wordsOf(code, declared);
  if (words === undefined) return [];
  return [...remark.matchAll(/\bno (\w+)/g)].map(([, name]) => name!).filter((name) => words.has(name) || words.has(camelCase(name)));
}

/** PyTorch's parameters that have no counterpart. */
export function missingOptions({ module, name, code }: Graded, declared: Declared): string[] {
  const words = code === undefined ? undefined : wordsOf(code, declared);
  if (words === undefined) return [];
  const parameters = (names.parameters as Readonly<Record<string, readonly string[]>>)[`${module}.${name}`] ?? [];
  return parameters.filter((parameter) => {
    if (everywhere.has(parameter) || operands.has(parameter)) return false;
    return ![camelCase(parameter), ...(synonyms[parameter] ?? [])].some((word) => words.has(word));
  });
}
