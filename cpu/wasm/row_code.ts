/**
 * The code of row programs: passes over the rows, one per stage and one for the outputs.
 *
 * @module
 */
import { type Expr, isCheap } from "../../tensor/expr.ts";
import { type Accumulator, chunkVectors, createAccumulator, manyWays } from "./accumulators.ts";
import { countOn, loadScalar } from "./block.ts";
import { detectRelaxedSimd, type FunctionBuilder, type Local, ModuleBuilder, type WasmFunction } from "./encoder.ts";
import { loadWord, positions } from "./map.ts";
import { advance, loadPartial, loadVector, type Operand, storeFirst, storePartial, storeVector } from "./operands.ts";
import { headWords, type RowPlan, type RowVariant } from "./row_plan.ts";
import { ExpressionWriter, type Leaves } from "./scalar.ts";
import { type Term, Terms } from "./terms.ts";

/** Compiles one variant of a plan. */
export function compileRows(memory: WebAssembly.Memory, plan: RowPlan, variant: RowVariant): WasmFunction {
  const module = new ModuleBuilder();
  const f = module.function("run", { params: ["i32"] });
  const code = new RowCode(new Terms(module, f, detectRelaxedSimd()), plan, variant);
  code.write();
  return module.instantiate(memory)["run"]!;
}

/** One sweep over the elements of a row (or of several rows side by side). */
interface Pass {
  readonly exprs: readonly Expr[];
  /** Vectors handled per step. */
  readonly ways: number;
  /** The operands it stores. */
  readonly stored: readonly number[];
  /** Whether it asks for positions. */
  readonly indexed: boolean;
  /** Takes the expressions' values at one vector. */
  readonly consume: (values: readonly Term[], vector: VectorPlace) => void;
  readonly flush?: () => void;
}

interface VectorPlace {
  readonly way: number;
  /** How many elements count, where not all four do. */
  readonly partial: Local | undefined;
  /** The mask of the elements that count, along a row. */
  readonly valid: Term | undefined;
  readonly index: () => Term;
}

class RowCode {
  readonly #e: Terms;
  readonly #f: FunctionBuilder;
  readonly #plan: RowPlan;
  readonly #variant: RowVariant;
  readonly #block: Local;
  /** Per operand: where the row starts (columns: the first of the rows side by side), where the run starts, the current element. */
  readonly #bases: readonly Local[];
  readonly #runs: readonly Local[];
  readonly #operands: readonly Operand[];
  readonly #rowStrides: readonly Local[];
  readonly #vectorSize: Local;
  readonly #runSteps: Local;
  readonly #runDims: Local;
  readonly #runOdometer: Local;
  readonly #index: Local;
  /** Results of the stages so far: by stage, then by way (one where vectors lie along the row). */
  #results: Term[][] = [];

  constructor(e: Terms, plan: RowPlan, variant: RowVariant) {
    const { f } = e;
    const block = f.parameters[0]!;
    const count = plan.dtypes.length;
    const word = (at: number) => loadWord(f, block, at);
    this.#e = e;
    this.#f = f;
    this.#plan = plan;
    this.#variant = variant;
    this.#block = block;
    this.#bases = plan.dtypes.map((_, k) => word(headWords + k));
    this.#runs = plan.dtypes.map(() => f.local("i32"));
    this.#operands = plan.dtypes.map((dtype, k): Operand => {
      const step = variant.steps[k]!;
      return { pointer: f.local("i32"), step, dtype, ...(step === "strided" && { stride: word(headWords + count + k) }) };
    });
    this.#rowStrides = variant.layout === "columns" ? plan.dtypes.map((_, k) => word(headWords + 2 * count + k)) : [];
    this.#vectorSize = word(0);
    this.#runSteps = word(3);
    this.#runDims = word(2);
    this.#runOdometer = word(4);
    this.#index = f.local("i32");
  }

  write(): void {
    const f = this.#f;
    const outerDims = loadWord(f, this.#block, 1);
    const odometer = f.local("i32");
    f.get(this.#block).i32(this.#scalarsAt() * 4 + this.#plan.slots.length * 4).op("i32.add").set(odometer);
    f.loop((next) => {
      if (this.#variant.layout === "runs") this.#row();
      else this.#columns();
      countOn(this.#e, outerDims, odometer, this.#bases, () => f.branch(next));
    });
  }

  /** One row, with vectors along it. */
  #row(): void {
    this.#e.block(() => {
      this.#stages(undefined, 1);
      this.#outputs(undefined, 1);
    });
  }

  /** All rows along the innermost kept dim, sixteen, four or fewer side by side. */
  #columns(): void {
    const f = this.#f;
    const { program } = this.#plan;
    const rest = f.local("i32");
    const starts = this.#bases.map(() => f.local("i32"));
    f.get(this.#vectorSize).set(rest);
    this.#bases.forEach((base, k) => f.get(base).set(starts[k]!));
    const exprs = [...program.stages, ...program.outputs].map(({ expr }) => expr);
    // Sixteen columns fill a cache line; with fewer, long rows would read every line several times.
    const nodes = exprs.reduce((sum, expr) => sum + expr.nodes.length, 0);
    const wide = nodes <= 64 && this.#variant.steps.every((step) => step !== "strided");
    for (const ways of wide ? [4, 1] : [1]) {
      f.block((done) => {
        f.loop((next) => {
          f.get(rest).i32(4 * ways).op("i32.lt_s").branchIf(done);
          this.#sideBySide(undefined, ways);
          this.#operands.forEach((operand, k) => advance(this.#e, { ...operand, pointer: this.#bases[k]! }, 4 * ways));
          f.increment(rest, -4 * ways);
          f.branch(next);
        });
      });
    }
    f.get(rest).if(() => this.#sideBySide(rest, 1));
    starts.forEach((start, k) => f.get(start).set(this.#bases[k]!));
  }

  #sideBySide(partial: Local | undefined, ways: number): void {
    this.#e.block(() => {
      this.#stages(partial, ways);
      this.#outputs(partial, ways);
    });
  }

  #stages(partial: Local | undefined, ways: number): void {
    const { program } = this.#plan;
    const columns = this.#variant.layout === "columns";
    this.#results = [];
    program.stages.forEach(({ combine, expr }, stage) => {
      const unrolled = columns ? ways : isCheap(expr) && manyWays(combine) && this.#isDense([expr]) ? 4 : 1;
      const dtype = expr.nodes[expr.outputs[0]!]!.dtype;
      const accumulator = createAccumulator(this.#e, combine, dtype, unrolled, columns);
      const reuse = this.#variant.reuse && this.#plan.reuse?.stage === stage ? this.#plan.reuse : undefined;
      accumulator.start();
      const pass: Pass = {
        exprs: [expr],
        ways: unrolled,
        stored: reuse === undefined ? [] : [this.#plan.inputs + reuse.output],
        indexed: usesIndex([expr]) || !manyWays(combine),
        consume: ([value], place) => {
          if (reuse !== undefined) this.#store(this.#plan.inputs + reuse.output, value!, place);
          accumulator.add(place.way, value!, place.valid, place.index);
        },
        flush: () => accumulator.flush(),
      };
      if (columns) this.#passColumns(pass, partial);
      else this.#passRuns(pass);
      this.#results.push(resultsOf(accumulator, columns, ways));
    });
  }

  #outputs(partial: Local | undefined, ways: number): void {
    const { program, inputs } = this.#plan;
    const columns = this.#variant.layout === "columns";
    const perElement: { readonly operand: number; readonly expr: Expr }[] = [];
    program.outputs.forEach(({ per, expr }, output) => {
      const operand = inputs + output;
      const reuse = this.#variant.reuse && this.#plan.reuse?.output === output;
      if (per === "element") perElement.push({ operand, expr: reuse ? this.#plan.reuse!.expr : expr });
      else this.#perRow(operand, expr, partial, ways);
    });
    if (perElement.length === 0) return;
    const exprs = perElement.map(({ expr }) => expr);
    const dense = this.#isDense(exprs) && perElement.every(({ operand }) => this.#operands[operand]!.step === "contiguous");
    const pass: Pass = {
      exprs,
      ways: columns ? ways : exprs.every(isCheap) && dense ? 4 : 1,
      stored: perElement.map(({ operand }) => operand),
      indexed: usesIndex(exprs),
      consume: (values, place) => values.forEach((value, k) => this.#store(perElement[k]!.operand, value, place)),
    };
    if (columns) this.#passColumns(pass, partial);
    else this.#passRuns(pass);
  }

  /** An output per row, from the results and the row's first elements. */
  #perRow(operand: number, expr: Expr, partial: Local | undefined, ways: number): void {
    const e = this.#e;
    const columns = this.#variant.layout === "columns";
    for (let way = 0; way < ways; way++) {
      e.block(() => {
        const leaves = this.#leaves(way, new Map(), () => e.whole(0), (slot) => {
          const first: Operand = { ...this.#operands[slot]!, pointer: this.#bases[slot]! };
          if (!columns) return loadVector(e, { ...first, step: "repeated" }, 0);
          return partial === undefined ? loadVector(e, first, way) : loadPartial(e, first, partial);
        });
        const value = new ExpressionWriter(e, expr).outputs(leaves)[0]!;
        const target: Operand = { ...this.#operands[operand]!, pointer: this.#bases[operand]! };
        if (!columns) storeFirst(e, target, value);
        else if (partial === undefined) storeVector(e, target, way, value);
        else storePartial(e, target, partial, value);
      });
    }
  }

  #store(operand: number, value: Term, { way, partial }: VectorPlace): void {
    const target = this.#operands[operand]!;
    if (partial === undefined) storeVector(this.#e, target, way, value);
    else storePartial(this.#e, target, partial, value);
  }

  /** Sweeps along the row: runs, chunks of a run, vectors. */
  #passRuns(pass: Pass): void {
    const f = this.#f;
    const e = this.#e;
    const rest = f.local("i32");
    const chunk = f.local("i32");
    e.block(() => {
      const writers = pass.exprs.map((expr) => new ExpressionWriter(e, expr));
      const leaves = this.#leaves(0, new Map(), () => e.whole(0), (slot) => loadVector(e, this.#operands[slot]!, 0));
      for (const writer of writers) writer.hoist((kind) => kind === "input" || kind === "index", leaves);
      this.#eachRun(() => {
        f.get(this.#vectorSize).set(rest);
        e.block(() => {
          for (const writer of writers) {
            writer.hoist((kind, slot) => kind === "index" || (kind === "input" && this.#operands[slot]!.step !== "repeated"), leaves);
          }
          f.loop((next) => {
            f.get(rest).i32(chunkVectors * 4 * pass.ways).get(rest).i32(chunkVectors * 4 * pass.ways).op("i32.lt_s").op("select").tee(
              chunk,
            );
            f.get(rest).op("i32.sub").i32(-1).op("i32.mul").set(rest);
            this.#chunk(pass, writers, chunk);
            pass.flush && e.block(pass.flush);
            f.get(rest).branchIf(next);
          });
        });
      });
    });
    f.release(rest);
    f.release(chunk);
  }

  #chunk(pass: Pass, writers: readonly ExpressionWriter[], rest: Local): void {
    const f = this.#f;
    for (const ways of pass.ways > 1 ? [pass.ways, 1] : [1]) {
      f.block((done) => {
        f.loop((next) => {
          f.get(rest).i32(4 * ways).op("i32.lt_s").branchIf(done);
          for (let way = 0; way < ways; way++) this.#vector(pass, writers, way, undefined, undefined);
          for (const operand of this.#moving(pass)) advance(this.#e, this.#operands[operand]!, 4 * ways);
          if (pass.indexed) f.increment(this.#index, 4 * ways);
          f.increment(rest, -4 * ways);
          f.branch(next);
        });
      });
    }
    f.get(rest).if(() => {
      this.#e.block(() => {
        const lanes = this.#e.of(f.constant(new Int32Array([0, 1, 2, 3])));
        const valid = this.#e.keep(this.#e.op("i32x4.gt_s", this.#e.op("i32x4.splat", this.#e.of(rest)), lanes));
        this.#vector(pass, writers, 0, rest, valid);
      });
      if (pass.indexed) f.get(this.#index).get(rest).op("i32.add").set(this.#index);
    });
  }

  /** Sweeps down rows side by side, element by element. */
  #passColumns(pass: Pass, partial: Local | undefined): void {
    const f = this.#f;
    const e = this.#e;
    const rest = f.local("i32");
    const chunk = f.local("i32");
    e.block(() => {
      const writers = Array.from({ length: pass.ways }, (_, way) => {
        const leaves = this.#leaves(way, new Map(), () => e.whole(0), () => e.whole(0));
        return pass.exprs.map((expr) => {
          const writer = new ExpressionWriter(e, expr);
          writer.hoist((kind) => kind === "input" || kind === "index", leaves);
          return writer;
        });
      });
      this.#eachRun(() => {
        f.get(this.#runSteps).set(rest);
        f.block((done) => {
          f.loop((next) => {
            f.get(rest).op("i32.eqz").branchIf(done);
            f.get(rest).i32(chunkVectors).get(rest).i32(chunkVectors).op("i32.lt_s").op("select").tee(chunk);
            f.get(rest).op("i32.sub").i32(-1).op("i32.mul").set(rest);
            f.loop((step) => {
              for (let way = 0; way < pass.ways; way++) this.#vector(pass, writers[way]!, way, partial, undefined);
              for (const operand of this.#moving(pass)) {
                const { pointer } = this.#operands[operand]!;
                f.get(pointer).get(this.#rowStrides[operand]!).op("i32.add").set(pointer);
              }
              if (pass.indexed) f.increment(this.#index, 1);
              f.get(chunk).i32(1).op("i32.sub").tee(chunk).branchIf(step);
            });
            pass.flush && e.block(pass.flush);
            f.branch(next);
          });
        });
      });
    });
    f.release(rest);
    f.release(chunk);
  }

  /** Sets the pointers to each run's start and runs `body` there. */
  #eachRun(body: () => void): void {
    const f = this.#f;
    f.i32(0).set(this.#index);
    this.#bases.forEach((base, k) => f.get(base).set(this.#runs[k]!));
    f.loop((next) => {
      this.#operands.forEach(({ pointer }, k) => f.get(this.#runs[k]!).set(pointer));
      body();
      if (this.#variant.manyRuns) countOn(this.#e, this.#runDims, this.#runOdometer, this.#runs, () => f.branch(next));
    });
  }

  /** One vector: loads, the expressions, and what becomes of their values. */
  #vector(pass: Pass, writers: readonly ExpressionWriter[], way: number, partial: Local | undefined, valid: Term | undefined): void {
    const e = this.#e;
    const columns = this.#variant.layout === "columns";
    e.block(() => {
      const index = () => columns ? e.keep(e.op("i32x4.splat", e.of(this.#index))) : positions(e, this.#index, way * 4);
      const load = (slot: number) => {
        const operand = this.#operands[slot]!;
        return partial === undefined ? loadVector(e, operand, way) : loadPartial(e, operand, partial);
      };
      const leaves = this.#leaves(way, new Map(), index, load);
      const values = writers.map((writer) => writer.outputs(leaves)[0]!);
      pass.consume(values, { way, partial, valid, index });
    });
  }

  #leaves(way: number, loaded: Map<number, Term>, index: () => Term, load: (slot: number) => Term): Leaves {
    return {
      leaf: (kind, slot, dtype) => {
        if (kind === "scalar") return loadScalar(this.#e, this.#block, this.#scalarsAt(), this.#plan.slots, slot, dtype);
        if (kind === "result") return this.#results[slot]![way] ?? this.#results[slot]![0]!;
        let value = loaded.get(slot);
        if (value === undefined) loaded.set(slot, value = load(slot));
        return value;
      },
      index,
    };
  }

  /** The operands a pass reads or stores. */
  #moving(pass: Pass): number[] {
    const read = pass.exprs.flatMap((expr) => expr.nodes.flatMap((node) => node.kind === "input" ? [node.slot] : []));
    return [...new Set([...read, ...pass.stored])];
  }

  #isDense(exprs: readonly Expr[]): boolean {
    return exprs.every((expr) => expr.nodes.every((node) => node.kind !== "input" || this.#operands[node.slot]!.step !== "strided"));
  }

  #scalarsAt(): number {
    return headWords + 3 * this.#plan.dtypes.length;
  }
}

function usesIndex(exprs: readonly Expr[]): boolean {
  return exprs.some((expr) => expr.nodes.some(({ kind }) => kind === "index"));
}

function resultsOf(accumulator: Accumulator, columns: boolean, ways: number): Term[] {
  return columns ? Array.from({ length: ways }, (_, way) => accumulator.lanes(way)) : [accumulator.total()];
}
