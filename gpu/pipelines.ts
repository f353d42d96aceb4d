/**
 * Pipelines, cached by their source: compiling takes milliseconds, looking up microseconds.
 *
 * @module
 */
import type { Guard, GuardedPipeline } from "./guard.ts";
import type { Dispatch } from "./wgsl/program.ts";

/** Compiles each source once. */
export class PipelineCache {
  readonly #guard: Guard;
  readonly #pipelines = new Map<string, GuardedPipeline>();

  /** Makes an empty cache. */
  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** How many pipelines were created. */
  get size(): number {
    return this.#pipelines.size;
  }

  /** The pipeline of a dispatch. */
  get(dispatch: Dispatch): GuardedPipeline {
    const access = dispatch.bindings.map((binding) => binding.access === "read" ? "r" : "w").join("");
    const hasScalars = dispatch.scalars.length > 0;
    const key = `${access}${hasScalars ? "+" : ""}\n${dispatch.source}`;
    let pipeline = this.#pipelines.get(key);
    if (pipeline === undefined) {
      pipeline = this.#guard.createPipeline(dispatch.label, dispatch.source, access, hasScalars);
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }
}
