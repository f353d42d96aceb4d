/**
 * What the generators share: buffers that may be one storage, strided positions, grids folded under the device's limit, and
 * kernels with one invocation per element.
 *
 * @module
 */
import { byteSize, type DType } from "../../tensor/dtype.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { DTypeError } from "../../tensor/errors.ts";
import type { View } from "../../tensor/kernel.ts";
import { faultSource } from "./fault.ts";
import type { Binding, Dispatch, Limits, Plan } from "./program.ts";
import { functionSource } from "./functions.ts";
import { enables, floatLiteral, literal, storageType } from "./types.ts";

/** Loop trips an invocation may make in all: software adapters stop every loop silently at 65,535. */
export const tripBudget = 32768;

/** The plan of a kernel that has nothing to compute. */
export const emptyPlan: Plan = { temporaries: [], dispatches: [] };

/** A buffer that a kernel uses, under a name of its own. */
export interface BufferUse {
  readonly name: string;
  readonly role: "input" | "output" | "temporary";
  readonly index: number;
  readonly dtype: DType;
  readonly access: "read" | "read_write";
  /** The view's storage, by which two uses of one buffer are recognised; temporaries need none. */
  readonly view?: View;
  /** Every access is to four neighbours from a multiple of 4 on, so the buffer may be declared as vectors. */
  readonly fours?: boolean;
}

/** An input view as a buffer that is read. */
export function readInput(name: string, index: number, view: View): BufferUse {
  return { name, role: "input", index, dtype: view.dtype, access: "read", view };
}

/** An output view as a buffer that is written. */
export function writeOutput(name: string, index: number, view: View): BufferUse {
  return { name, role: "output", index, dtype: view.dtype, access: "read_write", view };
}

/** A temporary as a buffer. */
export function temporary(name: string, index: number, dtype: DType, access: "read" | "read_write"): BufferUse {
  return { name, role: "temporary", index, dtype, access };
}

/** The buffers of one dispatch: their bindings, their declarations, and how their elements are read and written. */
export interface Buffers {
  readonly bindings: readonly Binding[];
  readonly declarations: string;
  /** The element at a position, a WGSL expression of its compute type: f32, i32 or u32 (bool as 0 or 1). */
  load(name: string, position: string): string;
  /** The element at a position as it is stored: f16 stays f16. */
  element(name: string, position: string): string;
  /** The statement that stores a value of the compute type. */
  store(name: string, position: string, value: string): string;
  /** Whether a buffer is declared as vectors of four: all its uses asked for it. It is then read and written by the next two alone. */
  isFours(name: string): boolean;
  /** Four neighbours from a multiple of 4 on, as a vector of the compute type. */
  loadFour(name: string, position: string): string;
  /** The same as they are stored. */
  elementFour(name: string, position: string): string;
  /** The statement that stores a vector of the compute type at a multiple of 4. */
  storeFour(name: string, position: string, value: string): string;
}

interface Slot {
  readonly use: BufferUse;
  readonly variable: string;
  readonly access: "read" | "read_write";
  /** Two element types meet in one storage: its words are declared u32 and cast where they are used. */
  readonly mixed: boolean;
  /** Declared as vectors of four. */
  readonly fours: boolean;
}

/**
 * Binds buffers. Uses of one storage share a binding, since WebGPU refuses a buffer that is bound for reading and for writing.
 *
 * @param uses The buffers, each with a name of its own.
 * @param fault Whether the kernel reports indices out of range (`reportIndex` of fault.ts).
 */
export function bindBuffers(uses: readonly BufferUse[], fault = false): Buffers {
  const groups: BufferUse[][] = [];
  for (const use of uses) {
    const group = groups.find(([first]) => sameBuffer(first!, use));
    if (group === undefined) groups.push([use]);
    else group.push(use);
  }
  const slots = groups.map(slotOf);
  const byName = new Map(groups.flatMap((group, i) => group.map((use) => [use.name, { slot: slots[i]!, use }] as const)));
  const bindings: Binding[] = slots.map(({ use, access }) => ({ role: use.role, index: use.index, access }));
  const declared = slots.map(({ use, variable, access, mixed, fours }, i) => {
    const type = mixed ? "u32" : storageType(use.dtype);
    return `@group(0) @binding(${i}) var<storage, ${access}> ${variable}: array<${fours ? `vec4<${type}>` : type}>;\n`;
  });
  if (fault) {
    bindings.push({ role: "fault", index: 0, access: "read_write" });
    declared.push(faultSource(slots.length));
  }
  const element = (name: string, position: string) => {
    const { slot, use } = byName.get(name)!;
    const text = `${slot.variable}[${position}]`;
    return slot.mixed ? `bitcast<${storageType(use.dtype)}>(${text})` : text;
  };
  const four = (name: string, position: string) => `${byName.get(name)!.slot.variable}[(${position}) / 4u]`;
  return {
    bindings,
    declarations: enables(uses.map(({ dtype }) => dtype)) + declared.join(""),
    element,
    load: (name, position) => byName.get(name)!.use.dtype === "float16" ? `f32(${element(name, position)})` : element(name, position),
    store: (name, position, value) => {
      const { slot, use } = byName.get(name)!;
      const converted = use.dtype === "float16" ? `f16(${value})` : slot.mixed ? `bitcast<u32>(${value})` : value;
      return `${slot.variable}[${position}] = ${converted};`;
    },
    isFours: (name) => byName.get(name)!.slot.fours,
    loadFour: (name, position) => byName.get(name)!.use.dtype === "float16" ? `vec4<f32>(${four(name, position)})` : four(name, position),
    elementFour: four,
    storeFour: (name, position, value) => {
      const { slot, use } = byName.get(name)!;
      return `${slot.variable}[(${position}) / 4u] = ${use.dtype === "float16" ? `vec4<f16>(${value})` : value};`;
    },
  };
}

function sameBuffer(a: BufferUse, b: BufferUse): boolean {
  if (a.view !== undefined && b.view !== undefined) return a.view.storage === b.view.storage;
  return a.role === b.role && a.index === b.index;
}

function slotOf(group: readonly BufferUse[]): Slot {
  const use = group[0]!;
  const mixed = group.some(({ dtype }) => storageType(dtype) !== storageType(use.dtype));
  if (mixed && group.some(({ dtype }) => byteSize[dtype] !== 4)) {
    throw new DTypeError("Cannot bind a buffer: one element size per storage is needed, got 16-bit and 32-bit elements", { op: "run" });
  }
  const access = group.some((one) => one.access === "read_write") ? "read_write" : "read";
  const fours = !mixed && group.every((one) => one.fours === true);
  return { use, variable: `${use.name}_buffer`, access, mixed, fours };
}

/** The WGSL type in which elements of a type are computed; bool stays the word 0 or 1. */
export function computeElement(dtype: DType): "f32" | "i32" | "u32" {
  const type = storageType(dtype);
  return type === "f16" ? "f32" : type;
}

/** 0, 1 … count - 1. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** A whole number as a u32 literal; negative ones wrap, so that sums of products come out right modulo 2^32. */
export function u32(value: number): string {
  return `${value >>> 0}u`;
}

/** The position of the element whose row-major number in `view.shape` is the WGSL expression `linear`. */
export function elementPosition(linear: string, view: Pick<View, "shape" | "strides" | "offset">): string {
  const dims = mergedDims(view);
  const terms: string[] = [];
  let inner = sizeOf(view.shape);
  const size = inner;
  for (const { size: extent, stride } of dims) {
    inner /= extent;
    if (stride === 0) continue;
    const quotient = inner === 1 ? linear : `${linear} / ${u32(inner)}`;
    const coordinate = inner * extent === size ? quotient : inner === 1 ? `${linear} % ${u32(extent)}` : `${quotient} % ${u32(extent)}`;
    terms.push(stride === 1 ? `(${coordinate})` : `(${coordinate}) * ${u32(stride)}`);
  }
  if (view.offset !== 0 || terms.length === 0) terms.push(u32(view.offset));
  return terms.join(" + ");
}

function mergedDims({ shape, strides }: Pick<View, "shape" | "strides">): { size: number; stride: number }[] {
  const dims: { size: number; stride: number }[] = [];
  for (const [dim, size] of shape.entries()) {
    if (size === 1) continue;
    const stride = strides[dim]!;
    const last = dims.at(-1);
    if (last !== undefined && last.stride === stride * size) {
      last.size *= size;
      last.stride = stride;
    } else dims.push({ size, stride });
  }
  return dims;
}

/** A position as a sum of WGSL coordinates times strides, for kernels that hold coordinates apart. */
export function dotPosition(coordinates: readonly string[], strides: readonly number[], offset = 0): string {
  const terms = coordinates.flatMap((coordinate, dim) => {
    const stride = strides[dim]!;
    return stride === 0 || coordinate === "0u" ? [] : stride === 1 ? [coordinate] : [`${coordinate} * ${u32(stride)}`];
  });
  if (offset !== 0 || terms.length === 0) terms.push(u32(offset));
  return terms.join(" + ");
}

/** A number of workgroups laid out within the device's limit per dimension, and the WGSL expression of a workgroup's number. */
export interface Grid {
  readonly workgroups: readonly [number, number, number];
  /** In terms of `workgroup: vec3<u32>`; may pass the count where the grid is folded, so kernels check it. */
  readonly number: string;
}

/** Folds `count` workgroups into up to three dimensions. */
export function foldGrid(count: number, limits: Limits): Grid {
  const most = limits.workgroupsPerDimension;
  if (count <= most) return { workgroups: [count, 1, 1], number: "workgroup.x" };
  const rows = Math.ceil(count / most);
  if (rows <= most) {
    const width = Math.ceil(count / rows);
    return { workgroups: [width, rows, 1], number: `(workgroup.x + workgroup.y * ${u32(width)})` };
  }
  const planes = Math.ceil(rows / most);
  return {
    workgroups: [most, most, planes],
    number: `(workgroup.x + workgroup.y * ${u32(most)} + workgroup.z * ${u32(most * most)})`,
  };
}

/** The parameters of every `main`. */
export const mainParameters = "@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32";

/** A kernel of workgroups that work together. */
export interface GroupKernel {
  readonly label: string;
  readonly buffers: Buffers;
  /** The number of workgroups. */
  readonly count: number;
  readonly threads: number;
  /** Functions and variables at the module's top level. */
  readonly declarations?: string;
  /** The body of `main`, in terms of `group: u32` and `local: u32`. */
  readonly body: string;
  readonly scalars?: Dispatch["scalars"];
}

/** The dispatch of a {@link GroupKernel}. */
export function groupDispatch(kernel: GroupKernel, limits: Limits): Dispatch {
  const { label, buffers, count, threads, declarations = "", body, scalars = [] } = kernel;
  const { workgroups, number } = foldGrid(count, limits);
  const source = `${buffers.declarations}${declarations}
@compute @workgroup_size(${threads})
fn main(${mainParameters}) {
  let group = ${number};
  if (group >= ${u32(count)}) { return; }
${body}
}
`;
  return { label, source, bindings: buffers.bindings, workgroups, scalars };
}

/** A kernel with one invocation per element. */
export interface ElementKernel {
  readonly label: string;
  readonly buffers: Buffers;
  /** The number of elements. */
  readonly size: number;
  readonly declarations?: string;
  /** The statements for the element whose number is `element: u32`. */
  readonly body: string;
  readonly scalars?: Dispatch["scalars"];
}

/** How four elements from a multiple of 4 on stand in a view: as neighbours, or as one and the same. */
export type FourPattern = "run" | "same";

/** The pattern that all of a view's elements keep, four by four; undefined where there is none. */
export function fourPattern(view: Pick<View, "shape" | "strides" | "offset">): FourPattern | undefined {
  const dims = mergedDims(view);
  const inner = dims.pop();
  if (inner === undefined || inner.size % 4 !== 0) return undefined;
  if (inner.stride === 0) return "same";
  const aligned = inner.stride === 1 && view.offset % 4 === 0 && dims.every(({ stride }) => stride % 4 === 0);
  return aligned ? "run" : undefined;
}

/** The dispatch of an {@link ElementKernel}. Small workgroups spread small kernels; of large ones a device starts fewer. */
export function elementDispatch(kernel: ElementKernel, limits: Limits): Dispatch {
  const { size, body, ...rest } = kernel;
  const threads = size >= 2 ** 18 ? Math.min(256, limits.workgroupInvocations) : 64;
  const guarded = `  let element = group * ${u32(threads)} + local;
  if (element >= ${u32(size)}) { return; }
${body}`;
  return groupDispatch({ ...rest, count: Math.ceil(size / threads), threads, body: guarded }, limits);
}

/** How two values are combined. */
export type Combination = "sum" | "prod" | "max" | "min";

/** A combination of two WGSL values; of floats it calls `max32` and `min32` of functions.ts, which let NaN through. */
export function combineText(combine: Combination, type: "f32" | "i32" | "u32", a: string, b: string): string {
  if (combine === "sum") return `${a} + ${b}`;
  if (combine === "prod") return `${a} * ${b}`;
  return `${combine}${type === "f32" ? "32" : ""}(${a}, ${b})`;
}

/** The functions that {@link combineText} calls. */
export function combineSource(combine: string, type: "f32" | "i32" | "u32"): string {
  return type === "f32" && (combine === "max" || combine === "min") ? functionSource([`${combine}32`]) : "";
}

/** The neutral element of a combination as a WGSL expression. */
export function neutralText(combine: Combination, type: "f32" | "i32" | "u32"): string {
  if (combine === "sum" || combine === "prod") return `${type}(${combine === "sum" ? 0 : 1})`;
  const lowest = combine === "max";
  if (type === "f32") return floatLiteral(lowest ? -Infinity : Infinity);
  if (type === "u32") return literal(lowest ? 0 : 4294967295, "uint32");
  return literal(lowest ? -2147483648 : 2147483647, "int32");
}

/** The element type of temporaries that hold values of a compute type. */
export function elementOf(type: "f32" | "i32" | "u32"): "float32" | "int32" | "uint32" {
  return type === "f32" ? "float32" : type === "i32" ? "int32" : "uint32";
}
