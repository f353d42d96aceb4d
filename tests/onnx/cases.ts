/**
 * ONNX's backend cases: where they lie, and what running one gives.
 *
 * @module
 */
import { scope } from "../../mod.ts";
import { missingPermissions } from "../permissions.ts";
import { differenceOf } from "./compare.ts";
import { type Graph, type Model, readModel, readValue, type StoredTensor, UnsupportedError } from "./model.ts";
import type { Value } from "./operators/call.ts";
import { runModel } from "./run.ts";
import { upload } from "./values.ts";

/** Where Debian's libonnx-testdata puts the cases. */
const debianFolder = "/usr/share/libonnx-testdata/data";

/** The folders of cases that are run. */
export const suites = ["node", "pytorch-converted", "pytorch-operator", "simple"] as const;

/** One case: a model, and sets of inputs with the outputs that they must give. */
export interface Case {
  readonly suite: typeof suites[number];
  readonly name: string;
  readonly path: string;
}

/** What became of a case. */
export type Outcome = { readonly kind: "passed" } | { readonly kind: "failed" | "unsupported"; readonly why: string };

/** What is missing for the cases; undefined where they can run. */
export function missingForCases(): string | undefined {
  const missing = missingPermissions(["read", "env"]);
  if (missing.length > 0) return `the permissions ${missing.join(", ")}`;
  try {
    Deno.statSync(`${folder()}/node`);
    return undefined;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return `Debian's libonnx-testdata, or its data folder in TANDEM_ONNX_DIR; ${folder()}/node is not there`;
  }
}

function folder(): string {
  return Deno.env.get("TANDEM_ONNX_DIR") ?? debianFolder;
}

/** Every case, in order. */
export function listCases(): Case[] {
  return suites.flatMap((suite) => {
    const names = [...Deno.readDirSync(`${folder()}/${suite}`)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
    return names.sort().map((name) => ({ suite, name, path: `${folder()}/${suite}/${name}` }));
  });
}

/** Reads a case's model. */
export function modelOf({ path }: Case): Model {
  return readModel(Deno.readFileSync(`${path}/model.onnx`));
}

/** The operators that a model names, those of inner graphs included. */
export function operatorsOf({ nodes }: Graph): Set<string> {
  const inner = (node: Graph["nodes"][number]) =>
    [...node.attributes.values()].filter((value): value is Graph => typeof value === "object" && "nodes" in value);
  return new Set(nodes.flatMap((node) => [node.operator, ...inner(node).flatMap((graph) => [...operatorsOf(graph)])]));
}

/** Whether a case holds or asks for numbers of 64 bits with a fraction, which only the CPU has. */
export function usesFloat64(one: Case, { graph }: Model): boolean {
  const double = 11;
  const asks = (part: Graph): boolean =>
    part.initializers.some(({ elementType }) => elementType === double) ||
    [...part.inputs, ...part.outputs].some(({ elementType }) => elementType === double) ||
    part.nodes.some(({ attributes }) =>
      attributes.get("to") === double || attributes.get("dtype") === double ||
      [...attributes.values()].some((value) =>
        typeof value === "object" && ("nodes" in value ? asks(value) : "elementType" in value && value.elementType === double)
      )
    );
  return asks(graph) || dataSets(one).some((set) => stored(set, graph, "input").flat().some((value) => value?.elementType === double));
}

/** Runs a case on a device and compares every output. */
export async function runCase(one: Case, device: string): Promise<Outcome> {
  using _ = scope();
  try {
    const model = modelOf(one);
    for (const set of dataSets(one)) {
      const inputs = stored(set, model.graph, "input");
      const expected = stored(set, model.graph, "output");
      const outputs = await runModel(
        model,
        inputs.map((value) => value === undefined ? undefined : upload(value, device)) as Value[],
        device,
      );
      for (const [index, value] of expected.entries()) {
        const why = await differenceOf(outputs[index], value!, one.name);
        if (why !== undefined) return { kind: "failed", why: `output ${index}: ${why}` };
      }
    }
    return { kind: "passed" };
  } catch (error) {
    if (error instanceof UnsupportedError) return { kind: "unsupported", why: error.message };
    return { kind: "failed", why: String(error) };
  }
}

function dataSets({ path }: Case): string[] {
  const names = [...Deno.readDirSync(path)].filter(({ isDirectory, name }) => isDirectory && name.startsWith("test_data_set_"));
  if (names.length === 0) throw new Error(`Cannot run ${path}: at least one test_data_set_ is needed, got none`);
  return names.map(({ name }) => `${path}/${name}`).sort();
}

type Stored = StoredTensor | StoredTensor[] | null;

/** The values of a set in the order of the graph's list; a graph may list more inputs than the set gives. */
function stored(set: string, graph: Graph, side: "input" | "output"): Stored[] {
  const infos = side === "input" ? graph.inputs : graph.outputs;
  const count = [...Deno.readDirSync(set)].filter(({ name }) => name.startsWith(`${side}_`)).length;
  if (count > infos.length || (side === "output" && count !== infos.length)) {
    throw new Error(`Cannot read ${set}: ${infos.length} files ${side}_*.pb are needed, got ${count}`);
  }
  return infos.slice(0, count).map(({ kind }, index) => readValue(Deno.readFileSync(`${set}/${side}_${index}.pb`), kind));
}
