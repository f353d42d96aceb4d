/**
 * Running sums, products and extrema in WebAssembly: four rows, or four blocks of a row, side by side.
 *
 * Long rows are cut into blocks of one length where that changes nothing or, for float32 sums, nothing but the last bits of float64: what comes
 * before each block is found first. So the result is the same on any number of threads.
 *
 * @module
 */
import { byteSize } from "../../../tensor/dtype.ts";
import type { ScanKernel } from "../../../tensor/kernel.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import type { Accelerator } from "../../accelerator.ts";
import { combiner, neutral } from "../../reference/combine.ts";
import { address } from "../block.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../encoder.ts";
import { emitCountdown } from "../loops.ts";
import type { PlainOp } from "../opcodes.ts";
import { functionsOn, type ScratchHeap, withMemory } from "../scratch.ts";
import { forEachRange, piecesFor } from "../tasks.ts";
import { onContiguous } from "./planes.ts";

/** Elements of a block. */
const blockLength = 16384;

/** What one element takes, roughly. */
const nanoseconds = 1.2;

type ScanType = "float32" | "float64" | "int32" | "uint32";

/** The accelerator of scan kernels on a heap. */
export function createScanAccelerator(heap: ScratchHeap, map: Accelerator<"map">): Accelerator<"scan"> {
  return ({ combine }, [x], [y]) => {
    const { dtype, shape } = x!;
    if (dtype === "float16" || dtype === "bool") return false;
    const size = sizeOf(shape);
    if (size === 0) return true;
    const length = shape.at(-1) ?? 1;
    return onContiguous(heap, map, x!, (pointer) => {
      scanRows({ heap, combine, dtype, x: pointer, y: address(y!), rows: size / length, length });
    });
  };
}

interface Scan {
  readonly heap: ScratchHeap;
  readonly combine: ScanKernel["combine"];
  readonly dtype: ScanType;
  readonly x: number;
  readonly y: number;
  readonly rows: number;
  readonly length: number;
}

function scanRows(scan: Scan): void {
  const { heap, combine, dtype, x, y, rows, length } = scan;
  const block = isBlocked(scan) ? blockLength : length;
  const blocks = Math.ceil(length / block);
  const time = rows * length * nanoseconds;
  const each = (name: "scan" | "totals", carries: number): void =>
    forEachRange(heap, time, rows * blocks, piecesFor(heap, time, rows * blocks), 1, (on, from, to) => {
      const functions = functionsOn(on, `scan ${combine} ${dtype}`, (module) => emitScan(module, combine, dtype));
      functions[name]!(x, y, length, block, rows, from, to, carries);
    });
  if (blocks === 1) return each("scan", 0);
  withMemory(heap, rows * blocks * 8, (carries) => {
    each("totals", carries);
    carryOn(scan, new Float64Array(heap.memory.buffer, carries, rows * blocks), blocks);
    each("scan", carries);
  });
}

/** Products may leave the range of numbers and come back, and float64 has no spare bits: those go through a row in one go. */
function isBlocked({ combine, dtype, length }: Scan): boolean {
  if (length <= blockLength) return false;
  return combine === "max" || combine === "min" || dtype === "int32" || dtype === "uint32" || (dtype === "float32" && combine === "sum");
}

/** From each block's total to what comes before it in its row. The first blocks of all rows stand first. */
function carryOn({ combine, dtype, rows }: Scan, totals: Float64Array, blocks: number): void {
  const join = combiner(combine, dtype);
  for (let row = 0; row < rows; row++) {
    let running = neutral(combine, dtype);
    for (let block = 0; block < blocks; block++) {
      const at = block * rows + row;
      const total = totals[at]!;
      totals[at] = running;
      running = join(running, total);
    }
  }
}

/** How values run: what they are loaded and stored as, and the type in which they are combined. */
interface Running {
  readonly type: "f32" | "f64" | "i32";
  readonly bytes: 4 | 8;
  readonly neutral: number;
  readonly isUnsigned: boolean;
  /** Whether float32 is combined in float64. */
  readonly isWide: boolean;
}

function runningOf(combine: ScanKernel["combine"], dtype: ScanType): Running {
  const isWide = dtype === "float32" && (combine === "sum" || combine === "prod");
  const type = dtype === "float64" || isWide ? "f64" : dtype === "float32" ? "f32" : "i32";
  return { type, bytes: byteSize[dtype] as 4 | 8, neutral: neutral(combine, dtype), isUnsigned: dtype === "uint32", isWide };
}

/** Rows or blocks that run side by side: each waits for its own last addition only. */
const chains = 4;

/** Elements of each that are written out one after the other. */
const unrolled = 4;

/**
 * `scan` (x, y, row length, block length, rows, first block, last block, carries): the running values of blocks, which start from
 * their carry where a row has several. `totals` (the same): what each block comes to, stored as its carry.
 */
export function emitScan(module: ModuleBuilder, combine: ScanKernel["combine"], dtype: ScanType): void {
  for (const name of ["scan", "totals"] as const) {
    const fn = module.function(name, { params: new Array(8).fill("i32") });
    const writer = new ScanWriter(fn, combine, runningOf(combine, dtype), name === "totals");
    const [from, to] = [fn.parameters[5]!, fn.parameters[6]!];
    fn.block((done) => {
      fn.loop((next) => {
        fn.get(from).get(to).op("i32.ge_u").branchIf(done);
        fn.block((single) => {
          fn.get(from).i32(chains).op("i32.add").get(to).op("i32.gt_u").branchIf(single);
          writer.start(chains);
          // Side by side only where all are equally long.
          for (let chain = 1; chain < chains; chain++) fn.get(writer.lengths[chain]!).get(writer.lengths[0]!).op("i32.ne").branchIf(single);
          writer.run(chains);
          fn.increment(from, chains).branch(next);
        });
        writer.start(1);
        writer.run(1);
        fn.increment(from, 1).branch(next);
      });
    });
  }
}

/** Writes the code that runs through some blocks together. */
class ScanWriter {
  /** Elements of each block. */
  readonly lengths: readonly Local[];
  readonly #fn: FunctionBuilder;
  readonly #combine: ScanKernel["combine"];
  readonly #running: Running;
  readonly #onlyTotals: boolean;
  readonly #sums: readonly Local[];
  readonly #sources: readonly Local[];
  readonly #targets: readonly Local[];
  readonly #counter: Local;
  readonly #number: Local;

  constructor(fn: FunctionBuilder, combine: ScanKernel["combine"], running: Running, onlyTotals: boolean) {
    [this.#fn, this.#combine, this.#running, this.#onlyTotals] = [fn, combine, running, onlyTotals];
    const locals = (type: "i32" | Running["type"]) => Array.from({ length: chains }, () => fn.local(type));
    [this.lengths, this.#sums, this.#sources, this.#targets] = [locals("i32"), locals(running.type), locals("i32"), locals("i32")];
    [this.#counter, this.#number] = [fn.local("i32"), fn.local("i32")];
  }

  /** Emits where the blocks from `from` on lie, how long they are, and what they start from. */
  start(count: number): void {
    const fn = this.#fn;
    const [x, y, length, block, rows, from, , carries] = fn.parameters as unknown as [
      Local,
      Local,
      Local,
      Local,
      Local,
      Local,
      Local,
      Local,
    ];
    const { bytes, neutral, type } = this.#running;
    for (let chain = 0; chain < count; chain++) {
      const [source, target, own, sum] = [this.#sources[chain]!, this.#targets[chain]!, this.lengths[chain]!, this.#sums[chain]!];
      fn.get(from).i32(chain).op("i32.add").set(this.#number);
      // Where the block begins in its row, then in everything.
      fn.get(this.#number).get(rows).op("i32.div_u").get(block).op("i32.mul").set(source);
      fn.get(length).get(source).op("i32.sub").tee(own).get(block).get(own).get(block).op("i32.lt_u").op("select").set(own);
      fn.get(this.#number).get(rows).op("i32.rem_u").get(length).op("i32.mul").get(source).op("i32.add").i32(bytes).op("i32.mul").tee(
        source,
      );
      fn.get(y).op("i32.add").set(target).get(source).get(x).op("i32.add").set(source);
      if (type === "i32") fn.i32(neutral);
      else fn[type](neutral);
      fn.set(sum);
      if (this.#onlyTotals) continue;
      fn.get(carries).if(() => {
        this.#cell().load("f64.load");
        if (type === "f32") fn.op("f32.demote_f64");
        if (type === "i32") fn.op(this.#running.isUnsigned ? "i32.trunc_sat_f64_u" : "i32.trunc_sat_f64_s");
        fn.set(sum);
      });
    }
  }

  /** Emits the loops, and for totals storing them. */
  run(count: number): void {
    const fn = this.#fn;
    const { bytes } = this.#running;
    const loop = (elements: number, many: () => void): void => {
      many();
      emitCountdown(fn, this.#counter, elements, () => {
        for (let at = 0; at < elements; at++) for (let chain = 0; chain < count; chain++) this.#step(chain, at * bytes);
        for (let chain = 0; chain < count; chain++) {
          fn.increment(this.#sources[chain]!, elements * bytes);
          if (!this.#onlyTotals) fn.increment(this.#targets[chain]!, elements * bytes);
        }
      });
    };
    loop(unrolled, () => fn.get(this.lengths[0]!).i32(-unrolled).op("i32.and"));
    loop(1, () => fn.get(this.lengths[0]!).i32(unrolled - 1).op("i32.and"));
    if (!this.#onlyTotals) return;
    for (let chain = 0; chain < count; chain++) {
      const { type, isUnsigned } = this.#running;
      fn.get(fn.parameters[5]!).i32(chain).op("i32.add").set(this.#number);
      this.#cell().get(this.#sums[chain]!);
      if (type === "f32") fn.op("f64.promote_f32");
      if (type === "i32") fn.op(isUnsigned ? "f64.convert_i32_u" : "f64.convert_i32_s");
      fn.store("f64.store");
    }
  }

  /** Pushes the address of the carry of the block `#number`. */
  #cell(): FunctionBuilder {
    return this.#fn.get(this.#number).i32(3).op("i32.shl").get(this.#fn.parameters[7]!).op("i32.add");
  }

  #step(chain: number, offset: number): void {
    const fn = this.#fn;
    const { type, isWide, isUnsigned } = this.#running;
    const [sum, source, target] = [this.#sums[chain]!, this.#sources[chain]!, this.#targets[chain]!];
    fn.get(source).load(isWide ? "f32.load" : `${type}.load`, offset);
    if (isWide) fn.op("f64.promote_f32");
    if (type === "i32" && (this.#combine === "max" || this.#combine === "min")) {
      fn.tee(this.#number).get(sum).get(this.#number).get(sum);
      fn.op(`i32.${this.#combine === "max" ? "gt" : "lt"}_${isUnsigned ? "u" : "s"}`).op("select").set(sum);
    } else {
      const ops = { sum: "add", prod: "mul", max: "max", min: "min" } as const;
      fn.get(sum).op(`${type}.${ops[this.#combine]}` as PlainOp).set(sum);
    }
    if (this.#onlyTotals) return;
    fn.get(target).get(sum);
    if (isWide) fn.op("f32.demote_f64").store("f32.store", offset);
    else fn.store(`${type}.store`, offset);
  }
}
