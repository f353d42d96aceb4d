import { assert, assertEquals } from "@std/assert";
import { detectRelaxedSimd, instantiateOnce, ModuleBuilder, type ValueType } from "../../cpu/wasm/encoder.ts";
import {
  type LaneMemoryOp,
  laneMemoryOps,
  type LaneOp,
  laneOps,
  type MemoryOp,
  memoryOps,
  type PlainOp,
  plainOps,
} from "../../cpu/wasm/opcodes.ts";

const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
const types: readonly ValueType[] = ["i32", "i64", "f32", "f64", "v128"];

/** The operand and result types an instruction's name stands for. */
function signature(name: PlainOp): { params: ValueType[]; results: ValueType[] } {
  const candidates: ValueType[][] = [[], ...types.map((a) => [a]), ...types.flatMap((a) => types.map((b) => [a, b]))];
  candidates.push(["v128", "v128", "v128"], ["i32", "i32", "i32"]);
  for (const params of candidates) {
    for (const results of [[], ...types.map((type) => [type])]) {
      const module = new ModuleBuilder();
      const f = module.function("f", { params, results });
      for (const parameter of f.parameters) f.get(parameter);
      f.op(name);
      if (WebAssembly.validate(module.encode())) return { params, results };
    }
  }
  throw new Error(`no signature validates ${name}`);
}

Deno.test("opcodes without immediates take and give the types of their names", () => {
  for (const name of Object.keys(plainOps) as PlainOp[]) {
    if (name.includes("relaxed") && !detectRelaxedSimd()) continue;
    if (["unreachable", "nop", "return", "drop", "select"].includes(name)) continue;
    const { params, results } = signature(name);
    const [shape, verb] = name.split(".") as [string, string];
    const own = (shape.includes("x") || shape === "v128" ? "v128" : shape) as ValueType;
    const isTest = /^(eqz?|ne|[lg][te](_[su])?|any_true|all_true|bitmask)$/.test(verb) &&
      (own !== "v128" || verb.includes("true") || verb === "bitmask");
    assertEquals(results, [isTest ? "i32" : own], name);
    const source = /_(i32|i64|f32|f64)(_[su])?$/.exec(verb)?.[1] as ValueType | undefined;
    if (source !== undefined && own !== "v128") assertEquals(params, [source], name);
    else if (verb !== "splat") assert(params[0] === own, `${name} takes ${params}`);
  }
});

Deno.test("opcodes with addresses and lanes validate", () => {
  for (const name of Object.keys(memoryOps) as MemoryOp[]) {
    const own = (name.split(".")[0]) as ValueType;
    const module = new ModuleBuilder();
    const stores = name.includes("store");
    const f = module.function("f", { params: ["i32", own], results: stores ? [] : [own] });
    f.get(f.parameters[0]!);
    if (stores) f.get(f.parameters[1]!).store(name as "f32.store", 300);
    else f.load(name as "f32.load", 300);
    assert(WebAssembly.validate(module.encode()), name);
  }
  for (const name of Object.keys(laneMemoryOps) as LaneMemoryOp[]) {
    const module = new ModuleBuilder();
    const f = module.function("f", { params: ["i32", "v128"], results: name.includes("store") ? [] : ["v128"] });
    f.get(f.parameters[0]!).get(f.parameters[1]!).laneMemory(name, 1, 8);
    assert(WebAssembly.validate(module.encode()), name);
  }
  for (const name of Object.keys(laneOps) as LaneOp[]) {
    const shape = name.slice(0, 3) as ValueType;
    const replaces = name.includes("replace");
    const module = new ModuleBuilder();
    const f = module.function("f", { params: ["v128", shape], results: [replaces ? "v128" : shape] });
    f.get(f.parameters[0]!);
    if (replaces) f.get(f.parameters[1]!);
    f.lane(name, 1);
    assert(WebAssembly.validate(module.encode()), name);
  }
});

Deno.test("FunctionBuilder encodes constants of every size", () => {
  for (const value of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8193, 2147483647, -2147483648, 0x40000000]) {
    const module = new ModuleBuilder();
    module.function("whole", { params: [], results: ["i32"] }).i32(value);
    module.function("long", { params: [], results: ["f64"] }).i64(BigInt(value) * 1048576n).op("f64.convert_i64_s");
    module.function("single", { params: [], results: ["f32"] }).f32(value + 0.5);
    module.function("double", { params: [], results: ["f64"] }).f64(value + 0.1);
    const exports = module.instantiate(memory);
    assertEquals(exports["whole"]!(), value);
    assertEquals(exports["long"]!(), value * 1048576);
    assertEquals(exports["single"]!(), Math.fround(value + 0.5));
    assertEquals(exports["double"]!(), value + 0.1);
  }
});

Deno.test("FunctionBuilder branches out of nested blocks, loops and ifs, and calls", () => {
  const module = new ModuleBuilder();
  const square = module.function("square", { params: ["i32"], results: ["i32"] });
  square.get(square.parameters[0]!).get(square.parameters[0]!).op("i32.mul");
  const f = module.function("firstSquareAbove", { params: ["i32"], results: ["i32"] });
  const [limit] = f.parameters;
  const n = f.local("i32");
  f.block((found) => {
    f.loop((next) => {
      f.get(n).call(square).get(limit!).op("i32.gt_s").if(() => f.branch(found));
      f.increment(n, 1);
      f.branch(next);
    });
  });
  f.get(n).i32(100).op("i32.lt_s").if(() => f.get(n), () => f.i32(-1), "i32");
  const exports = module.instantiate(memory);
  assertEquals([0, 8, 9, 50].map((value) => exports["firstSquareAbove"]!(value)), [1, 3, 4, 8]);
  assertEquals(exports["firstSquareAbove"]!(20000), -1);
});

Deno.test("FunctionBuilder keeps pooled constants and released locals apart", () => {
  const module = new ModuleBuilder();
  const f = module.function("f", { params: [], results: ["f32"] });
  const temporary = f.local("v128");
  f.f32x4(3).set(temporary);
  f.release(temporary);
  const constant = f.constant(new Float32Array(4).fill(5));
  const again = f.local("v128");
  f.get(again).get(constant).op("f32x4.add").lane("f32x4.extract_lane", 2);
  assertEquals(again.index, temporary.index);
  assertEquals(f.constant(new Float32Array(4).fill(5)), constant);
  assertEquals(module.instantiate(memory)["f"]!(), 8);
});

Deno.test("ModuleBuilder links to plain memory as to shared memory", () => {
  for (const shared of [true, false]) {
    const target = new WebAssembly.Memory({ initial: 1, maximum: 2, shared });
    const module = new ModuleBuilder();
    module.function("put", { params: ["i32", "f32"] }).get({ index: 0, type: "i32" }).get({ index: 1, type: "f32" }).store("f32.store", 4);
    module.instantiate(target)["put"]!(8, 2.5);
    assertEquals(new Float32Array(target.buffer)[3], 2.5);
  }
});

Deno.test("instantiateOnce builds a module once per memory and key", () => {
  let builds = 0;
  const build = (module: ModuleBuilder) => {
    builds++;
    module.function("one", { params: [], results: ["i32"] }).i32(1);
  };
  const first = instantiateOnce(memory, "one", build);
  assertEquals(instantiateOnce(memory, "one", build), first);
  instantiateOnce(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }), "one", build);
  assertEquals(builds, 2);
});
