import { assert, assertEquals, assertThrows } from "@std/assert";
import { CpuBackend } from "../../cpu/mod.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { apply, cast, expression, index, input, result, scalar } from "../../tensor/expr.ts";
import type { ConvKernel, Kernel, PairsKernel, PoolKernel, ScatterKernel } from "../../tensor/kernel.ts";
import { expanded, type Output, permuted, random, run, type Sample, stepped, whole } from "./compare.ts";
import { ignoreWithout } from "../permissions.ts";

/** One backend per number of threads, all of them at work from the first kernel on. */
const backends = [1, 2, 3, 4].map((threads) => new CpuBackend({ threads }));
for (const backend of backends.slice(1)) backend.startThreads();

/** Demands the same bits from every number of threads, again and again. */
async function same(kernel: Kernel, inputs: readonly Sample[], outputs: readonly Output[], scalars: readonly number[] = []): Promise<void> {
  const [single, ...others] = backends;
  const expected = (await run(single!, kernel, inputs, outputs, scalars)).map(bits);
  for (const backend of others) {
    for (let time = 0; time < 3; time++) {
      const actual = (await run(backend, kernel, inputs, outputs, scalars)).map(bits);
      actual.forEach((words, at) => {
        const place = words.findIndex((word, position) => word !== expected[at]![position]);
        assert(place < 0, `${kernel.key}, output ${at}: element ${place} depends on the threads`);
      });
    }
  }
}

function bits(data: ArrayBufferView): Uint32Array {
  return new Uint32Array(data.buffer, data.byteOffset, data.byteLength / 4);
}

const matmul: Kernel = { kind: "matmul", key: "matmul" };
const x = input(0, "float32");

Deno.test("CpuBackend starts its threads, and refuses a number of threads that makes no sense", async () => {
  const running = () => backends.map(({ threads }) => threads);
  for (let wait = 0; wait < 1000 && running().join() !== "1,2,3,4"; wait++) await new Promise((done) => setTimeout(done, 10));
  assertEquals(running(), [1, 2, 3, 4]);
  assertEquals(backends[0]!.startThreads(), false);
  for (const threads of [0, -1, 1.5, NaN]) assertThrows(() => new CpuBackend({ threads }), ArgumentError, "whole number of threads");
});

Deno.test("CpuBackend counts no memory of its threads as the program's", async () => {
  await same(matmul, [random(300, 301), random(301, 302)], [{ shape: [300, 302] }]);
  for (const backend of backends) {
    // Takes the scratch memory that a product needs on this thread, by one too short to be shared: after a long wait for another thread the
    // next products run here alone.
    await run(backend, matmul, [random(144, 300), random(300, 9)], [{ shape: [144, 9] }]);
    const before = backend.memory().bytes;
    await run(backend, matmul, [random(600, 300), random(300, 200)], [{ shape: [600, 200] }]);
    await run(backend, matmul, [random(600, 300), random(300, 200)], [{ shape: [600, 200] }]);
    const after = backend.memory().bytes;
    await run(backend, matmul, [random(600, 300), random(300, 200)], [{ shape: [600, 200] }]);
    assertEquals(backend.memory().bytes, after);
    assert(before <= after);
  }
});

Deno.test("CpuBackend's threads see memory that grew while they started, and none is lost", async () => {
  const inputs = [random(200, 100), random(100, 300)];
  const outputs = [{ shape: [200, 300] }];
  const [expected] = (await run(backends[0]!, matmul, inputs, outputs)).map(bits);
  for (let start = 0; start < 10; start++) {
    const backend = new CpuBackend({ threads: 3 });
    backend.startThreads();
    // No turn of the event loop until the threads run; operands lie where there was no memory when they were started.
    for (let growth = 0, later = 0; later < 40 && growth < 1000; growth++) {
      if (backend.threads === 3) later++;
      backend.alloc(2_000_000);
      const [actual] = (await run(backend, matmul, inputs, outputs)).map(bits);
      assertEquals(actual!.findIndex((word, position) => word !== expected![position]), -1);
    }
    assertEquals(backend.threads, 3);
  }
});

Deno.test("matmul gives the same bits on any number of threads", async () => {
  for (
    const [rows, depth, columns] of [[131, 300, 97], [64, 784, 512], [67, 1300, 203], [2100, 40, 33], [9, 2500, 2100], [
      300,
      8,
      300,
    ]] as const
  ) {
    await same(matmul, [random(rows, depth), random(depth, columns)], [{ shape: [rows, columns] }]);
    await same(matmul, [permuted(random(depth, rows), 1, 0), permuted(random(columns, depth), 1, 0)], [{ shape: [rows, columns] }]);
  }
  await same(matmul, [random(1, 2000), random(2000, 1001)], [{ shape: [1, 1001] }]);
  await same(matmul, [random(1, 2000), permuted(random(1001, 2000), 1, 0)], [{ shape: [1, 1001] }]);
  await same(matmul, [random(1003, 1500), random(1500, 1)], [{ shape: [1003, 1] }]);
});

Deno.test("matmul over batches gives the same bits on any number of threads", async () => {
  await same(matmul, [random(24, 33, 64), random(24, 64, 35)], [{ shape: [24, 33, 35] }]);
  await same(matmul, [random(5, 1, 200), random(5, 200, 1000)], [{ shape: [5, 1, 1000] }]);
  await same(matmul, [random(3, 300, 310), random(3, 310, 320)], [{ shape: [3, 300, 320] }]);
  const epilogue = expression([
    apply("max", apply("add", apply("mul", result(0, "float32"), scalar(0, "float32")), input(2, "float32")), 0),
  ]);
  const kernel: Kernel = { kind: "matmul", key: "matmul with epilogue", epilogue };
  await same(kernel, [random(500, 100), random(100, 400), expanded(random(400), 0, 500)], [{ shape: [500, 400] }], [0.5]);
});

Deno.test("map gives the same bits on any number of threads, whatever the layout", async () => {
  const tanh: Kernel = { kind: "map", key: "threads tanh", expr: expression([apply("tanh", x)]) };
  await same(tanh, [random(100_003)], [{ shape: [100_003] }]);
  await same(tanh, [permuted(random(301, 403), 1, 0)], [{ shape: [403, 301] }]);
  await same(tanh, [permuted(random(7, 90, 130), 2, 0, 1)], [{ shape: [130, 7, 90] }]);
  await same(tanh, [stepped(random(200_006), 0, 2)], [{ shape: [100_003] }]);
  await same(tanh, [stepped(random(3, 60_000), 1, 2)], [{ shape: [3, 30_000] }]);
  const twice: Kernel = {
    kind: "map",
    key: "threads add and mul",
    expr: expression([apply("add", apply("mul", x, scalar(0, "float32")), input(1, "float32")), apply("mul", x, input(1, "float32"))]),
  };
  await same(twice, [random(300, 700), expanded(random(700), 0, 300)], [{ shape: [300, 700] }, { shape: [300, 700] }], [0.3]);
  await same(twice, [random(2, 90_000), expanded(random(2), 1, 90_000)], [{ shape: [2, 90_000] }, { shape: [2, 90_000] }], [0.3]);
});

Deno.test("map gives the same positions on any number of threads", async () => {
  const value = apply("add", apply("mul", cast(index(), "float32"), 0.5), apply("sin", x));
  const kernel: Kernel = { kind: "map", key: "threads index", expr: expression([value]) };
  await same(kernel, [random(100_003)], [{ shape: [100_003] }]);
  await same(kernel, [permuted(random(301, 403), 1, 0)], [{ shape: [403, 301] }]);
  await same(kernel, [stepped(random(3, 60_000), 1, 2)], [{ shape: [3, 30_000] }]);
  const [positions] = await run(backends[3]!, { ...kernel, key: "threads positions", expr: expression([index()]) }, [], [
    { shape: [2_000_000], dtype: "uint32" },
  ]);
  assert(positions!.every((position, at) => position === at));
});

Deno.test("reduce and row give the same bits on any number of threads, along rows and across them", async () => {
  for (const combine of ["sum", "max", "argmax", "prod"] as const) {
    const kernel: Kernel = { kind: "reduce", key: `threads ${combine}`, reduced: 1, combine, prologue: expression([x]) };
    const dtype = combine === "argmax" ? "int32" : "float32";
    await same(kernel, [random(700, 333)], [{ shape: [700], dtype }]);
    await same(kernel, [permuted(random(333, 1050), 1, 0)], [{ shape: [1050], dtype }]);
    await same(kernel, [permuted(random(30, 70, 41, 2), 1, 3, 0, 2)], [{ shape: [70, 2, 30], dtype }]);
    await same({ ...kernel, key: `threads ${combine} 3`, reduced: 3 }, [permuted(random(16, 24, 20, 20), 1, 0, 2, 3)], [{
      shape: [24],
      dtype,
    }]);
    await same(kernel, [random(1_000_003)], [{ shape: [], dtype }]);
  }
  const exponential = apply("exp", apply("sub", x, result(0, "float32")));
  const softmax: Kernel = {
    kind: "row",
    key: "threads softmax",
    reduced: 1,
    stages: [{ combine: "max", expr: expression([x]) }, { combine: "sum", expr: expression([exponential]) }],
    outputs: [
      { per: "element", expr: expression([apply("div", exponential, result(1, "float32"))]) },
      { per: "row", expr: expression([apply("log", result(1, "float32"))]) },
    ],
  };
  await same(softmax, [random(500, 200)], [{ shape: [500, 200] }, { shape: [500] }]);
  await same(softmax, [permuted(random(200, 501), 1, 0)], [{ shape: [501, 200] }, { shape: [501] }]);
  await same(softmax, [permuted(random(9, 200, 50), 0, 2, 1)], [{ shape: [9, 50, 200] }, { shape: [9, 50] }]);
});

Deno.test("conv gives the same bits on any number of threads, over batches and within images", async () => {
  const settings = [
    { x: [33, 8, 14, 14], w: [20, 8, 3, 3] },
    { x: [2, 24, 40, 37], w: [16, 24, 3, 3], stride: 2 },
    { x: [1, 16, 61, 60], w: [24, 16, 3, 3], dilation: 2 },
    { x: [1, 64, 40, 40], w: [48, 64, 1, 1], padding: 0 },
    { x: [64, 1, 28, 28], w: [32, 1, 3, 3] },
    { x: [4, 48, 30, 30], w: [48, 1, 3, 3], groups: 48 },
    { x: [6, 24, 20, 20], w: [30, 8, 3, 3], groups: 3 },
    { x: [16, 64, 4, 4], w: [130, 64, 3, 3] },
    { x: [3, 16, 3000], w: [16, 16, 5], padding: 2 },
  ];
  for (const { x, w, stride = 1, padding = 1, dilation = 1, groups = 1 } of settings) {
    const [image, size] = [x.slice(2), w.slice(2)];
    const both = (value: number) => image.map(() => value);
    const output = image.map((n, dim) => Math.floor((n + 2 * padding - dilation * (size[dim]! - 1) - 1) / stride) + 1);
    const y = [x[0]!, w[0]!, ...output];
    for (const direction of ["forward", "input", "weight"] as const) {
      const key = `threads conv ${direction} ${[x, w, stride, padding, dilation, groups].join()}`;
      const kernel: ConvKernel = {
        kind: "conv",
        key,
        direction,
        groups,
        stride: both(stride),
        padding: both(padding),
        dilation: both(dilation),
      };
      const shapes = { forward: [x, w, y], input: [y, w, x], weight: [x, y, w] }[direction];
      await same(kernel, [random(...shapes[0]!), random(...shapes[1]!)], [{ shape: shapes[2]! }]);
    }
  }
});

Deno.test("pool gives the same bits on any number of threads", async () => {
  for (const mode of ["max", "average"] as const) {
    const geometry = { mode, size: [3, 2], stride: [2, 2], padding: [1, 0], dilation: [1, 1], countPadding: false } as const;
    const forward: PoolKernel = { kind: "pool", key: `threads pool ${mode}`, direction: "forward", ...geometry };
    const backward: PoolKernel = { kind: "pool", key: `threads pool ${mode} backward`, direction: "backward", ...geometry };
    const pooled = { shape: [16, 24, 15, 15] };
    const isMax = mode === "max";
    await same(forward, [random(16, 24, 29, 30)], isMax ? [pooled, { ...pooled, dtype: "int32" }] : [pooled]);
    const places = whole(Array.from({ length: 16 * 24 * 15 * 15 }, (_, at) => at % 7 === 0 ? -1 : at * 37 % 870), ...pooled.shape);
    await same(backward, [random(...pooled.shape), ...(isMax ? [places] : [])], [{ shape: [16, 24, 29, 30] }]);
  }
});

Deno.test("pairs gives the same bits on any number of threads, forward and backward", async () => {
  for (const [rows, columns, depth] of [[700, 700, 33], [301, 1100, 64], [1, 5000, 40]] as const) {
    const square = rows === columns;
    const inputs = [random(rows, depth), permuted(random(depth, columns), 1, 0)];
    for (const sameLabel of [false, true]) {
      const labels = sameLabel ? [rows, columns].map((size) => whole(Array.from({ length: size }, (_, at) => at % 7), size)) : [];
      const kernel = (direction: PairsKernel["direction"]): PairsKernel => ({
        kind: "pairs",
        key: `threads pairs ${direction} ${square} ${sameLabel}`,
        direction,
        excludeDiagonal: square,
        sameLabel,
      });
      await same(kernel("forward"), [...inputs, ...labels], [{ shape: [rows] }], [2]);
      const saved = [random(rows), random(rows)];
      await same(kernel("rows"), [...inputs, ...labels, ...saved], [{ shape: [rows, depth] }], [2]);
      await same(kernel("columns"), [...inputs, ...labels, ...saved], [{ shape: [columns, depth] }], [2]);
    }
  }
});

Deno.test("gather and scatter give the same bits on any number of threads, over rows, columns and single elements", async () => {
  const positions = (size: number, ...shape: number[]) =>
    whole(Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, at) => (Math.imul(at, 2654435761) >>> 0) % size), ...shape);
  const gather = (dim: number): Kernel => ({ kind: "gather", key: `threads gather ${dim}`, dim });
  const scatter = (dim: number, combine: ScatterKernel["combine"]): Kernel => {
    return { kind: "scatter", key: `threads scatter ${dim} ${combine}`, dim, combine };
  };
  const initial = (size: number) => new Float32Array(size).map((_, at) => Math.sin(at));
  await same(gather(0), [random(900, 70), expanded(positions(900, 5000), 1, 70)], [{ shape: [5000, 70] }]);
  await same(gather(1), [random(300, 211), positions(211, 300, 1003)], [{ shape: [300, 1003] }]);
  await same(gather(0), [random(211, 1003), positions(211, 300, 1003)], [{ shape: [300, 1003] }]);
  await same(gather(0), [random(5000), positions(5000, 300_001)], [{ shape: [300_001] }]);
  await same(gather(1), [permuted(random(40, 30, 500), 1, 0, 2), positions(40, 30, 20, 500)], [{ shape: [30, 20, 500] }]);
  for (const places of [10, 3000]) {
    const target = { shape: [places, 70], initial: initial(places * 70) };
    await same(scatter(0, "sum"), [expanded(positions(places, 20_000), 1, 70), random(20_000, 70)], [target]);
    await same(scatter(0, "sum"), [expanded(positions(7, 20_000), 1, 70), random(20_000, 70)], [target]);
  }
  for (const combine of ["sum", "prod", "max", "replace"] as const) {
    const target = (...shape: number[]) => [{ shape, initial: initial(shape.reduce((a, b) => a * b, 1)) }];
    await same(scatter(1, combine), [positions(211, 300, 1003), random(300, 1003)], target(300, 211));
    await same(scatter(0, combine), [positions(211, 1003, 300), random(1003, 300)], target(211, 300));
    await same(scatter(0, combine), [positions(9001, 60, 150), random(60, 150)], target(9001, 150));
    await same(scatter(0, combine), [positions(100, 300_001), random(300_001)], target(100));
  }
});

Deno.test("sort gives the same bits on any number of threads, by rows and within a row", async () => {
  for (const descending of [false, true]) {
    const kernel: Kernel = { kind: "sort", key: `threads sort ${descending}`, descending };
    const outputs = (...shape: number[]): Output[] => [{ shape }, { shape, dtype: "int32" }];
    await same(kernel, [random(301, 1000)], outputs(301, 1000));
    await same(kernel, [permuted(random(9000, 11), 1, 0)], outputs(11, 9000));
    await same(kernel, [random(301, 1000)], outputs(301, 7));
    await same(kernel, [random(301, 1000)], outputs(301, 100));
    await same(kernel, [random(200_003)], outputs(200_003));
    await same(kernel, [random(200_003)], outputs(1003));
  }
});

Deno.test("scan gives the same bits on any number of threads, over rows and within one", async () => {
  for (const combine of ["sum", "prod", "max"] as const) {
    const kernel: Kernel = { kind: "scan", key: `threads scan ${combine}`, combine };
    await same(kernel, [random(301, 1000)], [{ shape: [301, 1000] }]);
    await same(kernel, [permuted(random(1000, 103), 1, 0)], [{ shape: [103, 1000] }]);
    await same(kernel, [random(300_003)], [{ shape: [300_003] }]);
    await same(kernel, [random(3, 70_001)], [{ shape: [3, 70_001] }]);
  }
});

Deno.test("CpuBackend uses the processors unless told otherwise, and starts no thread before there is work", () => {
  const named = Deno.permissions.querySync({ name: "env", variable: "TANDEM_THREADS" }).state === "granted"
    ? Number(Deno.env.get("TANDEM_THREADS") ?? NaN)
    : NaN;
  const expected = named >= 1 ? named : Math.min(8, navigator.hardwareConcurrency);
  const backend = new CpuBackend();
  const where = expected > 1 && backend.heap.shared ? `up to ${expected} threads` : "this processor";
  assertEquals([backend.description, backend.threads], [`WebAssembly SIMD on ${where}`, 1]);
});

const ignore = ignoreWithout("read", "write", "run");

Deno.test("a program whose threads were started ends by itself, without any permission", { ignore }, async () => {
  const code = `
    import { CpuBackend } from ${JSON.stringify(new URL("../../cpu/mod.ts", import.meta.url).href)};
    const backend = new CpuBackend({ threads: 2 });
    const view = (data) => {
      const storage = backend.alloc(data.length * 4);
      backend.write(storage, 0, data);
      return { storage, dtype: "float32", shape: [256, 256], strides: [256, 1], offset: 0 };
    };
    const [a, b, c] = [1, 1, 0].map((value) => view(new Float32Array(65536).fill(value)));
    for (let step = 0; step < 100; step++) backend.run({ kind: "matmul", key: "matmul" }, [a, b], [c], []);
    const [bytes] = await backend.read([{ storage: c.storage, byteOffset: 0, byteLength: 4 }]);
    console.log(new Float32Array(bytes)[0], backend.startThreads());
  `;
  const file = await Deno.makeTempFile({ suffix: ".js" });
  try {
    await Deno.writeTextFile(file, code);
    const { code: status, stdout } = await new Deno.Command(Deno.execPath(), { args: ["run", "--no-check", "--no-prompt", file] }).output();
    assertEquals([status, new TextDecoder().decode(stdout).trim()], [0, "256 true"]);
  } finally {
    await Deno.remove(file);
  }
});
