import { assert, assertEquals, assertThrows } from "@std/assert";
import { CpuBackend } from "../../cpu/mod.ts";
import type { DType } from "../../tensor/dtype.ts";
import { IndexError } from "../../tensor/errors.ts";
import type { CustomKernel, GatherKernel, ScanKernel, ScatterKernel, SortKernel } from "../../tensor/kernel.ts";
import { expanded, flipped, Host, numbers, permuted } from "./host.ts";

const host = new Host();

/** The reference and the default backend, which moves and sorts elements of 32 bits in its own way. */
function eachBackend(name: string, body: (host: Host) => void): void {
  Deno.test(`${name} (reference)`, () => body(host));
  Deno.test(`${name} (cpu)`, () => body(new Host(new CpuBackend())));
}

function gather(dim: number): GatherKernel {
  return { kind: "gather", key: `gather${dim}`, dim };
}

function scatter(dim: number, combine: ScatterKernel["combine"]): ScatterKernel {
  return { kind: "scatter", key: `scatter${dim}${combine}`, dim, combine };
}

function scan(combine: ScanKernel["combine"]): ScanKernel {
  return { kind: "scan", key: `scan${combine}`, combine };
}

function sort(descending: boolean): SortKernel {
  return { kind: "sort", key: `sort${descending}`, descending };
}

eachBackend("gather picks along each dim, with an index smaller than x elsewhere", (host) => {
  const x = host.view("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
  const rows = host.view("int32", [2, 2], [1, 0, 0, 0]);
  assertEquals(host.run(gather(0), [x, rows], [["float32", [2, 2]]]), [[4, 2, 1, 2]]);
  assertEquals(host.run(gather(1), [x, rows], [["float32", [2, 2]]]), [[2, 1, 4, 4]]);
  assertEquals(host.run(gather(1), [flipped(x, 1), flipped(rows, 1)], [["float32", [2, 2]]]), [[3, 2, 6, 6]]);
  assertEquals(host.run(gather(0), [permuted(x, [1, 0]), host.view("int32", [1, 2], [2, 1])], [["float32", [1, 2]]]), [[3, 5]]);
});

eachBackend("gather looks rows up by an expanded index, as an embedding does", (host) => {
  const table = host.view("float64", [3, 2], [1, 2, 3, 4, 5, 6]);
  const index = expanded(host.view("int32", [4, 1], [2, 0, 2, 1]), [4, 2]);
  assertEquals(host.run(gather(0), [table, index], [["float64", [4, 2]]]), [[5, 6, 1, 2, 5, 6, 3, 4]]);
});

eachBackend("gather refuses indices outside the dim and takes empty and 0-d ones", (host) => {
  const x = host.view("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
  for (const bad of [3, -1]) {
    const index = host.view("int32", [1, 2], [0, bad]);
    const message = `Cannot gather [2, 3]: an index in 0 … 2 is needed along dim 1, got ${bad}`;
    assertThrows(() => host.run(gather(1), [x, index], [["float32", [1, 2]]]), IndexError, message);
  }
  assertEquals(host.run(gather(1), [x, host.view("int32", [2, 0])], [["float32", [2, 0]]]), [[]]);
  assertEquals(host.run(gather(0), [host.view("float32", [], [7]), host.view("int32", [], [0])], [["float32", []]]), [[7]]);
});

eachBackend("scatter combines in increasing position, where several sources meet", (host) => {
  const index = host.view("int32", [5], [1, 0, 1, 1, 2]);
  const source = host.view("float32", [5], [1, 2, 3, 4, NaN]);
  const expected = {
    sum: [12, 18, NaN, 10],
    prod: [20, 120, NaN, 10],
    max: [10, 10, NaN, 10],
    min: [2, 1, NaN, 10],
    replace: [2, 4, NaN, 10],
  };
  for (const combine of ["sum", "prod", "max", "min", "replace"] as const) {
    const target = host.view("float32", [4], [10, 10, 10, 10]);
    host.backend.run(scatter(0, combine), [index, source], [target], []);
    assertEquals(host.values(target), expected[combine], combine);
  }
});

eachBackend("scatter works along each dim, on whole numbers and any strides", (host) => {
  const target = host.view("int32", [2, 3], [0, 0, 0, 0, 0, 0]);
  const index = permuted(host.view("int32", [2, 2], [0, 2, 2, 2]), [1, 0]); // [[0, 2], [2, 2]]
  const source = flipped(host.view("int32", [2, 2], [1, 2, 3, 2147483647]), 1); // [[2, 1], [2147483647, 3]]
  host.backend.run(scatter(1, "sum"), [index, source], [target], []);
  assertEquals(host.values(target), [2, 0, 1, 0, 0, (2147483647 + 3) | 0]);
  const rows = host.view("int32", [3, 2], [0, 0, 0, 0, 0, 0]);
  host.backend.run(scatter(0, "replace"), [index, source], [rows], []);
  assertEquals(host.values(rows), [2, 0, 0, 0, 2147483647, 3]);
});

eachBackend("scatter rounds a float32 sum once", (host) => {
  const target = host.view("float32", [1], [16777216]);
  host.backend.run(scatter(0, "sum"), [host.view("int32", [2], [0, 0]), host.view("float32", [2], [1, 1])], [target], []);
  assertEquals(host.values(target), [16777218]);
});

eachBackend("scatter refuses a bad index before anything is written", (host) => {
  const target = host.view("float64", [2], [1, 1]);
  const inputs = [host.view("int32", [3], [0, 1, 2]), host.view("float64", [3], [5, 5, 5])];
  assertThrows(() => host.backend.run(scatter(0, "sum"), inputs, [target], []), IndexError, "Cannot scatter [2]");
  assertEquals(host.values(target), [1, 1]);
});

eachBackend("scan runs along the last dim, from any strides", (host) => {
  const x = host.view("float32", [2, 3], [1, 3, 2, 4, -1, 6]);
  assertEquals(host.run(scan("sum"), [x], [["float32", [2, 3]]]), [[1, 4, 6, 4, 3, 9]]);
  assertEquals(host.run(scan("prod"), [x], [["float32", [2, 3]]]), [[1, 3, 6, 4, -4, -24]]);
  assertEquals(host.run(scan("max"), [x], [["float32", [2, 3]]]), [[1, 3, 3, 4, 4, 6]]);
  assertEquals(host.run(scan("min"), [flipped(x, 1)], [["float32", [2, 3]]]), [[2, 2, 1, 6, -1, -1]]);
  assertEquals(host.run(scan("sum"), [permuted(x, [1, 0])], [["float32", [3, 2]]]), [[1, 5, 3, 2, 2, 8]]);
});

eachBackend("scan keeps NaN from where it occurs, wraps whole numbers, rounds each sum once, and takes empty rows", (host) => {
  const broken = host.view("float32", [3], [1, NaN, 5]);
  for (const combine of ["sum", "prod", "max", "min"] as const) {
    assertEquals(host.run(scan(combine), [broken], [["float32", [3]]]), [[1, NaN, NaN]]);
  }
  assertEquals(host.run(scan("sum"), [host.view("int32", [2], [2147483647, 1])], [["int32", [2]]]), [[2147483647, -2147483648]]);
  assertEquals(host.run(scan("sum"), [host.view("float32", [3], [16777216, 1, 1])], [["float32", [3]]]), [[16777216, 16777216, 16777218]]);
  assertEquals(host.run(scan("sum"), [host.view("float32", [2, 0])], [["float32", [2, 0]]]), [[]]);
  assertEquals(host.run(scan("sum"), [host.view("float32", [], [3])], [["float32", []]]), [[3]]);
});

eachBackend("sort orders stably in both directions, with NaN as the greatest", (host) => {
  const x = host.view("float32", [6], [2, NaN, 1, 2, -Infinity, NaN]);
  const outputs = [["float32", [6]], ["int32", [6]]] as const;
  assertEquals(host.run(sort(false), [x], outputs), [[-Infinity, 1, 2, 2, NaN, NaN], [4, 2, 0, 3, 1, 5]]);
  assertEquals(host.run(sort(true), [x], outputs), [[NaN, NaN, 2, 2, 1, -Infinity], [1, 5, 0, 3, 2, 4]]);
});

eachBackend("sort works row by row, from any strides, on every type, and on empty rows", (host) => {
  const x = permuted(host.view("uint32", [3, 2], [4294967295, 5, 1, 5, 2, 4]), [1, 0]); // rows (max, 1, 2), (5, 5, 4)
  assertEquals(host.run(sort(false), [x], [["uint32", [2, 3]], ["int32", [2, 3]]]), [[1, 2, 4294967295, 4, 5, 5], [1, 2, 0, 2, 0, 1]]);
  assertEquals(host.run(sort(false), [host.view("float32", [3, 0])], [["float32", [3, 0]], ["int32", [3, 0]]]), [[], []]);
  assertEquals(host.run(sort(true), [host.view("bool", [3], [0, 1, 0])], [["bool", [3]], ["int32", [3]]]), [[1, 0, 0], [1, 0, 2]]);
});

Deno.test("sort agrees with the reference on rows short and long, in every type and direction", () => {
  const fast = new Host(new CpuBackend());
  for (const count of [1, 2, 47, 48, 1000]) {
    for (const dtype of ["float32", "int32", "uint32", "bool"] as DType[]) {
      const raw = numbers(2 * count, count).map((value, at) => at % 11 === 3 ? NaN : Math.round(value * 40) * (at % 7 === 1 ? 1e7 : 0.25));
      const values = dtype === "float32" ? raw : raw.map((value) => dtype === "bool" ? Number(value > 0) : Math.round(value) || 0);
      for (const descending of [false, true]) {
        const outputs = [[dtype, [2, count]], ["int32", [2, count]]] as const;
        const [expected, actual] = [host, fast].map((each) => {
          return each.run(sort(descending), [permuted(each.view(dtype, [count, 2], values), [1, 0])], outputs);
        });
        assertEquals(actual, expected, `${count} ${dtype} ${descending}`);
      }
    }
  }
});

Deno.test("gather and scatter agree with the reference over dims, strides and types", () => {
  const fast = new Host(new CpuBackend());
  const shape = [4, 5, 6];
  const picks = numbers(4 * 5 * 6, 9).map((value) => Math.floor((value + 1) * 2));
  for (const dim of [0, 1, 2]) {
    for (const dtype of ["float32", "int32", "float16", "float64"] as DType[]) {
      const small = [2, 3, 4];
      const results = [host, fast].map((each) => {
        const x = permuted(each.view(dtype, [6, 5, 4], numbers(120, 2).map((value) => Math.round(value * 100))), [2, 1, 0]);
        const index = flipped(each.view("int32", small, picks.slice(0, 24)), 1);
        const target = each.view(dtype, shape, numbers(120, 3).map((value) => Math.round(value * 100)));
        const source = flipped(each.view(dtype, small, numbers(24, 4).map((value) => Math.round(value * 100))), 2);
        each.backend.run(scatter(dim, "sum"), [index, source], [target], []);
        return [...each.run(gather(dim), [x, index], [[dtype, small]]), each.values(target)];
      });
      assertEquals(results[1], results[0], `${dtype} dim ${dim}`);
    }
  }
});

Deno.test("scatter adds rows of a gradient to the table's, repeated rows too", () => {
  const fast = new Host(new CpuBackend());
  const table = fast.view("float32", [5, 2], new Array(10).fill(1));
  const index = expanded(fast.view("int32", [3, 1], [4, 0, 4]), [3, 2]);
  fast.backend.run(scatter(0, "sum"), [index, fast.view("float32", [3, 2], [1, 2, 3, 4, 5, 6])], [table], []);
  assertEquals(fast.values(table), [4, 5, 1, 1, 1, 1, 1, 1, 7, 9]);
});

Deno.test("custom hands contiguous copies to the function and stores what it leaves in the outputs", () => {
  const x = host.view("float32", [2, 2], [1, 2, 3, 4]);
  const target = host.view("float32", [2, 2], [9, 9, 9, 9]);
  const kernel: CustomKernel = {
    kind: "custom",
    key: "twice",
    cpu: ([input], [output, flags], scalars) => {
      assertEquals(input!.shape, [2, 2]);
      input!.data.forEach((value, at) => output!.data[at] = value * scalars[0]!);
      flags!.data.fill(3);
      input!.data.fill(0);
    },
  };
  const flags = host.view("bool", [1], [0]);
  host.backend.run(kernel, [permuted(x, [1, 0])], [permuted(target, [1, 0]), flags], [10]);
  assertEquals(host.values(target), [10, 20, 30, 40]);
  assertEquals(host.values(x), [1, 2, 3, 4]);
  assertEquals(host.values(flags), [1]);
});

Deno.test("custom leaves the outputs as they were when the function throws", () => {
  const target = host.view("float64", [2], [1, 2]);
  const kernel: CustomKernel = {
    kind: "custom",
    key: "throws",
    cpu: (_, [output]) => {
      assert(output!.data[1] === 2);
      output!.data.fill(0);
      throw new RangeError("no");
    },
  };
  assertThrows(() => host.backend.run(kernel, [], [target], []), RangeError, "no");
  assertEquals(host.values(target), [1, 2]);
});
