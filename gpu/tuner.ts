/**
 * Tuning: which tile an adapter computes a class of products with fastest, found by trying.
 *
 * The trials run on a device of their own, so that a tile which an adapter cannot compile or computes wrongly harms nothing: its device is
 * given up, and the tile is not chosen. What a tile computes is compared with the result of the default before it is timed.
 *
 * @module
 */
import { ArgumentError } from "../tensor/errors.ts";
import type { Kernel, KernelChoices, View } from "../tensor/kernel.ts";
import type { GpuBackend } from "./backend.ts";
import { planKernel, productOf, viewExtent } from "./plans.ts";
import { candidateTiles, isTile, productClass, type ProductSize } from "./wgsl/product/choice.ts";
import { tunableSize } from "./wgsl/product/product.ts";
import type { Limits, Plan, Tile } from "./wgsl/program.ts";
import { foldGrid, mainParameters, u32 } from "./wgsl/shader.ts";

/** A view without its memory. */
type Layout = Omit<View, "storage">;

/** A kernel that could be computed with several tiles, and how often it ran. */
interface Noted {
  readonly kernel: Kernel;
  readonly inputs: readonly Layout[];
  readonly outputs: readonly Layout[];
  readonly size: ProductSize;
  calls: number;
}

/** Elements that are compared at either end of a result. */
const comparedElements = 2 ** 14;
/** How far a tile's result may be from the default's, relative to the largest element: sums in another order. */
const tolerance = 1e-3;
/** Timed runs of a tile, of which the fastest counts; a tile slower than this many times the best is run once. */
const timedRuns = 4;
const hopeless = 3;
/** A tile must be faster than the default by this much to take its place, so that noise chooses nothing. */
const margin = 0.97;

/** The tiles chosen for an adapter's products. */
export class TileChoices {
  readonly #adapter: string;
  readonly #tiles = new Map<string, Tile>();
  #noted: Map<string, Noted> | undefined;

  /** Starts without choices; `adapter` names the adapter in what is saved. */
  constructor(adapter: string) {
    this.#adapter = adapter;
  }

  /** The tile chosen for a class of products. */
  tileOf(productClass: string): Tile | undefined {
    return this.#tiles.get(productClass);
  }

  /** Whether kernels are being noted. */
  get noting(): boolean {
    return this.#noted !== undefined;
  }

  /** Notes kernels from now on. */
  start(): void {
    if (this.#noted !== undefined) throw new ArgumentError("Cannot tune webgpu: one tuning at a time is needed, got a second one");
    this.#noted = new Map();
  }

  /** Notes a kernel that runs, if tiles are to be chosen for it. */
  note(kernel: Kernel, inputs: readonly View[], outputs: readonly View[], limits: Limits): void {
    if (kernel.kind !== "matmul" && kernel.kind !== "conv") return;
    const size = tunableSize(productOf(kernel, inputs, outputs), limits);
    if (size === undefined) return;
    const name = productClass(size);
    const known = this.#noted?.get(name);
    if (known !== undefined) known.calls++;
    else this.#noted?.set(name, { kernel, inputs: inputs.map(layoutOf), outputs: outputs.map(layoutOf), size, calls: 1 });
  }

  /** Ends the noting and tries tiles for what was noted, most work first, for so many milliseconds. */
  async choose(openTwin: () => Promise<GpuBackend>, milliseconds: number): Promise<void> {
    const noted = [...this.#noted ?? []].filter(([name]) => !this.#tiles.has(name));
    this.#noted = undefined;
    const end = performance.now() + milliseconds;
    const trials = new Trials(openTwin);
    try {
      for (const [name, one] of noted.toSorted(([, a], [, b]) => workOf(b) - workOf(a))) {
        if (performance.now() >= end) break;
        const tile = await trials.fastest(one);
        if (tile !== undefined) this.#tiles.set(name, tile);
      }
    } finally {
      trials.end();
    }
  }

  /** The choices as plain data. */
  save(): KernelChoices {
    return { adapter: this.#adapter, choices: Object.fromEntries(this.#tiles) };
  }

  /**
   * Takes saved choices; false, and none taken, when they were made for another adapter.
   *
   * @throws ArgumentError when they are malformed.
   */
  load(saved: KernelChoices): boolean {
    const valid = typeof saved === "object" && saved !== null && typeof saved.adapter === "string" && typeof saved.choices === "object" &&
      saved.choices !== null;
    if (!valid) throw new ArgumentError("Cannot use a tuning: the object that tune gave is needed, got another one");
    const entries = Object.entries(saved.choices);
    for (const [name, tile] of entries) {
      if (!isTile(tile)) throw new ArgumentError(`Cannot use a tuning: a tile is needed for ${name}, got ${JSON.stringify(tile)}`);
    }
    if (saved.adapter !== this.#adapter) return false;
    for (const [name, tile] of entries) this.#tiles.set(name, tile as Tile);
    return true;
  }
}

/** Tries tiles on a device of its own, opened when needed. */
class Trials {
  readonly #open: () => Promise<GpuBackend>;
  #device: GpuBackend | undefined;

  constructor(open: () => Promise<GpuBackend>) {
    this.#open = open;
  }

  /** The tile that computes a noted kernel fastest; undefined where not even the default could be tried. */
  async fastest(noted: Noted): Promise<Tile | undefined> {
    let expected: number[] | undefined;
    let best: { readonly tile: Tile; readonly time: number } | undefined;
    const { limits } = this.#device ??= await this.#open();
    for (const tile of candidateTiles(noted.size, { ...limits, tileOf: undefined })) {
      try {
        const { values, time } = await this.#try(noted, tile, best?.time ?? Infinity);
        expected ??= values;
        if (best === undefined) best = { tile, time: time * margin };
        else if (time < best.time && agree(values, expected)) best = { tile, time };
      } catch {
        // Whatever went wrong, this device may not be trusted any more.
        this.end();
        if (best === undefined) return undefined;
      }
    }
    return best?.tile;
  }

  /** Gives the device up. */
  end(): void {
    this.#device?.destroy();
    this.#device = undefined;
  }

  async #try({ kernel, inputs, outputs }: Noted, tile: Tile, bestTime: number): Promise<{ values: number[]; time: number }> {
    const device = this.#device ??= await this.#open();
    const place = (layout: Layout): View => ({ ...layout, storage: device.alloc(Math.ceil(viewExtent(layout).end / 4) * 4) });
    const [from, to] = [inputs.map(place), outputs.map(place)];
    try {
      [...from, ...to].forEach((view, at) => fill(device, view, at));
      const plan = planKernel(kernel, from, to, { ...device.limits, tileOf: () => tile });
      const run = () => device.runPlan(plan, from, to, scalarsFor(plan));
      run();
      const values = await ends(device, to[0]!);
      return { values, time: await timeOf(device, to[0]!, run, bestTime) };
    } finally {
      for (const { storage } of [...from, ...to]) device.free(storage);
    }
  }
}

/** Milliseconds of the fastest run, by the device's clock where it has one, else by ours over runs that end with a read. */
async function timeOf(device: GpuBackend, output: View, run: () => void, bestTime: number): Promise<number> {
  if (!device.hasClock) return await wallTime(device, output, run);
  let least = Infinity;
  for (let at = 0; at < timedRuns; at++) {
    const stop = device.startProfile();
    run();
    const runs = await stop();
    least = Math.min(least, runs.reduce((sum, { duration }) => sum + duration, 0));
    if (least > hopeless * bestTime) break;
  }
  return least;
}

/** A read waits for 10 ms and more, so as many runs as take several times that share one. */
async function wallTime(device: GpuBackend, output: View, run: () => void, least = 60): Promise<number> {
  for (let count = 1;; count *= 2) {
    const start = performance.now();
    for (let at = 0; at < count; at++) run();
    await device.read([{ storage: output.storage, byteOffset: 0, byteLength: 4 }]);
    const time = performance.now() - start;
    if (time >= least) return time / count;
  }
}

/** Products of a noted kernel over all its calls. */
function workOf({ size: { batch, rows, columns, depth }, calls }: Noted): number {
  return batch * rows * columns * depth * calls;
}

/** The view alone. */
function layoutOf({ dtype, shape, strides, offset }: View): Layout {
  return { dtype, shape, strides, offset };
}

/** The first and the last elements of an output, where the edges of tiles are. */
async function ends(device: GpuBackend, { storage, dtype }: View): Promise<number[]> {
  const bytes = Math.min(storage.bytes, comparedElements * 4);
  const parts = await device.read([
    { storage, byteOffset: 0, byteLength: bytes },
    { storage, byteOffset: storage.bytes - bytes, byteLength: bytes },
  ]);
  return parts.flatMap((part) => {
    switch (dtype) {
      case "float32":
        return [...new Float32Array(part)];
      case "float16":
        return [...new Float16Array(part)];
      default:
        return [...new Int32Array(part)];
    }
  });
}

function agree(values: readonly number[], expected: readonly number[]): boolean {
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return values.every((value, at) => Object.is(value, expected[at]) || Math.abs(value - expected[at]!) <= tolerance * scale);
}

/** Any numbers do for the scalars of an epilogue. */
function scalarsFor({ dispatches }: Plan): number[] {
  const most = Math.max(-1, ...dispatches.flatMap(({ scalars }) => scalars.map(({ slot }) => slot)));
  return new Array(most + 1).fill(1);
}

/** Fills a view's memory with numbers in [-1, 1), or small whole ones, made on the device from a hash of their position. */
function fill(device: GpuBackend, { storage, dtype }: View, seed: number): void {
  const words = storage.bytes / 4;
  if (words === 0) return;
  const { workgroups, number } = foldGrid(Math.ceil(words / 256), device.limits);
  const value = dtype === "float32"
    ? "bitcast<u32>(f32(bits >> 8u) / 8388608f - 1f)"
    : dtype === "float16"
    ? "pack2x16float(vec2<f32>(f32(bits >> 16u), f32(bits & 0xffffu)) / 32768f - 1f)"
    : "bits % 2u";
  const source = `@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@compute @workgroup_size(256)
fn main(${mainParameters}) {
  let at = ${number} * 256u + local;
  if (at >= ${u32(words)}) { return; }
  var bits = (at + ${u32(seed * 0x9e3779b1)}) * 0x7feb352du;
  bits = (bits ^ (bits >> 15u)) * 0x846ca68bu;
  bits = bits ^ (bits >> 16u);
  words[at] = ${value};
}
`;
  const view: View = { storage, dtype: "uint32", shape: [words], strides: [1], offset: 0 };
  device.runPlan(
    {
      temporaries: [],
      dispatches: [{ label: "fill", source, bindings: [{ role: "output", index: 0, access: "read_write" }], workgroups, scalars: [] }],
    },
    [],
    [view],
    [],
  );
}
