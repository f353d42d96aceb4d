/**
 * The contract between tensors and hardware: kernel families as plain data, and the {@link Backend} that runs them.
 *
 * A backend implements families, never ops: a new elementwise op touches no backend.
 *
 * @module
 */
import type { DType, TypedArray } from "./dtype.ts";
import type { Expr } from "./expr.ts";

/** A piece of a device's memory. Each backend adds what it needs to find the bytes. */
export interface Storage {
  /** Its size in bytes. */
  readonly bytes: number;
}

/** A strided window on a storage. Strides and offset count elements; an expanded dimension has stride 0. */
export interface View {
  /** Where the elements lie. */
  readonly storage: Storage;
  /** The elements' type. */
  readonly dtype: DType;
  /** The size of each dim. */
  readonly shape: readonly number[];
  /** Elements from one position to the next in each dim. */
  readonly strides: readonly number[];
  /** The first element. */
  readonly offset: number;
}

/**
 * Elementwise: n inputs, all already expanded to the outputs' common shape, through `expr` (one output value per output view).
 * An output may be any view that does not overlap itself, and may be the very same view as an input (in place).
 */
export interface MapKernel {
  /** The family. */
  readonly kind: "map";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** One output per output view. */
  readonly expr: Expr;
}

/** How a reduction combines two values. `argmax` and `argmin` give the int32 position in the row (the first; NaN wins). */
export type Combine = "sum" | "prod" | "max" | "min" | "argmax" | "argmin";

/**
 * Reduces the last `reduced` dims of the inputs (all of one shape): `prologue` (one output) per element, `combine` over the row,
 * `epilogue` on `result(0)`. The output is contiguous, of the remaining dims. An empty row gives the neutral element
 * (0, 1, -Infinity, Infinity; the callers refuse it for arg reductions). float32 sums are pairwise, blocked or tree-shaped.
 */
export interface ReduceKernel {
  /** The family. */
  readonly kind: "reduce";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** How many of the last dims are reduced. */
  readonly reduced: number;
  /** How two values become one. */
  readonly combine: Combine;
  /** What is combined, per element. */
  readonly prologue: Expr;
  /** May be absent: the combined value itself, in the prologue's type (int32 for arg reductions). */
  readonly epilogue?: Expr;
}

/** One reduction of a {@link RowKernel}: `expr` (one output) may use the results of the reductions before it. */
export interface RowStage {
  /** How two values become one. */
  readonly combine: "sum" | "max" | "min";
  /** What is combined, per element. */
  readonly expr: Expr;
}

/**
 * Several reductions and maps over one row held on chip (softmax, norms, their backward, cross entropy): the inputs share one shape
 * whose last `reduced` dims are the row; the stages run in order; each output is an expression over the inputs, `index` (the
 * position in the row) and the stages' results, stored per element (the inputs' shape) or per row (the remaining dims).
 * An output may be any view that does not overlap itself.
 */
export interface RowKernel {
  /** The family. */
  readonly kind: "row";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** How many of the last dims are the row. */
  readonly reduced: number;
  /** The reductions, in order. */
  readonly stages: readonly RowStage[];
  /** What is stored, one entry per output view. */
  readonly outputs: readonly { readonly per: "element" | "row"; readonly expr: Expr }[];
}

/**
 * Batched matrix product: inputs a [...batch, M, K] and b [...batch, K, N], both with the output's batch dims (expanded by stride 0)
 * and any strides; output [...batch, M, N], contiguous. `epilogue` sees the product as `result(0)` and the inputs from the third
 * on (expanded to the output's shape) as `input(2)`, `input(3)` ….  float16 operands accumulate in float32.
 */
export interface MatmulKernel {
  /** The family. */
  readonly kind: "matmul";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** Applied to each product before it is stored. */
  readonly epilogue?: Expr;
}

/** The geometry of a convolution or pooling, one number per spatial dim. */
export interface Window {
  /** Steps between neighbouring windows. */
  readonly stride: readonly number[];
  /** Cells added at both ends. */
  readonly padding: readonly number[];
  /** Steps between a window's cells. */
  readonly dilation: readonly number[];
}

/**
 * Cross-correlation over one or two spatial dims, with x [N, C, ...S], w [O, C / groups, ...K] and y [N, O, ...T]:
 * - `forward`: inputs x, w → output y;
 * - `input`: inputs dy, w → output dx; `weight`: inputs x, dy → output dw.
 *
 * Outputs are contiguous; each direction takes an optional epilogue as in {@link MatmulKernel}.
 */
export interface ConvKernel extends Window {
  /** The family. */
  readonly kind: "conv";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** The output, or which gradient. */
  readonly direction: "forward" | "input" | "weight";
  /** Groups of channels that do not see each other. */
  readonly groups: number;
  /** Applied to each sum before it is stored. */
  readonly epilogue?: Expr;
}

/**
 * Pooling over two spatial dims, x [N, C, H, W] and y [N, C, OH, OW]:
 * - `max` `forward`: x → y and int32 positions in the H·W plane (the first maximum; NaN wins); padding counts as -Infinity;
 * - `max` `backward`: dy, positions → dx;
 * - `average` `forward`: x → y; `backward`: dy → dx. The divisor is the number of window cells inside the padded image
 *   (`countPadding`), or inside the image itself. Outputs are contiguous; windows may run past the padded end (ceil mode).
 */
export interface PoolKernel extends Window {
  /** The family. */
  readonly kind: "pool";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** What becomes of a window. */
  readonly mode: "max" | "average";
  /** The output or the gradient. */
  readonly direction: "forward" | "backward";
  /** Cells of a window, per dim. */
  readonly size: readonly number[];
  /** Whether averages count padded cells. */
  readonly countPadding: boolean;
}

/**
 * Log-sum-exp over a similarity matrix that is never stored. Inputs a [M, D], b [N, D], both float32, then with `sameLabel` int32 labels
 * of a [M] and of b [N]; scalars: the factor f (1/τ). With s_ij = f a_i·b_j and candidates A(i) = all j, less j = i with
 * `excludeDiagonal`, and only y_j = y_i with `sameLabel`:
 * - `forward` → lse [M], lse_i = log Σ_{A(i)} exp s_ij (-Infinity when A(i) is empty);
 * - `rows` (after the inputs also lse [M] and g [M]) → da_i = f Σ_{A(i)} g_i exp(s_ij - lse_i) b_j;
 * - `columns` (likewise) → db_j = f Σ_{i: j in A(i)} g_i exp(s_ij - lse_i) a_i.
 */
export interface PairsKernel {
  /** The family. */
  readonly kind: "pairs";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** The log-sum-exp, or the gradient of rows or columns. */
  readonly direction: "forward" | "rows" | "columns";
  /** Whether j = i is left out. */
  readonly excludeDiagonal: boolean;
  /** Whether only equal labels are candidates. */
  readonly sameLabel: boolean;
}

/**
 * Picks along `dim`: inputs x and an int32 index of x's rank; output[i..] = x[.. index[i..] ..], in the index's shape, contiguous.
 * An index outside 0 … size-1 is an IndexError: at once on the CPU, at the next read on the GPU.
 */
export interface GatherKernel {
  /** The family. */
  readonly kind: "gather";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** The dim the index runs along. */
  readonly dim: number;
}

/**
 * The reverse: inputs index and src of one shape; out[.. index[i..] ..] (already filled, contiguous, read and written) is combined with
 * src[i..] along `dim`, in increasing position, so that the result is deterministic (`replace`: the last one stays).
 */
export interface ScatterKernel {
  /** The family. */
  readonly kind: "scatter";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** The dim the index runs along. */
  readonly dim: number;
  /** How a value joins what is there. */
  readonly combine: "sum" | "prod" | "max" | "min" | "replace";
}

/** Running sum, product, maximum or minimum along the last dim; the output is contiguous. */
export interface ScanKernel {
  /** The family. */
  readonly kind: "scan";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** What runs along. */
  readonly combine: "sum" | "prod" | "max" | "min";
}

/**
 * Stable sort along the last dim: values and their int32 positions, both contiguous. NaN counts as greatest. Where the outputs' last dim is
 * smaller than the input's, only as many of the first are wanted.
 */
export interface SortKernel {
  /** The family. */
  readonly kind: "sort";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** Whether the greatest comes first. */
  readonly descending: boolean;
}

/** What a custom kernel's CPU function sees of a view: contiguous elements, copied in, and out again for outputs. */
export interface HostView {
  /** The elements, row-major. */
  readonly data: TypedArray;
  /** The size of each dim. */
  readonly shape: readonly number[];
}

/**
 * A user's own kernel: a function for the CPU and, for WebGPU, WGSL with one storage binding per input (read) and per output
 * (read_write) in order, group 0, entry point `main`. Inputs are made contiguous first, outputs are contiguous.
 */
export interface CustomKernel {
  /** The family. */
  readonly kind: "custom";
  /** Equal keys mean equal kernels. */
  readonly key: string;
  /** Reads the inputs and fills the outputs. */
  readonly cpu: (inputs: readonly HostView[], outputs: readonly HostView[], scalars: readonly number[]) => void;
  /** The shader for given views; absent where WebGPU is not supported. */
  readonly wgsl?: (
    inputs: readonly View[],
    outputs: readonly View[],
  ) => { readonly source: string; readonly workgroups: readonly [number, number, number] };
}

/** Any kernel. `key` tells kernels apart: equal keys mean equal kernels, so that generated code is made once. */
export type Kernel =
  | MapKernel
  | ReduceKernel
  | RowKernel
  | MatmulKernel
  | ConvKernel
  | PoolKernel
  | PairsKernel
  | GatherKernel
  | ScatterKernel
  | ScanKernel
  | SortKernel
  | CustomKernel;

/** The kinds of kernels. */
export type KernelKind = Kernel["kind"];

/** A range of bytes to read back. */
export interface ReadRange {
  /** Where to read. */
  readonly storage: Storage;
  /** The first byte. */
  readonly byteOffset: number;
  /** How many bytes. */
  readonly byteLength: number;
}

/** Memory a backend holds. */
export interface BackendMemory {
  /** Bytes in storages that are in use. */
  readonly bytes: number;
  /** Bytes kept for reuse. */
  readonly pooledBytes: number;
}

/** One run of a program on a device, timed by the device's clock. A kernel takes one or several. */
export interface KernelRun {
  /** The kernel's family. */
  readonly kind: string;
  /** Which program, for people: the family, operations or sizes. */
  readonly label: string;
  /** When it began, in milliseconds after the first run of the profile. */
  readonly start: number;
  /** How long it took, in milliseconds. */
  readonly duration: number;
}

/**
 * How an adapter's kernels are written where there are several ways, by class of kernel: plain data that JSON keeps, for this adapter alone.
 */
export interface KernelChoices {
  /** Which adapter the choices were made for. */
  readonly adapter: string;
  /** What was chosen. */
  readonly choices: Readonly<Record<string, unknown>>;
}

/** What runs kernels: memory and one method per verb. Everything but `read` returns at once. */
export interface Backend {
  /** The device's name, as users write it: "cpu" or "webgpu". */
  readonly device: string;
  /** One line for people: which processor or adapter this is. */
  readonly description: string;
  /** Whether elements of this type can be stored and computed. */
  supports(dtype: DType): boolean;
  /** Takes memory; its content is undefined. Zero bytes are allowed. Throws OutOfMemoryError. */
  alloc(bytes: number): Storage;
  /** Gives memory back. Kernels already handed to `run` still see it. */
  free(storage: Storage): void;
  /** Copies host bytes in, in order with the kernels before and after. */
  write(storage: Storage, byteOffset: number, data: ArrayBufferView): void;
  /** Copies ranges out, after every kernel handed over so far. */
  read(ranges: readonly ReadRange[]): Promise<ArrayBuffer[]>;
  /** Runs a kernel. Views of zero elements may come; `scalars` fill the expressions' scalar slots. */
  run(kernel: Kernel, inputs: readonly View[], outputs: readonly View[], scalars: readonly number[]): void;
  /**
   * {@link run} with everything looked up in advance, for a kernel that runs again and again on the same views. Between runs a view may be
   * given another storage of the same size, as long as views of different storages stay so. May be absent.
   */
  prepare?(kernel: Kernel, inputs: readonly View[], outputs: readonly View[]): (scalars: readonly number[]) => void;
  /**
   * Times what runs from now on; the function it returns ends that and gives the runs in their order. Absent where a device cannot; throws
   * DeviceError where this one cannot.
   */
  startProfile?(): () => Promise<KernelRun[]>;
  /**
   * Notes the kernels that run from now on and that could be written in several ways. The function it returns ends that, times those ways for
   * about so many milliseconds, uses the fastest from then on, and gives all choices so far. Absent where there is nothing to choose.
   */
  startTuning?(): (milliseconds: number) => Promise<KernelChoices>;
  /** Takes choices made before; false, and none taken, when they are another adapter's. Throws ArgumentError for malformed ones. */
  useChoices?(choices: KernelChoices): boolean;
  /** Memory held now. */
  memory(): BackendMemory;
  /** Gives back what is kept for reuse; the backend stays usable. */
  trim(): void;
}
