/**
 * A small WebAssembly encoder: modules with one imported memory and exported functions, written instruction by instruction.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ModuleBuilder } from "./encoder.ts";
 *
 * const module = new ModuleBuilder();
 * const sum = module.function("sum", { params: ["i32", "i32"], results: ["f32"] });
 * const [pointer, count] = sum.parameters;
 * const total = sum.local("f32");
 * sum.block((done) => {
 *   sum.get(count!).op("i32.eqz").branchIf(done);
 *   sum.loop((next) => {
 *     sum.get(total).get(pointer!).load("f32.load").op("f32.add").set(total);
 *     sum.increment(pointer!, 4);
 *     sum.get(count!).i32(1).op("i32.sub").tee(count!).branchIf(next);
 *   });
 * });
 * sum.get(total);
 *
 * const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
 * new Float32Array(memory.buffer).set([1, 2, 3.5]);
 * const call = module.instantiate(memory)["sum"]!;
 * assertEquals(call(0, 3), 6.5);
 * ```
 *
 * @module
 */
import { type LaneMemoryOp, laneMemoryOps, type LaneOp, laneOps, type MemoryOp, memoryOps, type PlainOp, plainOps } from "./opcodes.ts";

/** The type of a local, parameter or result. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

/** A local variable or parameter of one function. */
export interface Local {
  /** Its number in the function. */
  readonly index: number;
  /** Its type. */
  readonly type: ValueType;
}

/** A place to branch to: the end of a block or `if`, the start of a loop. */
export interface Label {
  /** How many structures enclose it, itself included. */
  readonly depth: number;
}

/** What a function takes and gives. */
export interface Signature {
  /** The parameters' types. */
  readonly params: readonly ValueType[];
  /** The results' types; none by default. */
  readonly results?: readonly ValueType[];
}

/** An exported function, called from TypeScript. */
export type WasmFunction = (...args: number[]) => number;

const typeCodes: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** Writes one function's code. Methods append instructions and return the builder, so that they chain in stack order. */
export class FunctionBuilder {
  /** The export's name. */
  readonly name: string;
  /** Its place among the module's functions. */
  readonly position: number;
  /** The signature it was made with. */
  readonly signature: Signature;
  /** The parameters as locals. */
  readonly parameters: readonly Local[];
  readonly #code: number[] = [];
  readonly #prologue: number[] = [];
  readonly #constants: Map<string, Local> = new Map();
  readonly #locals: ValueType[] = [];
  readonly #free: Map<ValueType, Local[]> = new Map();
  #depth = 0;

  /** Made by {@link ModuleBuilder.function}. */
  constructor(name: string, position: number, signature: Signature) {
    this.name = name;
    this.position = position;
    this.signature = signature;
    this.parameters = signature.params.map((type, index) => ({ index, type }));
  }

  /** A fresh or released local. A fresh one starts as zero, a released one holds what it held. */
  local(type: ValueType): Local {
    const released = this.#free.get(type)?.pop();
    if (released !== undefined) return released;
    return { index: this.parameters.length + this.#locals.push(type) - 1, type };
  }

  /** Gives a local back for reuse by {@link local}. */
  release(local: Local): void {
    const list = this.#free.get(local.type);
    if (list === undefined) this.#free.set(local.type, [local]);
    else list.push(local);
  }

  /**
   * A local that holds a vector constant (any typed array of 16 bytes) from the function's start on: equal constants share one. Engines
   * build a vector constant anew at each use, which inside a loop costs more than keeping it.
   */
  constant(lanes: ArrayBufferView): Local {
    const bytes = bytesOf(lanes);
    const key = bytes.join();
    let local = this.#constants.get(key);
    if (local === undefined) {
      local = { index: this.parameters.length + this.#locals.push("v128") - 1, type: "v128" };
      this.#prologue.push(0xfd, 12, ...bytes, 0x21);
      writeUnsigned(this.#prologue, local.index);
      this.#constants.set(key, local);
    }
    return local;
  }

  /** Pushes a local. */
  get(local: Local): this {
    return this.#emit(0x20, local.index);
  }

  /** Pops into a local. */
  set(local: Local): this {
    return this.#emit(0x21, local.index);
  }

  /** Stores the top of the stack in a local and leaves it there. */
  tee(local: Local): this {
    return this.#emit(0x22, local.index);
  }

  /** Adds a constant to an i32 local. */
  increment(local: Local, by: number): this {
    return this.get(local).i32(by).op("i32.add").set(local);
  }

  /** Appends an instruction without immediates. */
  op(name: PlainOp): this {
    this.#opcode(plainOps[name]);
    return this;
  }

  /** Appends a load (address on the stack) at a constant offset. */
  load(name: Extract<MemoryOp, `${string}load${string}`>, offset = 0): this {
    return this.#memory(memoryOps[name], offset);
  }

  /** Appends a store (address, value on the stack) at a constant offset. */
  store(name: Extract<MemoryOp, `${string}store${string}`>, offset = 0): this {
    return this.#memory(memoryOps[name], offset);
  }

  /** Appends a load into, or store from, one lane (address, vector on the stack). */
  laneMemory(name: LaneMemoryOp, lane: number, offset = 0): this {
    this.#memory(laneMemoryOps[name], offset);
    this.#code.push(lane);
    return this;
  }

  /** Appends an instruction on one lane. */
  lane(name: LaneOp, lane: number): this {
    this.#opcode(laneOps[name]);
    this.#code.push(lane);
    return this;
  }

  /** Picks 16 bytes out of two vectors (a: 0–15, b: 16–31). */
  shuffle(bytes: readonly number[]): this {
    this.#opcode(0xfd0000 + 13);
    this.#code.push(...bytes);
    return this;
  }

  /** Picks 4 lanes of 32 bits out of two vectors (a: 0–3, b: 4–7). */
  shuffle32(lanes: readonly number[]): this {
    return this.shuffle(lanes.flatMap((lane) => [lane * 4, lane * 4 + 1, lane * 4 + 2, lane * 4 + 3]));
  }

  /** Pushes an i32 constant (signed or unsigned). */
  i32(value: number): this {
    this.#code.push(0x41);
    writeSigned(this.#code, value | 0);
    return this;
  }

  /** Pushes an i64 constant. */
  i64(value: bigint): this {
    this.#code.push(0x42);
    writeSignedBig(this.#code, BigInt.asIntN(64, value));
    return this;
  }

  /** Pushes an f32 constant. */
  f32(value: number): this {
    this.#code.push(0x43, ...bytesOf(new Float32Array([value])));
    return this;
  }

  /** Pushes an f64 constant. */
  f64(value: number): this {
    this.#code.push(0x44, ...bytesOf(new Float64Array([value])));
    return this;
  }

  /** Pushes a vector constant from its 16 bytes, given as any typed array of that length. */
  v128(lanes: ArrayBufferView): this {
    this.#opcode(0xfd0000 + 12);
    this.#code.push(...bytesOf(lanes));
    return this;
  }

  /** Pushes a vector of four equal floats. */
  f32x4(value: number): this {
    return this.v128(new Float32Array(4).fill(value));
  }

  /** Pushes a vector of four equal whole numbers. */
  i32x4(value: number): this {
    return this.v128(new Int32Array(4).fill(value));
  }

  /** Pushes a vector of two equal doubles. */
  f64x2(value: number): this {
    return this.v128(new Float64Array(2).fill(value));
  }

  /** A block: branching to the label leaves it. */
  block(body: (label: Label) => void, result?: ValueType): this {
    return this.#structure(0x02, body, result);
  }

  /** A loop: branching to the label starts it again; it ends by falling through. */
  loop(body: (label: Label) => void, result?: ValueType): this {
    return this.#structure(0x03, body, result);
  }

  /** Runs `then` when the i32 on the stack is not 0, else `otherwise`. Branching to the label leaves it. */
  if(then: (label: Label) => void, otherwise?: (label: Label) => void, result?: ValueType): this {
    return this.#structure(0x04, (label) => {
      then(label);
      if (otherwise !== undefined) {
        this.#code.push(0x05);
        otherwise(label);
      }
    }, result);
  }

  /** Branches always. */
  branch(label: Label): this {
    return this.#emit(0x0c, this.#depth - label.depth);
  }

  /** Branches when the i32 on the stack is not 0. */
  branchIf(label: Label): this {
    return this.#emit(0x0d, this.#depth - label.depth);
  }

  /** Calls another function of the module. */
  call(target: FunctionBuilder): this {
    return this.#emit(0x10, target.position);
  }

  /** memory.copy: destination, source and size in bytes on the stack. */
  copy(): this {
    this.#code.push(0xfc, 10, 0, 0);
    return this;
  }

  /** memory.fill: destination, byte value and size in bytes on the stack. */
  fill(): this {
    this.#code.push(0xfc, 11, 0);
    return this;
  }

  /** The function's body as bytes, with its size before it. */
  encode(): Uint8Array {
    const locals: number[] = [];
    const groups: { type: ValueType; count: number }[] = [];
    for (const type of this.#locals) {
      const last = groups.at(-1);
      if (last?.type === type) last.count++;
      else groups.push({ type, count: 1 });
    }
    writeUnsigned(locals, groups.length);
    for (const { type, count } of groups) {
      writeUnsigned(locals, count);
      locals.push(typeCodes[type]);
    }
    return sized(joined([locals, this.#prologue, this.#code, [0x0b]]));
  }

  #emit(opcode: number, immediate: number): this {
    this.#code.push(opcode);
    writeUnsigned(this.#code, immediate);
    return this;
  }

  #opcode(code: number): void {
    if (code <= 0xff) {
      this.#code.push(code);
    } else {
      this.#code.push(code >>> 16);
      writeUnsigned(this.#code, code & 0xffff);
    }
  }

  #memory([code, alignment]: readonly [number, number], offset: number): this {
    this.#opcode(code);
    writeUnsigned(this.#code, alignment);
    writeUnsigned(this.#code, offset);
    return this;
  }

  #structure(opcode: number, body: (label: Label) => void, result: ValueType | undefined): this {
    this.#code.push(opcode, result === undefined ? 0x40 : typeCodes[result]);
    this.#depth++;
    body({ depth: this.#depth });
    this.#depth--;
    this.#code.push(0x0b);
    return this;
  }
}

/** Collects functions over one imported memory ("env", "memory") and makes a WebAssembly module of them. */
export class ModuleBuilder {
  readonly #functions: FunctionBuilder[] = [];

  /** Adds a function; it is exported under its name. */
  function(name: string, signature: Signature): FunctionBuilder {
    const builder = new FunctionBuilder(name, this.#functions.length, signature);
    this.#functions.push(builder);
    return builder;
  }

  /**
   * The module's bytes, importing a shared memory or a plain one of at least `pages` pages. The engine checks the bounds of every access,
   * and checks twice where an offset lies beyond the declared pages: declaring the memory's real size makes matrix products 1.3 times faster.
   */
  encode(shared = true, pages = 0): Uint8Array<ArrayBuffer> {
    const functions = this.#functions;
    const limits = shared ? [0x03, ...unsigned(pages), ...unsigned(65536)] : [0x00, ...unsigned(pages)];
    return joined([
      [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      section(1, functions.map(({ signature }) => [0x60, ...typeList(signature.params), ...typeList(signature.results ?? [])])),
      section(2, [[...ascii("env"), ...ascii("memory"), 0x02, ...limits]]),
      section(3, functions.map((_, position) => unsigned(position))),
      section(7, functions.map(({ name, position }) => [...ascii(name), 0x00, ...unsigned(position)])),
      section(10, functions.map((builder) => builder.encode())),
    ]);
  }

  /** Compiles at once and links to `memory`; gives the functions by name. */
  instantiate(memory: WebAssembly.Memory): Record<string, WasmFunction> {
    const shared = typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer;
    const bytes = this.encode(shared, memory.buffer.byteLength / 65536);
    const functions = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports as Record<string, WasmFunction>;
    Object.values(functions).forEach((fn, place) => sources.set(fn, { bytes, place }));
    return functions;
  }
}

/** Where a function comes from, for threads that have to make it again. */
export interface FunctionSource {
  /** The encoded module. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The function's place among the exports. */
  readonly place: number;
}

const sources = new WeakMap<WasmFunction, FunctionSource>();

/** The source of a function that {@link ModuleBuilder.instantiate} made. */
export function sourceOf(fn: WasmFunction): FunctionSource | undefined {
  return sources.get(fn);
}

const instances = new WeakMap<WebAssembly.Memory, Map<string, Record<string, WasmFunction>>>();

/** The functions of the module `build` writes, made once per memory and key. */
export function instantiateOnce(
  memory: WebAssembly.Memory,
  key: string,
  build: (module: ModuleBuilder) => void,
): Record<string, WasmFunction> {
  let byKey = instances.get(memory);
  if (byKey === undefined) instances.set(memory, byKey = new Map());
  let functions = byKey.get(key);
  if (functions === undefined) {
    const module = new ModuleBuilder();
    build(module);
    functions = module.instantiate(memory);
    byKey.set(key, functions);
  }
  return functions;
}

let relaxedSimd: boolean | undefined;

/** Whether the engine has `f32x4.relaxed_madd`, found once by validating a module that uses it. */
export function detectRelaxedSimd(): boolean {
  if (relaxedSimd === undefined) {
    const module = new ModuleBuilder();
    module.function("probe", { params: [] }).f32x4(1).f32x4(2).f32x4(3).op("f32x4.relaxed_madd").op("drop");
    relaxedSimd = WebAssembly.validate(module.encode(false));
  }
  return relaxedSimd;
}

function section(id: number, entries: readonly ArrayLike<number>[]): Uint8Array {
  return joined([[id], sized(joined([unsigned(entries.length), ...entries]))]);
}

/** Bytes with their number before them. */
function sized(bytes: Uint8Array): Uint8Array {
  return joined([unsigned(bytes.length), bytes]);
}

/** Parts one behind another. The engine copies whole parts; byte by byte, the first product of a process took 4 ms longer. */
function joined(parts: readonly ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function typeList(types: readonly ValueType[]): number[] {
  return [...unsigned(types.length), ...types.map((type) => typeCodes[type])];
}

/** A name in ASCII, as every name here is. A TextEncoder would take longer than all names of a first product. */
function ascii(text: string): number[] {
  return [...unsigned(text.length), ...Array.from(text, (character) => character.charCodeAt(0))];
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function unsigned(value: number): number[] {
  const out: number[] = [];
  writeUnsigned(out, value);
  return out;
}

/** LEB128 of a whole number in 0 … 2^32-1. */
function writeUnsigned(out: number[], value: number): void {
  let rest = value >>> 0;
  while (rest > 0x7f) {
    out.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  out.push(rest);
}

/** Signed LEB128 of an i32. */
function writeSigned(out: number[], value: number): void {
  let rest = value;
  while (rest < -64 || rest > 63) {
    out.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  out.push(rest & 0x7f);
}

/** Signed LEB128 of an i64. */
function writeSignedBig(out: number[], value: bigint): void {
  let rest = value;
  while (rest < -64n || rest > 63n) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest & 0x7fn));
}
