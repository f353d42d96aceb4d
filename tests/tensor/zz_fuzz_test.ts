import { assert, assertEquals } from "@std/assert";
import {
  DataError,
  decodeNpy,
  decodeNpz,
  decodeSafetensors,
  encodeNpy,
  encodeNpz,
  encodeSafetensors,
  memory,
  scope,
  type Tensor,
  tensor,
} from "../../tensor/mod.ts";

/** The same numbers from 0 up to but without `end` in every run. */
class Numbers {
  #state = 987;

  below(end: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor(this.#state / 2 ** 32 * end);
  }
}

/** One change of a file: a bit, a byte, a number, a cut, an insertion, a piece copied or swapped elsewhere. */
function mutated(bytes: Uint8Array, numbers: Numbers): Uint8Array {
  const at = numbers.below(bytes.length);
  const length = 1 + numbers.below(Math.min(16, bytes.length - at));
  const copy = bytes.slice();
  switch (numbers.below(8)) {
    case 0:
      copy[at]! ^= 1 << numbers.below(8);
      return copy;
    case 1:
      copy[at] = numbers.below(256);
      return copy;
    case 2:
      return copy.fill(numbers.below(2) * 255, at, at + length);
    case 3:
      return bytes.slice(0, at);
    case 4:
      return bytes.slice(at);
    case 5:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 6:
      return joined(bytes.subarray(0, at + length), bytes.subarray(at));
    default:
      copy.copyWithin(numbers.below(bytes.length), at, at + length);
      return copy;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

/** Runs a reader on many broken files: what it does not refuse with a DataError has to satisfy `check`. */
async function fuzz(
  source: Uint8Array,
  read: (bytes: Uint8Array) => Record<string, Tensor> | Promise<Record<string, Tensor>>,
  check: (tensors: Record<string, Tensor>, bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const numbers = new Numbers();
  const before = memory().tensors;
  let [refused, accepted] = [0, 0];
  for (let run = 0; run < 300000; run++) {
    let bytes = mutated(source, numbers);
    for (let more = numbers.below(3); more > 0 && bytes.length > 0; more--) bytes = mutated(bytes, numbers);
    let tensors: Record<string, Tensor>;
    try {
      tensors = await read(bytes);
    } catch (error) {
      assert(error instanceof DataError, `run ${run}: ${error}`);
      refused++;
      continue;
    }
    accepted++;
    await check(tensors, bytes);
    for (const made of Object.values(tensors)) made.dispose();
  }
  assert(refused > 300 && accepted > 0, `${refused} refused, ${accepted} accepted`);
  assertEquals(memory().tensors, before);
}

function samples(): Record<string, Tensor> {
  return {
    a: tensor([[0.5, -1, 2], [3, 4, 5]]),
    b: tensor([1, 2, 3], { dtype: "int32" }),
    c: tensor([true, false]),
    d: tensor([], { shape: [2, 0] }),
  };
}

const readers: Readonly<Record<string, { bytes: number; get: (view: DataView, at: number) => number }>> = {
  F32: { bytes: 4, get: (view, at) => view.getFloat32(at, true) },
  F64: { bytes: 8, get: (view, at) => view.getFloat64(at, true) },
  I32: { bytes: 4, get: (view, at) => view.getInt32(at, true) },
  U32: { bytes: 4, get: (view, at) => view.getUint32(at, true) },
  BOOL: { bytes: 1, get: (view, at) => Number(view.getUint8(at) !== 0) },
};

/** The values at an offset, read one by one. */
async function assertValues(got: Tensor, type: string, bytes: Uint8Array, start: number): Promise<void> {
  const reader = readers[type];
  // Of types that a mutation made the number of bytes is checked by the caller.
  if (reader === undefined) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  assertEquals([...await got.data()], Array.from({ length: got.size }, (_, n) => reader.get(view, start + n * reader.bytes)));
}

Deno.test("decodeSafetensors refuses a broken file with a typed error, or reads what stands there", async () => {
  using _ = scope();
  await fuzz(
    await encodeSafetensors(samples(), { metadata: { note: "x" } }),
    (bytes) => decodeSafetensors(bytes).tensors,
    async (tensors, bytes) => {
      const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
      const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
      delete header.__metadata__;
      assertEquals(Object.keys(tensors), Object.keys(header));
      let end = 0;
      for (
        const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries<
          { dtype: string; shape: number[]; data_offsets: number[] }
        >(header)
      ) {
        assertEquals(tensors[name]!.shape, shape);
        end = Math.max(end, to!);
        await assertValues(tensors[name]!, dtype, bytes, 8 + length + from!);
      }
      assertEquals(8 + length + end, bytes.length);
    },
  );
});

Deno.test("decodeNpy refuses a broken file with a typed error, or reads what stands there", async () => {
  using _ = scope();
  await fuzz(await encodeNpy(samples().a!), (bytes) => ({ a: decodeNpy(bytes) }), async ({ a }, bytes) => {
    const [start, length] = bytes[6] === 1 ? [10, 2] : [12, 4];
    const end = start + bytes.subarray(8, 8 + length).reduceRight((sum, byte) => sum * 256 + byte, 0);
    const header = new TextDecoder().decode(bytes.subarray(start, end));
    const type = /descr['"]\s*:\s*['"](.*?)['"]/.exec(header)![1]!;
    const order = /fortran_order['"]\s*:\s*(\w+)/.exec(header)![1]!;
    if (type === "<f4" && order === "False") await assertValues(a!, "F32", bytes, end);
    assertEquals(bytes.length - end, a!.size * Number(type.at(-1)));
  });
});

for (const compress of [false, true]) {
  Deno.test(`decodeNpz refuses a broken ${compress ? "deflated" : "stored"} archive with a typed error, or gives what was written`, async () => {
    using _ = scope();
    const written = samples();
    await fuzz(await encodeNpz(written, { compress }), (bytes) => decodeNpz(bytes), async (tensors, bytes) => {
      // The end record alone, with zeros, is an archive of nothing.
      if (bytes.length === 22) return assertEquals(tensors, {});
      // A checksum guards every value: a change that passes was where no reader looks.
      assertEquals(Object.keys(tensors).sort(), Object.keys(written));
      for (const [name, x] of Object.entries(written)) {
        assertEquals([tensors[name]!.dtype, tensors[name]!.shape], [x.dtype, x.shape]);
        assertEquals(await tensors[name]!.data(), await x.data());
      }
    });
  });
}
