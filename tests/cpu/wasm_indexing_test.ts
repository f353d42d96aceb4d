import { assertEquals, assertThrows } from "@std/assert";
import { CpuBackend } from "../../cpu/mod.ts";
import type { DType } from "../../tensor/dtype.ts";
import { IndexError } from "../../tensor/errors.ts";
import type { GatherKernel, ScanKernel, ScatterKernel, SortKernel } from "../../tensor/kernel.ts";
import { Host } from "./host.ts";
import { compare, dense, expanded, flipped, type Operand, permuted } from "./wasm_harness.ts";

function gather(dim: number): GatherKernel {
  return { kind: "gather", key: `gather ${dim}`, dim };
}

function scatter(dim: number, combine: ScatterKernel["combine"]): ScatterKernel {
  return { kind: "scatter", key: `scatter ${dim} ${combine}`, dim, combine };
}

/** A number that depends on its position alone. */
function hash(at: number): number {
  let bits = Math.imul(at + 1, 0x9e3779b9);
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  return (bits ^ (bits >>> 15)) >>> 0;
}

function values(dtype: DType, shape: readonly number[], seed: number): Operand {
  const special = [NaN, Infinity, -Infinity, -0, 0];
  return dense(dtype, shape, (i) => {
    const random = hash(i + seed * 1000003);
    if (dtype === "bool") return random % 2;
    if (dtype === "int32" || dtype === "uint32") return random % 5 === 0 ? random | 0 : random % 100;
    return random % 29 === 0 ? special[random % 5]! : (random / 2 ** 31 - 1) * 8;
  });
}

function indices(shape: readonly number[], size: number, seed: number): Operand {
  return dense("int32", shape, (i) => hash(i + seed * 7919) % size);
}

Deno.test("gather copies whole rows of every length and type", () => {
  for (const dtype of ["float32", "float64", "float16", "int32", "bool"] as const) {
    for (const width of [1, 2, 3, 5, 16, 17, 31, 64, 129, 300]) {
      const table = values(dtype, [7, width], width);
      const index = expanded(indices([9, 1], 7, 1), [9, width]);
      compare(gather(0), [table, index], [dense(dtype, [9, width], () => 0)], { label: `${dtype} ${width}` });
    }
  }
});

Deno.test("gather picks elements along every dim, through any strides", () => {
  for (const dtype of ["float32", "float64", "float16", "uint32"] as const) {
    for (const dim of [0, 1, 2]) {
      const x = values(dtype, [5, 6, 7], dim);
      const shape = [4, 5, 6];
      const index = indices(shape, [5, 6, 7][dim]!, 3);
      const output = dense(dtype, shape, () => 0);
      compare(gather(dim), [x, index], [output]);
      compare(gather(dim), [permuted(values(dtype, [7, 6, 5], 4), [2, 1, 0]), flipped(index, 1)], [output]);
      const turned = permuted(indices([6, 4, 5], [5, 6, 7][dim]!, 5), [1, 2, 0]);
      compare(gather(dim), [flipped(x, 2), turned], [output]);
    }
  }
  for (const count of [1, 3, 4, 5, 8, 1001]) {
    compare(gather(1), [values("float32", [3, 50], 1), indices([3, count], 50, 2)], [dense("float32", [3, count], () => 0)]);
  }
});

const combines = ["sum", "prod", "max", "min", "replace"] as const;

Deno.test("scatter combines in every type and way, along every dim, as the reference does", () => {
  for (const dtype of ["float32", "float64", "int32", "uint32", "bool"] as const) {
    for (const combine of combines) {
      for (const dim of [0, 1, 2]) {
        const shape = [4, 5, 6];
        const source = values(dtype, shape, 8);
        const target = values(dtype, [5, 6, 7], 9);
        const index = indices(shape, [5, 6, 7][dim]!, 2);
        compare(scatter(dim, combine), [index, source], [target]);
        compare(scatter(dim, combine), [flipped(index, dim), permuted(values(dtype, [6, 5, 4], 10), [2, 1, 0])], [target]);
        // One index along the dim: nothing is rounded twice.
        const narrow = shape.map((size, at) => at === dim ? 1 : size);
        compare(scatter(dim, combine), [indices(narrow, 5, 4), values(dtype, narrow, 11)], [target]);
      }
    }
  }
  compare(scatter(1, "replace"), [indices([3, 40], 6, 1), values("float16", [3, 40], 2)], [values("float16", [3, 6], 3)]);
});

Deno.test("scatter adds rows to few places and to many, short and long, in the order of the indices", () => {
  for (const [places, count] of [[3, 40], [5000, 300], [40000, 3]] as const) {
    for (const width of [1, 2, 3, 4, 7, 16, 19, 33]) {
      if (places * width > 200_000) continue;
      const index = expanded(indices([count, 1], places, 6), [count, width]);
      compare(scatter(0, "sum"), [index, values("float32", [count, width], 7)], [values("float32", [places, width], 8)]);
    }
  }
  const crowded = expanded(dense("int32", [400, 1], (i) => i % 17 === 0 ? i * 20 : 7), [400, 20]);
  compare(scatter(0, "sum"), [crowded, values("float32", [400, 20], 1)], [values("float32", [9000, 20], 2)]);
  // Rows in the middle: [3, 50, 8] into [3, 4000, 8].
  const middle = expanded(indices([1, 50, 1], 4000, 5), [3, 50, 8]);
  compare(scatter(1, "sum"), [middle, values("float32", [3, 50, 8], 6)], [values("float32", [3, 4000, 8], 7)]);
});

Deno.test("scatter adds to more places than it keeps sums for at once", () => {
  for (const width of [15, 16, 33]) {
    compare(scatter(0, "sum"), [indices([70, width], 3000, 1), values("float32", [70, width], 2)], [values("float32", [3000, width], 3)]);
    compare(scatter(0, "prod"), [indices([70, width], 9000, 1), values("float32", [70, width], 2)], [values("float32", [9000, width], 3)]);
  }
  compare(scatter(0, "sum"), [indices([90], 200_000, 1), values("float32", [90], 2)], [values("float32", [200_000], 3)]);
});

Deno.test("gather and scatter refuse a bad index wherever it stands, before anything is written", () => {
  const host = new Host(new CpuBackend());
  const count = 1027;
  for (const bad of [-1, 50, -2147483648, 2147483647]) {
    for (const at of [0, 2, 63, 64, 1023, 1024, 1026]) {
      const index = Array.from({ length: count }, (_, i) => i === at ? bad : i % 50);
      const message = `an index in 0 … 49 is needed along dim 0, got ${bad}`;
      const output = host.view("float32", [count], new Array(count).fill(5));
      const inputs = [host.view("float32", [50], new Array(50).fill(1)), host.view("int32", [count], index)];
      assertThrows(() => host.backend.run(gather(0), inputs, [output], []), IndexError, `Cannot gather [50]: ${message}`);
      const target = host.view("float32", [50], new Array(50).fill(5));
      const sources = [inputs[1]!, host.view("float32", [count], new Array(count).fill(1))];
      assertThrows(() => host.backend.run(scatter(0, "sum"), sources, [target], []), IndexError, `Cannot scatter [50]: ${message}`);
      assertEquals([...host.values(output), ...host.values(target)], new Array(count + 50).fill(5));
    }
  }
});

function sort(descending: boolean): SortKernel {
  return { kind: "sort", key: `sort ${descending}`, descending };
}

function sorted(x: Operand, wanted: number): [Operand, Operand] {
  const shape = [...x.shape.slice(0, -1), wanted];
  return [dense(x.dtype, shape, () => 0), dense("int32", shape, () => 0)];
}

Deno.test("sort orders rows of every length and type, stably, both ways, with NaN last and signed zeros equal", () => {
  for (const dtype of ["float32", "int32", "uint32", "bool"] as const) {
    for (const descending of [false, true]) {
      for (const count of [1, 2, 3, 47, 48, 49, 50, 255, 256, 257, 1000, 8191, 8192, 9000]) {
        const x = values(dtype, [2, count], count);
        compare(sort(descending), [x], sorted(x, count), { label: `${dtype} ${descending} ${count}` });
      }
    }
  }
});

Deno.test("sort gives only as many of the first as there is room for", () => {
  for (const dtype of ["float32", "int32", "uint32", "bool"] as const) {
    for (const descending of [false, true]) {
      for (const count of [1, 4, 15, 16, 17, 33, 100, 1001]) {
        const x = values(dtype, [3, count], count);
        for (const wanted of [0, 1, 2, 5, 16, 31, 32, 33, 64, 65, 250, 251, count]) {
          if (wanted > count) continue;
          compare(sort(descending), [x], sorted(x, wanted), { label: `${dtype} ${descending} ${wanted} of ${count}` });
        }
      }
    }
  }
  // Every element better than all before, and none.
  for (const f of [(i: number) => i, (i: number) => -i, () => 3, (i: number) => i % 3 === 0 ? NaN : -0]) {
    const x = dense("float32", [2, 500], f);
    for (const wanted of [1, 7, 40, 120]) compare(sort(true), [x], sorted(x, wanted));
  }
});

Deno.test("sort reads rows through any strides", () => {
  for (const dtype of ["float32", "bool"] as const) {
    for (const x of [permuted(values(dtype, [70, 5], 1), [1, 0]), flipped(values(dtype, [5, 70], 2), 1)]) {
      for (const wanted of [3, 70]) compare(sort(false), [x], sorted(x, wanted));
    }
    const deep = permuted(values(dtype, [4, 60, 3], 3), [2, 0, 1]);
    compare(sort(true), [deep], sorted(deep, 60));
    const repeated = expanded(values(dtype, [1, 60], 4), [5, 60]);
    compare(sort(true), [repeated], sorted(repeated, 60));
  }
});

Deno.test("sort orders rows that are too long for one thread", () => {
  for (const dtype of ["float32", "int32"] as const) {
    const x = values(dtype, [2, 70_001], 5);
    for (const wanted of [20, 4000, 40_000, 70_001]) compare(sort(wanted % 2 === 0), [x], sorted(x, wanted));
  }
});

const scans = ["sum", "prod", "max", "min"] as const;

function scan(combine: ScanKernel["combine"]): ScanKernel {
  return { kind: "scan", key: `scan ${combine}`, combine };
}

Deno.test("scan runs along rows of every length and type, as the reference does", () => {
  for (const dtype of ["float32", "float64", "int32", "uint32"] as const) {
    for (const combine of scans) {
      for (const count of [1, 2, 3, 4, 5, 7, 8, 33, 100]) {
        for (const rows of [1, 3, 4, 5, 9]) {
          compare(scan(combine), [values(dtype, [rows, count], count + rows)], [dense(dtype, [rows, count], () => 0)]);
          const plain = dense(dtype, [rows, count], (i) => dtype.startsWith("float") ? Math.sin(i) : hash(i));
          compare(scan(combine), [plain], [dense(dtype, [rows, count], () => 0)]);
        }
      }
    }
  }
});

Deno.test("scan reads rows through any strides", () => {
  for (const combine of scans) {
    for (const x of [permuted(values("float32", [70, 5], 1), [1, 0]), flipped(values("float32", [5, 70], 2), 1)]) {
      compare(scan(combine), [x], [dense("float32", [5, 70], () => 0)]);
    }
    compare(scan(combine), [expanded(values("int32", [1, 60], 4), [5, 60])], [dense("int32", [5, 60], () => 0)]);
  }
});

Deno.test("scan cuts long rows where that changes no result by more than a rounding", () => {
  for (const dtype of ["float32", "int32", "uint32"] as const) {
    for (const combine of scans) {
      for (const [rows, count] of [[1, 16384], [1, 16385], [3, 20_000], [5, 32_768], [1, 100_001]] as const) {
        const x = dense(dtype, [rows, count], (i) => dtype === "float32" ? 1 + Math.sin(i) / 1000 : hash(i));
        // A float32 sum is rounded once from float64, which another order changes in its last bits: at most one step of float32.
        compare(scan(combine), [x], [dense(dtype, [rows, count], () => 0)], {
          tolerance: dtype === "float32" && combine === "sum" ? 2 ** -23 : 0,
        });
      }
    }
  }
});

Deno.test("scan of a long row keeps NaN and infinities from where they occur, and products that leave the range come back as they should", () => {
  for (const [first, second] of [[NaN, 1], [Infinity, 1], [Infinity, -Infinity], [-Infinity, 5]] as const) {
    const x = dense("float32", [1, 50_000], (i) => i === 17_000 ? first : i === 33_000 ? second : 0.25);
    for (const combine of scans) compare(scan(combine), [x], [dense("float32", [1, 50_000], () => 0)]);
  }
  const swinging = dense("float32", [1, 40_000], (i) => i < 2000 ? 0.125 : i < 20_000 ? 8 : 0.25);
  compare(scan("prod"), [swinging], [dense("float32", [1, 40_000], () => 0)]);
});
