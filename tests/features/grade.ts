/**
 * Grades PyTorch's names: there, partly or not, from what the library exports and from the notes.
 *
 * @module
 */
import * as library from "../../mod.ts";
import { ops } from "../torch/rows/mod.ts";
import { unsupported } from "../torch/unsupported.ts";
import { absent } from "./notes/absent.ts";
import { elsewhere } from "./notes/elsewhere.ts";
import { partly } from "./notes/partly.ts";
import names from "./fixtures/names.json" with { type: "json" };

/** What is said about one of PyTorch's names. */
export interface Graded {
  /** The module, such as "torch.nn". */
  readonly module: string;
  readonly name: string;
  readonly grade: "there" | "partly" | "not" | "unknown";
  /** Tandem's code, where it is there. */
  readonly code?: string;
  /** What is missing, or why it is not there. */
  readonly remark?: string;
  /** Whether PyTorch's own samples of it are replayed (tests/torch). */
  readonly replayed: boolean;
}

/** Everything that is exported, by name. */
export const exported: Readonly<Record<string, unknown>> = library;

const sample = library.tensor([[1, 2], [3, 4]]);

/** The version of PyTorch whose names these are. */
export const version: string = names.torch;

/** snake_case as camelCase. */
export function camelCase(name: string): string {
  return name.replace(/(?<=.)_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Whether tensors have a public member of this name. */
export function isMember(name: string): boolean {
  return name !== "constructor" && name in sample;
}

/** The code that goes by the same name, if any: a method for functions and methods, an export for the rest. */
function sameName(module: string, name: string): string | undefined {
  const own = camelCase(name);
  if (/^[A-Z]/.test(name)) return own in exported ? own : undefined;
  const methods = !module.startsWith("torch.optim") && !module.startsWith("torch.utils") && !module.startsWith("torch.autograd");
  if (methods && module !== "torch.nn.init" && isMember(own)) {
    return typeof (sample as unknown as Record<string, unknown>)[own] === "function" ? `x.${own}()` : `x.${own}`;
  }
  return own in exported ? `${own}()` : undefined;
}

function fits(pattern: string, name: string): boolean {
  return new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", ".*")}$`).test(name);
}

function reasonFor(module: string, name: string): string | undefined {
  for (const [reason, patterns] of Object.entries(absent)) {
    if (patterns.some((pattern) => fits(pattern, pattern.includes(".") ? `${module}.${name}` : name))) return reason;
  }
  return undefined;
}

/** The name by which op_db knows a function. */
function operatorOf(module: string, name: string): string {
  return module === "torch" || module === "torch.Tensor" ? name : `${module.slice("torch.".length)}.${name}`;
}

const replayedOperators: ReadonlySet<string> = new Set(Object.keys(ops).map((operator) => operator.split("/")[0]!));

/** What the replayed samples of an operator ask for in vain. */
function lacks(operator: string): string[] {
  return Object.entries(unsupported).flatMap(([key, reason]) => {
    return key.startsWith(`${operator} `) ? [`${key.slice(operator.length + 1)}: ${reason}`] : [];
  });
}

function grade(module: string, name: string): Graded {
  const full = `${module}.${name}`;
  const operator = operatorOf(module, name);
  const found = { module, name, replayed: replayedOperators.has(operator) };
  const code = elsewhere[full] ?? sameName(module, name) ?? elsewhere[name];
  if (code === undefined) {
    const remark = reasonFor(module, name);
    return remark === undefined ? { ...found, grade: "unknown" } : { ...found, grade: "not", remark };
  }
  const remarks = [partly[full] ?? partly[name], ...lacks(operator)].filter((remark) => remark !== undefined);
  return remarks.length === 0 ? { ...found, grade: "there", code } : { ...found, grade: "partly", code, remark: remarks.join("; ") };
}

/** Every name, module by module. */
export const graded: readonly Graded[] = Object.entries(names.modules).flatMap(([module, list]) => list.map((name) => grade(module, name)));

/** The names in a piece of code that have to exist: those called, made or indexed, and those behind a dot. */
export function namesIn(code: string): { readonly called: readonly string[]; readonly members: readonly string[] } {
  const names = (pattern: RegExp): string[] => [...code.matchAll(pattern)].map(([, name]) => name!);
  const called = [...names(/(?<![.\w])([A-Za-z]\w*)(?=[([])/g), ...names(/instanceof (\w+)/g), ...names(/^(\w+)$/g)];
  // Of a member only the owner that is exported itself counts: x, a and the like stand for values.
  const owners = names(/(?<![.\w])([A-Za-z]\w*)\.\w/g).filter((name) => name in exported);
  return { called: [...called, ...owners], members: names(/\.([A-Za-z]\w*)/g) };
}

const values = {
  x: sample,
  sorted: sample.sort(),
  svd: library.svd(sample),
  eigh: library.eigh(sample),
  slogdet: library.slogdet(sample),
  list: [],
};
const owners = [...Object.values(values), library.nnInit, library.defaultGenerator, new library.Identity()];

/** Whether anything that code may stand on has a member of this name. */
export function isKnownMember(name: string): boolean {
  return owners.some((owner) => name in owner);
}
