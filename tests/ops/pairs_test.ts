import { grad, gradcheck } from "../../autograd/mod.ts";
import { eye, pairLogSumExp, scope, type Tensor, tensor } from "../../tensor/mod.ts";
import { assert, assertEquals } from "@std/assert";
import { ignoreWebgpu, type Place } from "../devices.ts";
import { valueDifference } from "../golden/compare.ts";
import { make, real } from "./sample.ts";

const places: readonly Place[] = [{ device: "cpu", dtype: "float32" }, { device: "webgpu", dtype: "float32" }];

/** The definition: a whole matrix of similarities. */
function whole(a: Tensor, b: Tensor, excludeDiagonal: boolean): Tensor {
  const similarities = a.matmul(b.mT).mul(3);
  const left = eye(a.shape[0]!, { m: b.shape[0]!, dtype: "bool", device: a.device });
  return (excludeDiagonal ? similarities.maskedFill(left, -Infinity) : similarities).logsumexp(1);
}

for (const place of places) {
  for (const excludeDiagonal of [false, true]) {
    Deno.test({
      name: `pairLogSumExp() on ${place.device} equals log-sum-exp of the matrix${excludeDiagonal ? " without its diagonal" : ""}`,
      ignore: place.device === "webgpu" && ignoreWebgpu,
      async fn() {
        using _ = scope();
        // More rows than one tile holds.
        const [rows, columns] = [real([37, 9], { low: -1, high: 1 }), real([83, 9], { low: -1, high: 1, seed: 1 })];
        const weights = real([37], { seed: 2 });
        const run = async (at: Place, f: (a: Tensor, b: Tensor) => Tensor) => {
          const [a, b, w] = [make(rows, at).requiresGrad_(), make(columns, at).requiresGrad_(), make(weights, at)];
          const y = f(a, b);
          y.mul(w).sum().backward();
          return [await y.data(), await a.grad!.data(), await b.grad!.data()];
        };
        const got = await run(place, (a, b) => pairLogSumExp(a, b, { scale: 3, excludeDiagonal }));
        const expected = await run({ device: "cpu", dtype: "float64" }, (a, b) => whole(a, b, excludeDiagonal));
        got.forEach((values, n) => {
          const wrong = valueDifference(values, Array.from(expected[n]!), { absolute: 1e-6, relative: 1e-5, least: 0 });
          assert(wrong === undefined, `result ${n}: ${wrong}`);
        });
      },
    });
  }
}

Deno.test("pairLogSumExp() is differentiated twice through its definition", async () => {
  using _ = scope();
  const a = make(real([3, 2]), places[0]!);
  const b = make(real([4, 2], { seed: 1 }), places[0]!);
  const second = (f: (x: Tensor) => Tensor) => grad((x) => grad(f)(x).square().sum())(a).data();
  const got = await second((x) => pairLogSumExp(x, b, { scale: 3 }).sum());
  const expected = await second((x) => whole(x, b, false).sum());
  const wrong = valueDifference(got, Array.from(expected), { absolute: 1e-4, relative: 1e-5, least: 0 });
  assert(wrong === undefined, wrong);
});

Deno.test("pairLogSumExp() gives -Infinity to a row without candidates", async () => {
  using _ = scope();
  const rows = tensor([[1, 2]]);
  assertEquals(await pairLogSumExp(rows, rows, { scale: 1, excludeDiagonal: true }).toArray(), [-Infinity]);
});

Deno.test("the definition that pairLogSumExp() is held against has the gradients of its difference quotients", async () => {
  using _ = scope();
  const double: Place = { device: "cpu", dtype: "float64" };
  await gradcheck((x, y) => whole(x, y, true), [make(real([4, 2]), double).requiresGrad_(), make(real([4, 2]), double).requiresGrad_()]);
});
