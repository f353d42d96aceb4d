/**
 * NaN, infinities, signed zeros, subnormals, halves, ties and ends, forward and backward, as PyTorch has them (fixtures/make.py).
 *
 * What a result is decides: NaN, which infinity, which zero, else the number. How exact a number is, is measured elsewhere (ACCURACY.md,
 * gradcheck), so that the tolerances here are those of PyTorch's own float32.
 */
import { assert, assertEquals } from "@std/assert";
import { backward } from "../../autograd/backward.ts";
import { read, scope, type Tensor, tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu, type Place, places } from "../devices.ts";
import { type Deviation, deviationsOn, type Mismatch } from "./deviations.ts";
import { calls } from "./special_values.ts";
import fixture from "./fixtures/special_values.json" with { type: "json" };

type Stored = number | string;

interface Expected {
  readonly outputs: readonly (readonly Stored[])[];
  readonly gradients: readonly (readonly Stored[] | null)[];
}

interface Case {
  readonly name: string;
  readonly group: string;
  readonly float32: Expected;
  readonly float64: Expected;
}

/** One input of a group. */
interface Column {
  readonly shape: readonly number[];
  readonly values: readonly Stored[];
}

const cases = fixture.cases as readonly Case[];
const groups = fixture.groups as Readonly<Record<string, readonly Column[]>>;

function numberOf(value: Stored): number {
  return value === "inf" ? Infinity : value === "-inf" ? -Infinity : Number(value);
}

function arrayOf(values: Iterable<number>, dtype: string): Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> {
  return dtype === "float64" ? Float64Array.from(values) : Float32Array.from(values);
}

function listOf(result: Tensor | readonly Tensor[]): readonly Tensor[] {
  return Array.isArray(result) ? result : [result as Tensor];
}

/** Below the normal numbers of float32: what adapters and vector units may flush to 0. */
const leastNormal = 2 ** -126;

/** Whether two results are of one kind and, as numbers, near. The sign of a gradient's 0 does not count. */
function agrees(got: number, wanted: number, part: Mismatch["part"], dtype: string): boolean {
  if (Object.is(got, wanted) || (part === "gradient" && got === wanted)) return true;
  if (!Number.isFinite(got) || !Number.isFinite(wanted)) return false;
  if (got === 0 && wanted === 0) return false;
  if (Math.max(Math.abs(got), Math.abs(wanted)) < 2 * leastNormal) return true;
  return Math.abs(got - wanted) <= (dtype === "float64" ? 1e-7 : 1e-3) * Math.abs(wanted) + (part === "gradient" ? leastNormal : 0);
}

/** A case's results on a device, then the gradients of its inputs, read with one wait. */
async function evaluate({ group, name, float32, float64 }: Case, { device, dtype }: Place): Promise<Mismatch[]> {
  using _ = scope();
  const expected = dtype === "float64" ? float64 : float32;
  const inputs = groups[group]!.map(({ shape, values }) => {
    return tensor(arrayOf(values.map(numberOf), dtype), { shape, dtype, device }).requiresGrad_();
  });
  const outputs = listOf(calls[group]![name]!(inputs[0]!, inputs[1]!));
  const flowing = outputs.filter((output) => output.requiresGrad);
  if (expected.gradients.length > 0) {
    backward(flowing, flowing.map((output) => ({ gradient: cotangent(output) })));
  }
  const wanted = expected.gradients.flatMap((values, slot) => values === null ? [] : [{ values, gradient: inputs[slot]!.grad! }]);
  const results = await read(...outputs, ...wanted.map(({ gradient }) => gradient));
  const parts = [
    ...outputs.map(({ dtype }, at) => ({ part: "output" as const, values: expected.outputs[at]!, dtype })),
    ...wanted.map(({ values }) => ({ part: "gradient" as const, values, dtype })),
  ];
  return parts.flatMap(({ part, values, dtype: type }, at) => {
    const got = results[at]!;
    assertEquals(got.length, values.length, `${name} of ${group}: ${part}`);
    const numbers = type === "float32" ? Float32Array.from(values, numberOf) : Float64Array.from(values, numberOf);
    return Array.from(numbers).flatMap((number, position): Mismatch[] => {
      if (agrees(got[position]!, number, part, type)) return [];
      return [{
        place: { device, dtype },
        name,
        part,
        inputs: inputsAt(group, position, values.length),
        got: got[position]!,
        wanted: number,
      }];
    });
  });
}

/** 1, 2, 3, 1, 2, 3, …: what flows into each output. */
function cotangent({ size, shape, dtype, device }: Tensor): Tensor {
  return tensor(arrayOf(Array.from({ length: size }, (_, at) => 1 + at % 3), dtype), { shape, dtype, device });
}

/** What went into an element: the same element of each input, its row, or everything. */
function inputsAt(group: string, position: number, size: number): number[] {
  const numbers = groups[group]!.map(({ values }) => values.map(numberOf));
  const { shape } = groups[group]![0]!;
  if (shape.length === 1) return numbers.map((column) => column[position]!);
  if (numbers.length > 1 || shape.length > 2 || (size === 1 && shape[0] !== 1)) return numbers.flat();
  const [rows, length] = shape as [number, number];
  const row = size === rows ? position : Math.floor(position / (size / rows));
  return numbers[0]!.slice(row * length, (row + 1) * length);
}

function textOf({ name, part, inputs, got, wanted }: Mismatch): string {
  const text = (x: number): string => Object.is(x, -0) ? "-0" : String(x);
  return `${part} of ${name}(${inputs.map(text).join(", ")}) is ${text(got)}, PyTorch's ${text(wanted)}`;
}

Deno.test("special values: each case of the fixture has a call, and each call a case", () => {
  const names = (group: string): string[] => cases.filter((one) => one.group === group).map(({ name }) => name).sort();
  for (const group of Object.keys(calls).filter((name) => name !== "none")) assertEquals(Object.keys(calls[group]!).sort(), names(group));
});

/** Deviations that occurred on any device without an adapter. */
const occurred = new Set<Deviation>();

for (const place of places) {
  const { device, dtype } = place;
  Deno.test({
    name: `special values are PyTorch's on ${device} in ${dtype}, but for the deviations listed`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      const listed = deviationsOn(device);
      const faults: string[] = [];
      const met = new Set<Deviation>();
      for (const one of cases) {
        for (const mismatch of await evaluate(one, place)) {
          const deviation = listed.find(({ names, part, where }) =>
            names.includes(mismatch.name) && part === mismatch.part && where(mismatch)
          );
          if (deviation === undefined) faults.push(textOf(mismatch));
          else met.add(deviation);
        }
      }
      for (const deviation of met) occurred.add(deviation);
      const absent = listed.filter((deviation) => deviation.adapter === true && !met.has(deviation));
      for (const { names, reason } of absent) console.log(`not met on this adapter: ${names.join(", ")}: ${reason}`);
      assert(faults.length === 0, `${faults.length} results differ:\n  ${faults.slice(0, 60).join("\n  ")}`);
    },
  });
}

for (const { device, dtype } of places) {
  Deno.test({
    name: `to() on ${device} from ${dtype} truncates and clamps to whole numbers and takes NaN for 0, which PyTorch leaves undefined`,
    ignore: device === "webgpu" && ignoreWebgpu,
    async fn() {
      using _ = scope();
      const values = [NaN, Infinity, -Infinity, -0, 0.9, -0.9, 2.5, -2.5, 2147483648, -2147483904, 4294967296, 3e38, -3e38, 3000000000];
      const x = tensor(arrayOf(values, dtype), { shape: [values.length], dtype, device });
      const [int, uint, bool, back] = [
        x.to("int32"),
        x.to("uint32"),
        x.to("bool"),
        tensor([-1, 0, 7], { dtype: "int32", device }).to(dtype),
      ];
      const [top, bottom, highest] = [2147483647, -2147483648, 4294967295];
      assertEquals([...await int.data()], [0, top, bottom, 0, 0, 0, 2, -2, top, bottom, top, top, bottom, top]);
      assertEquals([...await uint.data()], [0, highest, 0, 0, 0, 0, 2, 0, 2147483648, 0, highest, highest, 0, 3000000000]);
      assertEquals([...await bool.data()], values.map((value) => value === 0 ? 0 : 1));
      assertEquals([...await back.data()], [-1, 0, 7]);
    },
  });
}

Deno.test("special values: every deviation listed for all devices occurs", () => {
  const absent = deviationsOn("cpu").filter((deviation) => !occurred.has(deviation));
  assertEquals(absent.map(({ names, part }) => `${part} of ${names.join(", ")}`), []);
});
