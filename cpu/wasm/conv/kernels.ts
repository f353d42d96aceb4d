/**
 * The WebAssembly inside convolutions: matrix products whose B is read straight from a padded image.
 *
 * Row k of B (a channel and a position in the kernel) is the image itself, shifted: its elements for a run of output positions lie at
 * `base + table[k]`, next to each other. So nothing is unfolded; a table of byte offsets stands for the rows.
 *
 * @module
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../encoder.ts";
import { emitChoice, emitSpill, emitStrips, emitTiles, RegisterTile, tileColumns, type Tiles, upTo } from "../gemm_kernels.ts";
import { emitCountdown } from "../loops.ts";

/** Rows of a full tile of the weight gradient: each keeps a vector of A besides its accumulators. */
export const tapRows = 4;

/** Adds the convolutions' functions to a module. */
export function emitConvolution(module: ModuleBuilder): void {
  emitCorrelation(module, emitTiles(module, "shifted", emitShiftedTile), emitSpill(module));
  emitBlockSums(module, emitTapSums(module, emitTiles(module, "taps", emitTapTile, upTo(tapRows))));
}

/**
 * (a panel, table, k, image, distance to the image of the second four columns, c, distance to their c, row stride of c, accumulate): as a packed
 * tile, B's row k being at image + table[k].
 */
function emitShiftedTile(module: ModuleBuilder, name: string, rows: number, columns: number): FunctionBuilder {
  const fn = module.function(name, { params: Array.from({ length: 9 }, () => "i32" as const) });
  const [a, table, k, image, distance, c, outputDistance, stride, accumulate] = fn.parameters as Locals9;
  const counter = fn.local("i32");
  const tile = new RegisterTile(fn, rows, columns);
  const addresses = Array.from({ length: columns / 4 }, () => fn.local("i32"));
  function steps(count: number): void {
    for (let step = 0; step < count; step++) {
      fn.get(table).load("i32.load", step * 4).get(image).op("i32.add").set(addresses[0]!);
      if (columns === 8) fn.get(addresses[0]!).get(distance).op("i32.add").set(addresses[1]!);
      tile.loadColumns(addresses);
      tile.multiplyPacked(a, step);
    }
    fn.increment(a, count * rows * 4).increment(table, count * 4);
  }
  fn.get(k).i32(-4).op("i32.and");
  emitCountdown(fn, counter, 4, () => steps(4));
  fn.get(k).i32(3).op("i32.and");
  emitCountdown(fn, counter, 1, () => steps(1));
  tile.untangle();
  if (columns === 8) fn.get(c).get(outputDistance).op("i32.add").set(outputDistance);
  tile.store(columns === 8 ? [c, outputDistance] : c, stride, accumulate);
  return fn;
}

type Locals9 = [Local, Local, Local, Local, Local, Local, Local, Local, Local];

/**
 * `correlate` (a panels, rows, table, k, image, image step per output row, output rows, output columns, c, row stride of c, c's step per output
 * row, accumulate, scratch tile): C[rows, output rows · columns].
 *
 * Positions are taken in runs of up to four within an output row, and two runs at a time, wherever they lie. A row's last run starts early enough
 * to be whole, where nothing is accumulated: computing a position twice gives the same number, and costs less than storing a part of a tile.
 */
function emitCorrelation(module: ModuleBuilder, tiles: Tiles, spill: FunctionBuilder): void {
  const fn = module.function("correlate", { params: Array.from({ length: 13 }, () => "i32" as const) });
  const [a, rows, table, k, image, imageStep, height, width, c, stride, step, accumulate, scratch] = fn.parameters as Locals13;
  const [from, to, columns, runs, distance, outputDistance] = Array.from({ length: 6 }, () => fn.local("i32")) as Locals6;
  const first = { from: fn.local("i32"), to: fn.local("i32"), size: fn.local("i32") };
  const second = { from: fn.local("i32"), to: fn.local("i32"), size: fn.local("i32") };
  const panel = fn.local("i32");
  const target = fn.local("i32");
  const overlaps = fn.local("i32");
  const missing = fn.local("i32");
  const takeRun = (run: typeof first): void => {
    fn.get(columns).op("i32.eqz").if(() => {
      fn.get(image).get(imageStep).op("i32.add").tee(image).set(from);
      fn.get(c).get(step).op("i32.add").tee(c).set(to).get(width).set(columns);
    });
    fn.get(from).set(run.from).get(to).set(run.to);
    fn.i32(4).get(columns).get(columns).i32(4).op("i32.gt_s").op("select").tee(run.size);
    fn.get(columns).op("i32.sub").i32(-1).op("i32.mul").set(columns).increment(from, 16).increment(to, 16);
    fn.get(run.size).i32(4).op("i32.lt_s").get(overlaps).op("i32.and").if(() => {
      fn.get(run.size).i32(4).op("i32.sub").i32(4).op("i32.mul").set(missing).i32(4).set(run.size);
      for (const place of [run.from, run.to]) fn.get(place).get(missing).op("i32.add").set(place);
    });
  };
  const strip = emitStrips(fn, { a, c: first.to, rows, k, stride, panel, target });
  const call = (tileRow: number, tileWidth: number): void => {
    fn.get(panel).get(table).get(k).get(first.from).get(distance).get(target).get(outputDistance).get(stride).get(accumulate);
    fn.call(tiles.get(tileRow * 16 + tileWidth)!);
  };
  const callLoose = (tileRow: number, tileWidth: number): void => {
    fn.get(panel).get(table).get(k).get(first.from).get(distance).get(scratch).i32(16).i32(tileColumns * 4).i32(0);
    fn.call(tiles.get(tileRow * 16 + tileWidth)!);
    fn.get(scratch).get(target).get(stride).i32(tileRow).get(first.size).get(accumulate).call(spill);
    if (tileWidth === 4) return;
    fn.get(scratch).i32(16).op("i32.add").get(target).get(outputDistance).op("i32.add");
    fn.get(stride).i32(tileRow).get(second.size).get(accumulate).call(spill);
  };
  fn.get(image).set(from).get(c).set(to).get(width).set(columns);
  fn.get(width).i32(4).op("i32.ge_s").get(accumulate).op("i32.eqz").op("i32.and").set(overlaps);
  fn.get(width).i32(3).op("i32.add").i32(2).op("i32.shr_u").get(height).op("i32.mul").set(runs);
  fn.block((done) => {
    fn.loop((next) => {
      fn.get(runs).i32(2).op("i32.lt_s").branchIf(done);
      takeRun(first);
      takeRun(second);
      fn.get(second.from).get(first.from).op("i32.sub").set(distance);
      fn.get(second.to).get(first.to).op("i32.sub").set(outputDistance);
      fn.get(first.size).get(second.size).op("i32.add").i32(8).op("i32.eq").if(() => strip(8, call), () => strip(8, callLoose));
      fn.increment(runs, -2).branch(next);
    });
  });
  fn.get(runs).if(() => {
    takeRun(first);
    fn.get(first.size).i32(4).op("i32.eq").if(() => strip(4, call), () => strip(4, callLoose));
  });
}

type Locals6 = [Local, Local, Local, Local, Local, Local];

type Locals13 = [Local, Local, Local, Local, Local, Local, Local, Local, Local, Local, Local, Local, Local];

/**
 * (table, dy panel, panel step per image, image, image step per image and per output row, images, output rows, output columns, c, row stride of c,
 * accumulate): for as many taps as the tile has rows, Σ over positions of the image at the tap's offset times dy of 4 or 8 output channels.
 */
function emitTapTile(module: ModuleBuilder, name: string, rows: number, columns: number): FunctionBuilder {
  const fn = module.function(name, { params: Array.from({ length: 12 }, () => "i32" as const) });
  const [table, panels, panelStep, image, imageStep, rowStep, images, height, width, c, stride, accumulate] = fn.parameters as Locals12;
  const panel = fn.local("i32");
  const origin = fn.local("i32");
  const row = fn.local("i32");
  const counter = fn.local("i32");
  const lines = Array.from({ length: rows }, () => fn.local("i32"));
  const tile = new RegisterTile(fn, rows, columns);
  const vectors = lines.map(() => fn.local("v128"));
  function steps(count: 4 | 1): void {
    if (count === 4) lines.forEach((line, row) => fn.get(line).load("v128.load").set(vectors[row]!));
    for (let step = 0; step < count; step++) {
      tile.loadColumns(panel, step * columns * 4);
      tile.multiply((row) => {
        // The last lane is loaded again: that load shares the vector's bounds check.
        if (count === 1 || step === 3) fn.get(lines[row]!).load("v128.load32_splat", step * 4);
        else fn.get(vectors[row]!).get(vectors[row]!).shuffle32([step, step, step, step]);
      });
    }
    for (const line of lines) fn.increment(line, count * 4);
    fn.increment(panel, count * columns * 4);
  }
  fn.get(images);
  emitCountdown(fn, images, 1, () => {
    fn.get(image).set(origin).get(panels).set(panel).get(height);
    emitCountdown(fn, row, 1, () => {
      lines.forEach((line, tap) => fn.get(table).load("i32.load", tap * 4).get(origin).op("i32.add").set(line));
      fn.get(width).i32(-4).op("i32.and");
      emitCountdown(fn, counter, 4, () => steps(4));
      fn.get(width).i32(3).op("i32.and");
      emitCountdown(fn, counter, 1, () => steps(1));
      fn.get(origin).get(rowStep).op("i32.add").set(origin);
    });
    fn.get(image).get(imageStep).op("i32.add").set(image).get(panels).get(panelStep).op("i32.add").set(panels);
  });
  tile.store(c, stride, accumulate);
  return fn;
}

type Locals12 = [Local, Local, Local, Local, Local, Local, Local, Local, Local, Local, Local, Local];

/**
 * `tapSums` (table, taps, dy panels, panel step per image, output channels, image, image step per image and per output row, images, output rows,
 * output columns, c, row stride of c, accumulate): C[taps, channels], whose rows hold the channels rounded up to whole panels.
 */
function emitTapSums(module: ModuleBuilder, tiles: Tiles): FunctionBuilder {
  const fn = module.function("tapSums", { params: Array.from({ length: 14 }, () => "i32" as const) });
  const [table, taps, panels, panelStep, channels, image, imageStep, rowStep, images, height, width, c, stride, accumulate] = fn
    .parameters as [...Locals12, Local, Local];
  const panel = fn.local("i32");
  const target = fn.local("i32");
  const channelsLeft = fn.local("i32");
  const area = fn.local("i32");
  fn.get(height).get(width).op("i32.mul").set(area);
  const call = (rows: number, columns: number): void => {
    fn.get(table).get(panel).get(panelStep).get(image).get(imageStep).get(rowStep).get(images).get(height).get(width);
    fn.get(target).get(stride).get(accumulate);
    fn.call(tiles.get(rows * 16 + columns)!);
  };
  const allChannels = (rows: number): void => {
    fn.get(panels).set(panel).get(c).set(target).get(channels).set(channelsLeft);
    fn.block((done) => {
      fn.loop((next) => {
        fn.get(channelsLeft).i32(4).op("i32.le_s").branchIf(done);
        call(rows, 8);
        fn.get(area).i32(tileColumns * 4).op("i32.mul").get(panel).op("i32.add").set(panel);
        fn.increment(target, tileColumns * 4).increment(channelsLeft, -tileColumns).branch(next);
      });
    });
    fn.get(channelsLeft).i32(0).op("i32.gt_s").if(() => call(rows, 4));
  };
  fn.block((done) => {
    fn.loop((next) => {
      fn.get(taps).i32(tapRows).op("i32.lt_s").branchIf(done);
      allChannels(tapRows);
      fn.increment(table, tapRows * 4).increment(taps, -tapRows);
      fn.get(stride).i32(tapRows).op("i32.mul").get(c).op("i32.add").set(c).branch(next);
    });
  });
  emitChoice(fn, taps, upTo(tapRows - 1), allChannels);
  return fn;
}

/** Bytes that describe a block to `blockSums`: where its first image and its panels lie, its images, its height and its width. */
export const blockBytes = 20;

/**
 * `blockSums` (list of blocks, how many, group, first channel, table, taps, channels, image, image step per image and per output row, c, row
 * stride of c, accumulate): `tapSums` over one block after the other.
 */
function emitBlockSums(module: ModuleBuilder, tapSums: FunctionBuilder): void {
  const fn = module.function("blockSums", { params: Array.from({ length: 13 }, () => "i32" as const) });
  const [list, blocks, group, channel, table, taps, channels, image, imageStep, rowStep, c, stride, accumulate] = fn.parameters as Locals13;
  const [area, panelStep] = [fn.local("i32"), fn.local("i32")];
  const word = (at: number) => fn.get(list).load("i32.load", at * 4);
  fn.get(blocks);
  emitCountdown(fn, blocks, 1, () => {
    word(3);
    word(4).op("i32.mul").tee(area).get(stride).op("i32.mul").set(panelStep);
    fn.get(table).get(taps);
    word(1).get(group);
    word(2).op("i32.mul").get(panelStep).op("i32.mul").op("i32.add").get(channel).get(area).op("i32.mul").i32(4).op("i32.mul").op(
      "i32.add",
    );
    fn.get(panelStep).get(channels).get(image);
    word(0).op("i32.add").get(imageStep).get(rowStep);
    for (const at of [2, 3, 4]) word(at);
    fn.get(c).get(stride).get(accumulate).call(tapSums).i32(1).set(accumulate).increment(list, blockBytes);
  });
}
