/**
 * The WebAssembly inside every matrix product: packing of operands into panels, register tiles, and the loop over tiles.
 *
 * A panel holds `width` rows (of A) or columns (of B) interleaved along k: element (r, k) lies at `k · width + r`, so that a tile reads
 * both operands in the order of memory. Strides and lengths of the functions here count bytes unless they say elements.
 *
 * @module
 */
import { emitCountdown, emitMultiplyAdd } from "./loops.ts";
import type { FunctionBuilder, Label, Local, ModuleBuilder } from "./encoder.ts";

/** Rows of a full tile. With 8 columns: 12 accumulators, 2 vectors of B and 1 of A take the 15 registers that V8 gives away on x86-64. */
export const tileRows = 6;

/** Columns of a full tile. */
export const tileColumns = 8;

/** Which tiles the blocks of a product need: writing all of them would be most of what a first product takes. */
export interface BlockTiles {
  /** The rows of A's panels: of full ones, of the narrow last one. */
  readonly heights: readonly number[];
  /** Whether B has full panels. */
  readonly full: boolean;
  /** The columns of the tiles at B's last panel, where it is not full: 8 or 4, 0 where there is none. */
  readonly rest: 0 | 4 | 8;
}

/** Adds `block`, for blocks that need some tiles. */
export function emitBlocks(module: ModuleBuilder, needed: BlockTiles): void {
  const widths = [...new Set([...needed.full ? [tileColumns] : [], ...needed.rest === 0 ? [] : [needed.rest]])];
  const tiles = emitTiles(module, "tile", emitPackedTile, needed.heights, widths);
  emitBlock(module, tiles, needed);
}

/** Adds `copy` and `clear` (pointer, bytes). */
export function emitCopies(module: ModuleBuilder): void {
  emitCopy(module);
  const clear = module.function("clear", { params: ["i32", "i32"] });
  clear.get(clear.parameters[0]!).i32(0).get(clear.parameters[1]!).fill();
}

/** The register tiles of 1 row and more and 4 or 8 columns, by `rows · 16 + columns`. */
export type Tiles = ReadonlyMap<number, FunctionBuilder>;

/** The whole numbers from 1 on. */
export function upTo(most: number): number[] {
  return Array.from({ length: most }, (_, at) => at + 1);
}

/** Emits a tile function for every size. */
export function emitTiles(
  module: ModuleBuilder,
  name: string,
  emit: (module: ModuleBuilder, name: string, rows: number, columns: number) => FunctionBuilder,
  heights: readonly number[] = upTo(tileRows),
  widths: readonly number[] = [4, 8],
): Tiles {
  const tiles = new Map<number, FunctionBuilder>();
  for (const rows of heights) {
    for (const columns of widths) tiles.set(rows * 16 + columns, emit(module, `${name}${rows}x${columns}`, rows, columns));
  }
  return tiles;
}

/**
 * (a panel, b panel, k, c, row stride of c, accumulate): c = A·B or c += A·B for one tile.
 *
 * On a processor of 59 GFLOP/s (a loop of nothing but fused multiply-adds) a full tile in the first-level cache reaches 55.3 with 4 steps of k
 * in a turn of its loop, and no more than 56.1 with 8 or 16. Tiles of 4 × 12 reach as much; 5 × 8 with A's lanes spread by shuffles 51.3, 6 × 8
 * with A's elements loaded spread 48.2.
 */
function emitPackedTile(module: ModuleBuilder, name: string, rows: number, columns: number): FunctionBuilder {
  const fn = module.function(name, { params: ["i32", "i32", "i32", "i32", "i32", "i32"] });
  const [a, b, k, c, stride, accumulate] = fn.parameters as [Local, Local, Local, Local, Local, Local];
  const counter = fn.local("i32");
  const tile = new RegisterTile(fn, rows, columns);
  function steps(count: number): void {
    for (let step = 0; step < count; step++) {
      tile.loadColumns(b, step * columns * 4);
      tile.multiplyPacked(a, step);
    }
    fn.increment(a, count * rows * 4).increment(b, count * columns * 4);
  }
  fn.get(k).i32(-4).op("i32.and");
  emitCountdown(fn, counter, 4, () => steps(4));
  fn.get(k).i32(3).op("i32.and");
  emitCountdown(fn, counter, 1, () => steps(1));
  tile.untangle();
  tile.store(c, stride, accumulate);
  return fn;
}

/** The accumulators of one tile in registers, and how they are fed and stored. */
export class RegisterTile {
  readonly #fn: FunctionBuilder;
  readonly #rows: number;
  readonly #sums: Local[][];
  readonly #columns: Local[];
  readonly #element: Local;

  /** Takes fresh (zero) locals of a function. */
  constructor(fn: FunctionBuilder, rows: number, columns: number) {
    this.#fn = fn;
    this.#rows = rows;
    this.#sums = Array.from({ length: rows }, () => Array.from({ length: columns / 4 }, () => fn.local("v128")));
    this.#columns = Array.from({ length: columns / 4 }, () => fn.local("v128"));
    this.#element = fn.local("v128");
  }

  /** Emits loading one row of B, from one address and a constant offset or each vector from an address of its own. */
  loadColumns(addresses: Local | readonly Local[], offset = 0): void {
    this.#columns.forEach((column, part) => {
      const [address, at] = "index" in addresses ? [addresses, offset + part * 16] : [addresses[part]!, 0];
      this.#fn.get(address).load("v128.load", at).set(column);
    });
  }

  /** Emits one step of k; `pushElement` pushes A's element of a row in all four lanes. */
  multiply(pushElement: (row: number) => void): void {
    for (let row = 0; row < this.#rows; row++) {
      pushElement(row);
      this.#fn.set(this.#element);
      this.#addProducts(this.#sums[row]!);
    }
  }

  /**
   * Emits one step of k with A from a panel, `step` steps behind the address. Two rows at a time: what is loaded is [a0, a1, a0, a1], and
   * two accumulators hold the products with B as it is and with the pair swapped, until {@link untangle} sorts them into rows. That takes one
   * shuffle for two rows, where spreading lanes takes one for each and shares a port with multiply-adds, and one check of bounds, where
   * loading each element spread takes two: engines without guard pages check every load.
   */
  multiplyPacked(a: Local, step: number): void {
    const fn = this.#fn;
    const from = step * this.#rows;
    this.#pairs((even, odd, row) => {
      fn.get(a).load("v128.load64_splat", (from + row) * 4).set(this.#element);
      this.#addProducts(even);
      fn.get(this.#element).get(this.#element).shuffle32([1, 0, 3, 2]).set(this.#element);
      this.#addProducts(odd);
    });
    if (this.#rows % 2 === 0) return;
    fn.get(a).load("v128.load32_splat", (from + this.#rows - 1) * 4).set(this.#element);
    this.#addProducts(this.#sums[this.#rows - 1]!);
  }

  /** Emits what makes rows of the accumulators after all steps of {@link multiplyPacked}. */
  untangle(): void {
    const fn = this.#fn;
    this.#pairs((even, odd) =>
      even.forEach((sum, part) => {
        fn.get(sum).get(odd[part]!).shuffle32([0, 5, 2, 7]).set(this.#element);
        fn.get(odd[part]!).get(sum).shuffle32([0, 5, 2, 7]).set(odd[part]!).get(this.#element).set(sum);
      })
    );
  }

  #pairs(visit: (even: readonly Local[], odd: readonly Local[], row: number) => void): void {
    for (let row = 0; row + 1 < this.#rows; row += 2) visit(this.#sums[row]!, this.#sums[row + 1]!, row);
  }

  #addProducts(sums: readonly Local[]): void {
    this.#columns.forEach((column, part) => emitMultiplyAdd(this.#fn, this.#element, column, sums[part]!));
  }

  /** Emits storing at c, or each vector at an address of its own, after adding what is there when `accumulate` is not 0. */
  store(c: Local | readonly Local[], stride: Local, accumulate: Local): void {
    const fn = this.#fn;
    const starts = "index" in c ? [c] : c;
    const places = starts.map(() => fn.local("i32"));
    const walk = (visit: (sum: Local, place: Local, offset: number) => void): void => {
      starts.forEach((start, at) => fn.get(start).set(places[at]!));
      this.#sums.forEach((parts, row) => {
        parts.forEach((sum, part) => starts.length === 1 ? visit(sum, places[0]!, part * 16) : visit(sum, places[part]!, 0));
        if (row === this.#rows - 1) return;
        for (const place of places) fn.get(place).get(stride).op("i32.add").set(place);
      });
    };
    fn.get(accumulate).if(() => walk((sum, place, offset) => fn.get(place).load("v128.load", offset).get(sum).op("f32x4.add").set(sum)));
    walk((sum, place, offset) => fn.get(place).get(sum).store("v128.store", offset));
  }
}

/** (tile, c, row stride of c, rows, columns, accumulate): brings the valid part of an 8-wide scratch tile to c. */
export function emitSpill(module: ModuleBuilder): FunctionBuilder {
  const fn = module.function("spill", { params: ["i32", "i32", "i32", "i32", "i32", "i32"] });
  const [tile, c, stride, rows, columns, accumulate] = fn.parameters as [Local, Local, Local, Local, Local, Local];
  const counter = fn.local("i32");
  const row = fn.local("i32");
  const from = fn.local("i32");
  const to = fn.local("i32");
  const value = fn.local("f32");
  fn.get(rows);
  emitCountdown(fn, row, 1, () => {
    fn.get(tile).set(from).get(c).set(to).get(columns);
    emitCountdown(fn, counter, 1, () => {
      fn.get(from).load("f32.load").set(value);
      fn.get(accumulate).if(() => fn.get(to).load("f32.load").get(value).op("f32.add").set(value));
      fn.get(to).get(value).store("f32.store").increment(from, 4).increment(to, 4);
    });
    fn.increment(tile, tileColumns * 4).get(c).get(stride).op("i32.add").set(c);
  });
  return fn;
}

/** Rows of packed A that are multiplied with all of B before the next ones, so that they stay in the second-level cache. */
const blockRows = 24 * tileRows;

/**
 * (a panels, b panels, rows, columns, k, c, row stride of c, accumulate, scratch tile): the product of two packed operands.
 * The last panel of A is as narrow as its rows, the last of B 4 wide when 4 columns or fewer are left.
 */
function emitBlock(module: ModuleBuilder, tiles: Tiles, { heights, full, rest }: BlockTiles): void {
  const spill = rest === 0 ? undefined : emitSpill(module);
  const fn = module.function("block", { params: ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] });
  const [a, b, rows, columns, k, c, stride, accumulate, scratch] = fn.parameters as Local[] as Locals;
  const [height, strips, left, corner, panel, target] = Array.from({ length: 6 }, () => fn.local("i32")) as Locals6;
  const call = (tileRow: number, width: number): void => {
    fn.get(panel).get(strips).get(k).get(target).get(stride).get(accumulate).call(tiles.get(tileRow * 16 + width)!);
  };
  const callLoose = (tileRow: number, width: number): void => {
    fn.get(panel).get(strips).get(k).get(scratch).i32(tileColumns * 4).i32(0).call(tiles.get(tileRow * 16 + width)!);
    fn.get(scratch).get(target).get(stride).i32(tileRow).get(left).get(accumulate).call(spill!);
  };
  const strip = emitStrips(fn, { a, c: corner, rows: height, k, stride, panel, target }, heights);
  fn.loop((nextRows) => {
    fn.get(rows).i32(blockRows).get(rows).i32(blockRows).op("i32.lt_s").op("select").set(height);
    fn.get(b).set(strips).get(columns).set(left).get(c).set(corner);
    if (full) {
      fn.block((done) => {
        fn.loop((next) => {
          fn.get(left).i32(tileColumns).op("i32.lt_s").branchIf(done);
          strip(tileColumns, call);
          fn.get(k).i32(tileColumns * 4).op("i32.mul").get(strips).op("i32.add").set(strips);
          fn.increment(corner, tileColumns * 4).increment(left, -tileColumns).branch(next);
        });
      });
    }
    if (rest !== 0) {
      fn.get(left).if(() => {
        if (rest === 8) strip(8, callLoose);
        else fn.get(left).i32(4).op("i32.eq").if(() => strip(4, call), () => strip(4, callLoose));
      });
    }
    fn.get(k).i32(4).op("i32.mul").get(height).op("i32.mul").get(a).op("i32.add").set(a);
    fn.get(stride).get(height).op("i32.mul").get(c).op("i32.add").set(c);
    fn.get(rows).get(height).op("i32.sub").tee(rows).branchIf(nextRows);
  });
}

type Locals6 = [Local, Local, Local, Local, Local, Local];

/** Parameters of a function with many of them; destructuring more than there are gives an error at once when the code is encoded. */
type Locals = [Local, Local, Local, Local, Local, Local, Local, Local, Local];

/** The locals of a loop over the panels of A: where they start, and where the loop keeps its place. */
interface StripLocals {
  readonly a: Local;
  readonly c: Local;
  readonly rows: Local;
  readonly k: Local;
  readonly stride: Local;
  readonly panel: Local;
  readonly target: Local;
}

/** Gives an emitter of the loop over A's panels, full ones and the narrow last, of the given heights, at one strip of columns. */
export function emitStrips(
  fn: FunctionBuilder,
  { a, c, rows, k, stride, panel, target }: StripLocals,
  heights: readonly number[] = upTo(tileRows),
): (width: number, tile: (tileRow: number, width: number) => void) => void {
  const rowsLeft = fn.local("i32");
  return (width, tile) => {
    fn.get(a).set(panel).get(c).set(target).get(rows).set(rowsLeft);
    if (heights.includes(tileRows)) {
      fn.block((done) => {
        fn.loop((next) => {
          fn.get(rowsLeft).i32(tileRows).op("i32.lt_s").branchIf(done);
          tile(tileRows, width);
          fn.get(k).i32(tileRows * 4).op("i32.mul").get(panel).op("i32.add").set(panel);
          fn.get(stride).i32(tileRows).op("i32.mul").get(target).op("i32.add").set(target);
          fn.increment(rowsLeft, -tileRows).branch(next);
        });
      });
    }
    emitChoice(fn, rowsLeft, heights.filter((height) => height < tileRows), (tileRow) => tile(tileRow, width));
  };
}

/** Emits a chain that runs `body(value)` for the value that the local holds, nothing where that is none of the given ones. */
export function emitChoice(fn: FunctionBuilder, local: Local, values: readonly number[], body: (value: number) => void): void {
  fn.block((done: Label) => {
    for (const value of values) {
      fn.get(local).i32(value).op("i32.eq").if(() => {
        body(value);
        fn.branch(done);
      });
    }
  });
}

/** How the source of a panel lies: contiguous along the panel's width, along k, or neither way. The first two go by vectors. */
export type PackLayout = "across" | "along" | "strided";

/** Panels that are filled together from sources contiguous across them: each touches whole lines of the cache, though it reads few bytes. */
const panelsTogether = 4;

/** `pack` (source, target, panels, k, stride along k, stride along the panel's width): full panels of a width from one layout. */
export function emitPacker(module: ModuleBuilder, width: number, layout: PackLayout): void {
  const fn = module.function("pack", { params: ["i32", "i32", "i32", "i32", "i32", "i32"] });
  const [source, target, panels, k, along, across] = fn.parameters as [Local, Local, Local, Local, Local, Local];
  const eachPanels = (count: number, body: () => void): void => {
    fn.block((done) => {
      fn.loop((next) => {
        fn.get(panels).i32(count).op("i32.lt_s").branchIf(done);
        body();
        fn.get(across).i32(width * count).op("i32.mul").get(source).op("i32.add").set(source);
        fn.increment(panels, -count).branch(next);
      });
    });
  };
  if (layout === "across") {
    for (const count of [panelsTogether, 1]) eachPanels(count, () => emitCopyAcross(fn, { source, target, k, along }, width, count));
    return;
  }
  const counter = fn.local("i32");
  const lines = Array.from({ length: width }, () => fn.local("i32"));
  eachPanels(1, () => {
    fn.get(source).set(lines[0]!);
    for (let row = 1; row < width; row++) fn.get(lines[row - 1]!).get(across).op("i32.add").set(lines[row]!);
    fn.get(k);
    if (layout === "along") {
      fn.i32(-4).op("i32.and");
      emitCountdown(fn, counter, 4, () => {
        for (let row = 0; row < width; row += 4) emitTranspose(fn, lines.slice(row, row + 4), target, width, row);
        lines.forEach((line) => fn.increment(line, 16));
        fn.increment(target, width * 16);
      });
      fn.get(k).i32(3).op("i32.and");
    }
    emitCountdown(fn, counter, 1, () => {
      lines.forEach((line, row) => {
        fn.get(target).get(line).load("f32.load").store("f32.store", row * 4).get(line).get(along).op("i32.add").set(line);
      });
      fn.increment(target, width * 4);
    });
  });
}

/** The locals of a packer: where it reads, where it writes, how many steps of k there are and the bytes between them. */
interface PackerLocals {
  readonly source: Local;
  readonly target: Local;
  readonly k: Local;
  readonly along: Local;
}

/** Emits filling some panels from a source that is contiguous across them; the target moves behind them. */
function emitCopyAcross(fn: FunctionBuilder, { source, target, k, along }: PackerLocals, width: number, panels: number): void {
  const [from, counter] = [fn.local("i32"), fn.local("i32")];
  const targets = Array.from({ length: panels }, (_, panel) => panel === panels - 1 ? target : fn.local("i32"));
  if (panels > 1) {
    const bytes = fn.local("i32");
    fn.get(k).i32(width * 4).op("i32.mul").set(bytes);
    fn.get(target).set(targets[0]!);
    for (let panel = 1; panel < panels; panel++) fn.get(targets[panel - 1]!).get(bytes).op("i32.add").set(targets[panel]!);
    fn.release(bytes);
  }
  fn.get(source).set(from).get(k);
  emitCountdown(fn, counter, 1, () => {
    targets.forEach((to, panel) => {
      for (let part = 0; part < width; part += 4) {
        const at = (panel * width + part) * 4;
        if (width - part >= 4) fn.get(to).get(from).load("v128.load", at).store("v128.store", part * 4);
        else fn.get(to).get(from).load("f64.load", at).store("f64.store", part * 4);
      }
      fn.increment(to, width * 4);
    });
    fn.get(from).get(along).op("i32.add").set(from);
  });
  for (const local of [from, counter, ...targets.slice(0, -1)]) fn.release(local);
}

/** Emits 4 elements of each of 2 or 4 lines, transposed, into 4 rows of a panel from column `first` on. */
function emitTranspose(fn: FunctionBuilder, lines: readonly Local[], target: Local, width: number, first: number): void {
  const vectors = lines.map((line) => {
    const vector = fn.local("v128");
    fn.get(line).load("v128.load").set(vector);
    return vector;
  });
  // Two lines' elements by turns: of the first two steps, then of the last two.
  const pairs: Local[] = [];
  for (let upper = 0; upper < vectors.length; upper += 2) {
    for (const lanes of [[0, 4, 1, 5], [2, 6, 3, 7]]) {
      const mixed = fn.local("v128");
      fn.get(vectors[upper]!).get(vectors[upper + 1]!).shuffle32(lanes).set(mixed);
      pairs.push(mixed);
    }
  }
  for (let step = 0; step < 4; step++) {
    const pair = pairs[step >> 1]!;
    const offset = (step * width + first) * 4;
    if (pairs.length === 2) {
      fn.get(target).get(pair).laneMemory("v128.store64_lane", step & 1, offset);
    } else {
      fn.get(target).get(pair).get(pairs[(step >> 1) + 2]!).shuffle32((step & 1) === 0 ? [0, 1, 4, 5] : [2, 3, 6, 7]);
      fn.store("v128.store", offset);
    }
  }
  for (const local of [...vectors, ...pairs]) fn.release(local);
}

/** `packLoose` (source, target, k, valid, width, stride along k, stride along the width): one narrow panel, zeros beyond `valid`. */
export function emitLoosePacker(module: ModuleBuilder): void {
  const fn = module.function("packLoose", { params: ["i32", "i32", "i32", "i32", "i32", "i32", "i32"] });
  const [source, target, k, valid, width, along, across] = fn.parameters as [Local, Local, Local, Local, Local, Local, Local];
  const from = fn.local("i32");
  const to = fn.local("i32");
  const counter = fn.local("i32");
  const lane = fn.local("i32");
  fn.get(valid).get(width).op("i32.lt_s").if(() => {
    fn.get(target).i32(0).get(k).get(width).op("i32.mul").i32(4).op("i32.mul").fill();
  });
  fn.get(width).i32(4).op("i32.mul").set(width).get(valid);
  emitCountdown(fn, lane, 1, () => {
    fn.get(source).set(from).get(target).set(to).get(k);
    emitCountdown(fn, counter, 1, () => {
      fn.get(to).get(from).load("f32.load").store("f32.store");
      fn.get(to).get(width).op("i32.add").set(to).get(from).get(along).op("i32.add").set(from);
    });
    fn.get(source).get(across).op("i32.add").set(source).increment(target, 4);
  });
}

/**
 * `copy` (source, target, planes, rows, columns, source strides of plane, row, column, target strides of plane, row, column): a three-dimensional
 * strided copy of floats; contiguous columns go by vectors.
 */
function emitCopy(module: ModuleBuilder): void {
  const fn = module.function("copy", { params: Array.from({ length: 11 }, () => "i32" as const) });
  const [source, target, planes, rows, columns, sourcePlane, sourceRow, sourceColumn, targetPlane, targetRow, targetColumn] = fn
    .parameters as Local[] as [...Locals, Local, Local];
  const row = fn.local("i32");
  const counter = fn.local("i32");
  const from = fn.local("i32");
  const to = fn.local("i32");
  const fromRow = fn.local("i32");
  const toRow = fn.local("i32");
  const dense = fn.local("i32");
  fn.get(sourceColumn).i32(4).op("i32.eq").get(targetColumn).i32(4).op("i32.eq").op("i32.and").set(dense);
  const advance = (local: Local, by: Local): void => void fn.get(local).get(by).op("i32.add").set(local);
  fn.get(planes);
  emitCountdown(fn, planes, 1, () => {
    fn.get(source).set(fromRow).get(target).set(toRow).get(rows);
    emitCountdown(fn, row, 1, () => {
      fn.get(fromRow).set(from).get(toRow).set(to);
      fn.get(dense).if(() => {
        fn.get(columns).i32(-4).op("i32.and");
        emitCountdown(fn, counter, 4, () => {
          fn.get(to).get(from).load("v128.load").store("v128.store").increment(from, 16).increment(to, 16);
        });
        fn.get(columns).i32(3).op("i32.and").set(counter);
      }, () => fn.get(columns).set(counter));
      fn.get(counter);
      emitCountdown(fn, counter, 1, () => {
        fn.get(to).get(from).load("f32.load").store("f32.store");
        advance(from, sourceColumn);
        advance(to, targetColumn);
      });
      advance(fromRow, sourceRow);
      advance(toRow, targetRow);
    });
    advance(source, sourcePlane);
    advance(target, targetPlane);
  });
}
