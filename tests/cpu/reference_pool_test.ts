import { assertEquals } from "@std/assert";
import type { PoolKernel } from "../../tensor/kernel.ts";
import { flipped, Host, permuted } from "./host.ts";

const host = new Host();

function pool(mode: PoolKernel["mode"], direction: PoolKernel["direction"], options: Partial<PoolKernel> = {}): PoolKernel {
  const geometry = { size: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1], countPadding: true };
  return { kind: "pool", key: mode + direction + JSON.stringify(options), mode, direction, ...geometry, ...options };
}

const image = host.view("float32", [1, 1, 4, 4], [1, 2, 3, 4, 8, 7, 6, 5, 9, 9, 0, -1, 9, 9, -2, 0]);

Deno.test("pool takes the maximum of each window and the position of the first one", () => {
  const [values, positions] = host.run(pool("max", "forward"), [image], [["float32", [1, 1, 2, 2]], ["int32", [1, 1, 2, 2]]]);
  assertEquals(values, [8, 6, 9, 0]);
  assertEquals(positions, [4, 6, 8, 10]);
});

Deno.test("pool reads any strides and keeps the planes of batch and channels apart", () => {
  const x = host.view("float32", [2, 2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 4, 3, 2, 1, 8, 7, 6, 5]);
  const outputs = [["float32", [2, 2, 1, 1]], ["int32", [2, 2, 1, 1]]] as const;
  assertEquals(host.run(pool("max", "forward"), [x], outputs), [[4, 8, 4, 8], [3, 3, 0, 0]]);
  assertEquals(host.run(pool("max", "forward"), [flipped(permuted(x, [1, 0, 2, 3]), 3)], outputs), [[4, 4, 8, 8], [2, 1, 2, 1]]);
});

Deno.test("pool lets NaN win, and finds positions in planes of -Infinity and of padding", () => {
  const x = host.view("float32", [1, 1, 2, 4], [1, NaN, -Infinity, -Infinity, NaN, 3, -Infinity, -Infinity]);
  const [values, positions] = host.run(pool("max", "forward"), [x], [["float32", [1, 1, 1, 2]], ["int32", [1, 1, 1, 2]]]);
  assertEquals(values, [NaN, -Infinity]);
  assertEquals(positions, [1, 2]);
  const padded = pool("max", "forward", { size: [1, 1], stride: [1, 1], padding: [0, 1] });
  const one = host.view("float32", [1, 1, 1, 1], [-5]);
  assertEquals(host.run(padded, [one], [["float32", [1, 1, 1, 3]], ["int32", [1, 1, 1, 3]]]), [[-Infinity, -5, -Infinity], [-1, 0, -1]]);
});

Deno.test("pool sends the gradient of maxima to their positions, adding up where windows overlap", () => {
  const dy = host.view("float32", [1, 2, 1, 3], [1, 2, 4, 8, 16, 32]);
  const positions = host.view("int32", [1, 2, 1, 3], [0, 2, 2, 3, -1, 3]);
  const kernel = pool("max", "backward", { size: [1, 2], stride: [1, 1] });
  assertEquals(host.run(kernel, [dy, positions], [["float32", [1, 2, 1, 4]]]), [[1, 0, 6, 0, 0, 0, 0, 40]]);
});

Deno.test("pool averages over the padded image or over the image alone", () => {
  const x = host.view("float32", [1, 1, 2, 2], [4, 8, 12, 16]);
  const geometry = { stride: [1, 1], padding: [1, 1] };
  const whole = host.run(pool("average", "forward", geometry), [x], [["float32", [1, 1, 3, 3]]]);
  assertEquals(whole, [[1, 3, 2, 4, 10, 6, 3, 7, 4]]);
  const inside = host.run(pool("average", "forward", { ...geometry, countPadding: false }), [x], [["float32", [1, 1, 3, 3]]]);
  assertEquals(inside, [[4, 6, 8, 8, 10, 12, 12, 14, 16]]);
});

Deno.test("pool leaves cells beyond the padded end out of the average (ceil mode)", () => {
  const x = host.view("float32", [1, 1, 1, 3], [2, 4, 6]);
  const kernel = pool("average", "forward", { size: [1, 2], stride: [1, 2] });
  assertEquals(host.run(kernel, [x], [["float32", [1, 1, 1, 2]]]), [[3, 6]]);
  const back = pool("average", "backward", { size: [1, 2], stride: [1, 2] });
  assertEquals(host.run(back, [host.view("float32", [1, 1, 1, 2], [10, 6])], [["float32", [1, 1, 1, 3]]]), [[5, 5, 6]]);
});

Deno.test("pool spreads the gradient of averages as the transpose of the forward", () => {
  const options = { size: [3, 2], stride: [2, 1], padding: [1, 1], dilation: [1, 2], countPadding: false };
  const cells = 12;
  const shape = [1, 1, 2, 4];
  const forward = Array.from({ length: cells }, (_, at) => {
    const unit = host.view("float64", [1, 1, 3, 4], Array.from({ length: cells }, (_, cell) => cell === at ? 1 : 0));
    return host.run(pool("average", "forward", options), [unit], [["float64", shape]])[0]!;
  });
  const dy = [1, -2, 3, 5, 7, -11, 13, 17];
  const [actual] = host.run(pool("average", "backward", options), [host.view("float64", shape, dy)], [["float64", [1, 1, 3, 4]]]);
  const expected = forward.map((column) => column.reduce((sum, weight, at) => sum + weight * dy[at]!, 0));
  actual!.forEach((value, at) => assertEquals(Math.abs(value - expected[at]!) < 1e-12, true));
});

Deno.test("pool takes an empty batch", () => {
  const empty = host.view("float32", [0, 1, 2, 2]);
  assertEquals(host.run(pool("max", "forward"), [empty], [["float32", [0, 1, 1, 1]], ["int32", [0, 1, 1, 1]]]), [[], []]);
});
