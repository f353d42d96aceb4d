/**
 * From a process's start to its first result in Tandem: `time deno run bench/start.ts [webgpu]`.
 *
 * @module
 */
import { init, tensor } from "../mod.ts";
import { printFirstProduct } from "./harness.ts";

const [device] = Deno.args;
if (device === "webgpu") await init({ device });
await printFirstProduct(device === "webgpu" ? "tandem-webgpu" : "tandem", async (values, shape) => {
  const x = tensor(values, { shape });
  return await x.matmul(x).data();
});
