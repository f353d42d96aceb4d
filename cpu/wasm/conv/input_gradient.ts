/**
 * The input gradient of convolutions: one product per remainder of the positions by the stride.
 *
 * @module
 */
import type { View } from "../../../tensor/kernel.ts";
import { address } from "../block.ts";
import { copyFunctions } from "../gemm.ts";
import { type ScratchHeap, scratchPointer } from "../scratch.ts";
import { correlate, type Correlation, packWeights } from "./correlation.ts";
import { clear, convDuration, forEachUnit, type Geometry, imagesAtOnce, type Pair, type Unit, writeTable } from "./geometry.ts";
import { PaddedImages, planesOf, type Window } from "./padded_image.ts";

/** The input positions of equal remainder by the stride, in one dim: they see the same kernel positions. */
interface Phase {
  /** The first position and how many there are. */
  readonly first: number;
  readonly count: number;
  /** Kernel positions with the shift from the phase's running number to the output position. */
  readonly taps: readonly { readonly at: number; readonly shift: number }[];
}

function phasesOf({ input, size, stride, padding, dilation }: Geometry, dim: 0 | 1): Phase[] {
  const phases: Phase[] = [];
  for (let first = 0; first < Math.min(stride[dim], input[dim]); first++) {
    const taps: { at: number; shift: number }[] = [];
    for (let at = 0; at < size[dim]; at++) {
      const distance = first + padding[dim] - at * dilation[dim];
      if (distance % stride[dim] === 0) taps.push({ at, shift: distance / stride[dim] });
    }
    phases.push({ first, count: Math.ceil((input[dim] - first) / stride[dim]), taps });
  }
  return phases;
}

/** One product: the positions of a phase in both dims, with its part of the packed weights and of the table. */
interface Pass {
  readonly vertical: Phase;
  readonly horizontal: Phase;
  /** Where it starts along k, and how far it goes. */
  readonly first: number;
  readonly depth: number;
}

/** dx[channels, positions of a phase] = w[channels, (kernel position, filter)] · dy shifted, phase by phase. */
export function inputGradient(heap: ScratchHeap, sizes: Geometry, dy: View, w: View, dx: View): void {
  const { batch, groups, channels, filters, input, output, stride } = sizes;
  const phases: [readonly Phase[], readonly Phase[]] = [phasesOf(sizes, 0), phasesOf(sizes, 1)];
  if (filters === 0 || phases.some((list) => list.some(({ taps }) => taps.length === 0))) clear(heap, dx);
  if (filters === 0) return;
  const time = convDuration(sizes);
  const bounds = [shiftBounds(phases[0]), shiftBounds(phases[1])] as const;
  const padding: Pair = [bounds[0].before, bounds[1].before];
  const atOnce = imagesAtOnce(heap, time, batch, phases[0][0]!.count * phases[1][0]!.count);
  const extent: Pair = [bounds[0].extent, bounds[1].extent];
  const image = new PaddedImages({ count: atOnce, channels: filters * groups, input: output, padding, extent, phases: 1 });
  const passes: Pass[] = [];
  const offsets: number[] = [];
  const order: [number, number][] = [];
  for (const vertical of phases[0]) {
    for (const horizontal of phases[1]) {
      const depth = vertical.taps.length * horizontal.taps.length * filters;
      if (depth > 0) passes.push({ vertical, horizontal, first: offsets.length, depth });
      for (const v of vertical.taps) {
        for (const h of horizontal.taps) {
          order.push([v.at, h.at]);
          for (let filter = 0; filter < filters; filter++) offsets.push(image.offset(filter, v.shift + padding[0], h.shift + padding[1]));
        }
      }
    }
  }
  const table = writeTable(heap, offsets);
  const packed = packTransposedWeights(heap, sizes, w, order, passes);
  const planes = planesOf(dy);
  const cuttable = { batch, atOnce, size: [phases[0][0]!.count, phases[1][0]!.count] as const, cutsColumns: stride[1] === 1 };
  forEachUnit(heap, time, cuttable, (on, units) => {
    const images = image.take(on);
    image.clear(on, images, atOnce);
    for (const unit of units) {
      image.fill(on, images, planes, unit, {
        rows: reach(phases[0], padding[0], (count) => unit.rows(count)),
        columns: reach(phases[1], padding[1], (count) => unit.columns(count)),
      });
      for (let group = 0; group < groups; group++) {
        const target = address(dx) + (unit.item * groups + group) * channels * input[0] * input[1] * 4;
        for (const pass of passes) {
          correlatePhase(on, sizes, pass, unit, {
            packed: packed + (group * offsets.length + pass.first) * channels * 4,
            rows: channels,
            table: table + pass.first * 4,
            depth: pass.depth,
            images: unit.images,
            image: images + group * filters * image.plane,
            imageStep: image.image,
            rowStep: image.pitch,
          }, target);
        }
      }
    }
  });
}

/** How far shifts reach before the image, and how many rows or columns they touch in all. */
function shiftBounds(phases: readonly Phase[]): { before: number; extent: number } {
  let before = 0;
  let last = 0;
  for (const { count, taps } of phases) {
    for (const { shift } of taps) {
      before = Math.max(before, -shift);
      last = Math.max(last, shift + count - 1);
    }
  }
  return { before, extent: before + last + 1 };
}

/** The padded rows or columns of dy that a part of all phases sees. */
function reach(phases: readonly Phase[], padding: number, part: (count: number) => Pair): Pair {
  let first = Infinity;
  let last = 0;
  for (const { count, taps } of phases) {
    const [from, to] = part(count);
    for (const { shift } of taps) {
      first = Math.min(first, padding + shift + from);
      last = Math.max(last, padding + shift + to);
    }
  }
  return [first, last] satisfies Window["rows"];
}

/** Packs w as [channels, (kernel position, filter)] per group, kernel positions in the given order, one pass after the other. */
function packTransposedWeights(
  heap: ScratchHeap,
  { groups, channels, filters }: Geometry,
  w: View,
  order: readonly [number, number][],
  passes: readonly Pass[],
): number {
  const { copy } = copyFunctions(heap);
  const strides = planesOf(w);
  const depth = order.length * filters;
  const transposed = scratchPointer(heap, "conv weights", depth * channels * 4);
  const packed = scratchPointer(heap, "conv packed", groups * depth * channels * 4);
  for (let group = 0; group < groups; group++) {
    order.forEach(([row, column], tap) => {
      const from = address(w) + group * filters * strides.batch + row * strides.row + column * strides.column;
      const to = transposed + tap * filters * channels * 4;
      copy!(from, to, 1, filters, channels, 0, strides.batch, strides.channel, 0, channels * 4, 4);
    });
    for (const pass of passes) {
      const a = { pointer: transposed + pass.first * channels * 4, across: 4, along: channels * 4 };
      packWeights(heap, a, packed + (group * depth + pass.first) * channels * 4, channels, pass.depth);
    }
  }
  return packed;
}

/** Runs a unit's part of one phase; where its columns are not neighbours in dx it goes through a scratch image. */
function correlatePhase(
  heap: ScratchHeap,
  { channels, groups, input, stride }: Geometry,
  { vertical, horizontal }: Pass,
  unit: Unit,
  { image, ...rest }: Omit<Correlation, "output" | "pointer" | "outputStep" | "stride" | "step">,
  target: number,
): void {
  const area = input[0] * input[1] * 4;
  const pitch = input[1] * 4;
  const [rows, columns] = [unit.rows(vertical.count), unit.columns(horizontal.count)];
  const [height, width] = [rows[1] - rows[0], columns[1] - columns[0]];
  const pass = { ...rest, image: image + rows[0] * rest.rowStep + columns[0] * 4, output: [height, width] as const };
  const pointer = target + (vertical.first + rows[0] * stride[0]) * pitch + (horizontal.first + columns[0] * stride[1]) * 4;
  const outputStep = groups * channels * area;
  if (stride[1] === 1) return correlate(heap, { ...pass, pointer, outputStep, stride: area, step: stride[0] * pitch });
  const plane = height * width * 4;
  const scratch = scratchPointer(heap, "conv phase", pass.images * channels * plane);
  correlate(heap, { ...pass, pointer: scratch, outputStep: channels * plane, stride: plane, step: width * 4 });
  const { copy } = copyFunctions(heap);
  for (let item = 0; item < pass.images; item++) {
    const from = scratch + item * channels * plane;
    copy!(from, pointer + item * outputStep, channels, height, width, plane, width * 4, 4, area, stride[0] * pitch, stride[1] * 4);
  }
}
