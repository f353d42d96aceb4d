import { assert, assertEquals } from "@std/assert";
import { tensor } from "../../tensor/mod.ts";
import { ignoreWebgpu } from "../devices.ts";
import { ignoreWithout } from "../permissions.ts";
import { functions } from "./functions.ts";
import { pageUrl, parse, roundedUp, thisMachine, worst } from "./page.ts";
import { pointsOf, uniform } from "./points.ts";
import special from "./fixtures/special.json" with { type: "json" };

const ignore = ignoreWithout("read");
const page = ignore ? undefined : parse(await Deno.readTextFile(pageUrl));
const machine = await thisMachine();

for (const row of functions) {
  Deno.test({
    name: `${row.name} is as exact as ACCURACY.md says, on the CPU and on WebGPU`,
    ignore,
    async fn() {
      const said = page!.rows.get(row.name)!;
      for (const [slot, { units, at, got, exact }] of (await worst(row)).entries()) {
        const device = slot === 0 ? "cpu" : "webgpu";
        const text = `${row.name}(${at}) on ${device} is ${got} instead of ${exact}: ${units} units`;
        assert(units <= row.atMost[slot]!, `${text}, at most ${row.atMost[slot]} are allowed anywhere`);
        if (page!.machine[device] !== machine[device]) continue;
        const figure = said.figures[slot]!;
        assert(units <= figure, `${text}, and the page says ${figure}`);
        assert(
          figure <= Number(roundedUp(units)) + 0.1,
          `${text}: the page says ${figure}; deno run -A tests/accuracy/page.ts rewrites it`,
        );
      }
    },
  });
}

Deno.test({
  name: "ACCURACY.md has a row for every function that is measured, with its domain and bounds, and no other",
  ignore,
  fn() {
    const rows = [...page!.rows].map(([name, { domain, atMost }]) => [name, domain, atMost]);
    assertEquals(rows, functions.map(({ name, domain, atMost }) => [name, domain, atMost.join(", ")]));
  },
});

Deno.test("exp, log, tanh, sigmoid, erf, pow, sin and cos may be at most 4 units off", () => {
  for (const name of ["exp", "log", "tanh", "sigmoid", "erf", "pow", "sin", "cos"]) {
    assert(functions.find((row) => row.name === name)!.atMost.every((units) => units <= 4), name);
  }
});

for (const [name, regions] of [["lgamma", [uniform(-30, 0), uniform(-3, 0)]], ["digamma", [uniform(-30, 0), uniform(-3, 0)]]] as const) {
  Deno.test(`${name} below its range is within 2e-6 of the greater of 1 and its value`, async () => {
    const x = pointsOf(regions, 2 ** 16, 3);
    const exact = await tensor(Float64Array.from(x), { dtype: "float64" })[name]().data();
    for (const device of ignoreWebgpu ? ["cpu"] : ["cpu", "webgpu"]) {
      const got = await tensor(x, { device })[name]().data();
      exact.forEach((wanted, i) => {
        const near = Math.abs(got[i]! - wanted) <= 2e-6 * Math.max(1, Math.abs(wanted));
        assert(near, `${name}(${x[i]}) on ${device} is ${got[i]} instead of ${wanted}`);
      });
    }
  });
}

for (const [name, { x, y }] of Object.entries(special)) {
  Deno.test(`${name} in float64 agrees with 50 digits to 1e-13`, async () => {
    const got = await tensor(Float64Array.from(x), { dtype: "float64" })[name as keyof typeof special]().data();
    y.forEach((exact, i) => {
      assert(Math.abs(got[i]! - exact) <= 1e-13 * Math.abs(exact), `${name}(${x[i]}) is ${got[i]} instead of ${exact}`);
    });
  });
}
