/**
 * A first run on a new device, compared with the CPU: adapters exist that miscount loops, lose NaN or skip barriers without an error.
 *
 * @module
 */
import { DeviceError } from "../tensor/errors.ts";
import type { View } from "../tensor/kernel.ts";
import type { GpuBackend } from "./backend.ts";
import { functionSource } from "./wgsl/functions.ts";
import { fits, hardwareTiles } from "./wgsl/product/choice.ts";
import { matmulProduct } from "./wgsl/product/matmul.ts";
import { planTiledProduct } from "./wgsl/product/product.ts";
import type { Plan } from "./wgsl/program.ts";
import { tripBudget } from "./wgsl/shader.ts";

const threads = 64;
/** Numbers that float16 rounds, one of them a tie that goes to even; WGSL leaves subnormals and overflow to the adapter. */
const halves = [1 / 3, 2049, -0.1];

/**
 * Runs a few lines whose results are known.
 *
 * @throws DeviceError naming what the device got wrong.
 */
export async function testDevice(backend: GpuBackend): Promise<void> {
  const { f16 } = backend.limits;
  const inputs = Float32Array.of(NaN, Infinity, 1, 0, ...halves);
  const input = view(backend, inputs.length);
  const output = view(backend, 16);
  backend.write(input.storage, 0, inputs);
  backend.write(output.storage, 0, new Uint32Array(16));
  backend.runPlan(plan(f16), [input], [output], []);
  const [bytes] = await backend.read([{ storage: output.storage, byteOffset: 0, byteLength: 64 }]);
  backend.free(input.storage);
  backend.free(output.storage);
  const got = new Uint32Array(bytes!);
  for (const [i, { what, value }] of expectations(f16).entries()) {
    if (got[i] !== value) throw new DeviceError(`Cannot use ${backend.description}: ${what} of ${value} is needed, got ${got[i]}`);
  }
}

/** A product with edges in every direction, of small whole numbers, so that its sums are exact. */
const [rows, depth, columns] = [131, 37, 132];

/**
 * Multiplies with the largest tile for hardware and compares with the CPU.
 *
 * @throws DeviceError when a result differs.
 */
export async function testTiles(backend: GpuBackend): Promise<void> {
  const left = Float32Array.from({ length: rows * depth }, (_, at) => at * 5 % 7 - 3);
  const right = Float32Array.from({ length: depth * columns }, (_, at) => at * 3 % 5 - 2);
  const [a, b, y] = [[rows, depth], [depth, columns], [rows, columns]].map(([down, across]): View => {
    return { ...view(backend, down! * across!), shape: [down!, across!], strides: [across!, 1] };
  }) as [View, View, View];
  backend.write(a.storage, 0, left);
  backend.write(b.storage, 0, right);
  const limits = { ...backend.limits, tileOf: () => hardwareTiles.find((tile) => fits(tile, backend.limits)) };
  backend.runPlan(planTiledProduct(matmulProduct({ kind: "matmul", key: "device test" }, [a, b], [y]), limits), [a, b], [y], []);
  const [bytes] = await backend.read([{ storage: y.storage, byteOffset: 0, byteLength: y.storage.bytes }]);
  for (const { storage } of [a, b, y]) backend.free(storage);
  for (const [at, got] of new Float32Array(bytes!).entries()) {
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += left[Math.floor(at / columns) * depth + k]! * right[k * columns + at % columns]!;
    if (got !== sum) throw new DeviceError(`Cannot use ${backend.description}: element ${at} of a product of ${sum} is needed, got ${got}`);
  }
}

function expectations(f16: boolean): { readonly what: string; readonly value: number }[] {
  return [
    { what: `a loop count`, value: tripBudget },
    { what: "a sum over a workgroup's barrier", value: threads * (threads - 1) / 2 },
    { what: "a test for NaN", value: 1 },
    { what: "a test of Infinity for NaN", value: 0 },
    { what: "a maximum with NaN", value: 1 },
    { what: "a negated comparison with NaN", value: 1 },
    ...(f16 ? halves.map((half) => ({ what: `float16 bits of ${half}`, value: halfBits(half) })) : []),
  ];
}

function halfBits(value: number): number {
  return new Uint16Array(Float16Array.of(value).buffer)[0]!;
}

function view(backend: GpuBackend, size: number): View {
  return { storage: backend.alloc(size * 4), dtype: "float32", shape: [size], strides: [1], offset: 0 };
}

/** Loop bounds come from the input, so that no compiler computes the answers in advance. */
function plan(f16: boolean): Plan {
  const f16Lines = halves.map((_, i) => `output[${6 + i}] = pack2x16float(vec2<f32>(f32(f16(input[${4 + i}])), 0f)) & 0xffffu;`);
  const source = `${f16 ? "enable f16;\n" : ""}@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
var<workgroup> shared_values: array<u32, ${threads}>;
${functionSource(["max32"])}
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) local: u32) {
  shared_values[local] = local;
  workgroupBarrier();
  for (var step = ${threads / 2}u; step > 0u; step = step / 2u) {
    if (local < step) { shared_values[local] = shared_values[local] + shared_values[local + step]; }
    workgroupBarrier();
  }
  if (local != 0u) { return; }
  var count = 0u;
  let trips = ${tripBudget}u * u32(input[2]);
  for (var i = 0u; i < trips; i = i + 1u) { count = count + 1u + u32(input[3]); }
  output[0] = count;
  output[1] = shared_values[0];
  output[2] = select(0u, 1u, isNaN32(input[0]));
  output[3] = select(0u, 1u, isNaN32(input[1]));
  output[4] = select(0u, 1u, isNaN32(max32(input[2], input[0])));
  output[5] = select(0u, 1u, !(input[0] < input[2] && !isNaN32(input[0])));
  ${f16 ? f16Lines.join("\n  ") : ""}
}
`;
  return {
    temporaries: [],
    dispatches: [{
      label: "device test",
      source,
      bindings: [{ role: "input", index: 0, access: "read" }, { role: "output", index: 0, access: "read_write" }],
      workgroups: [1, 1, 1],
      scalars: [],
    }],
  };
}
