// In a realm of its own: the CPU device is made once.
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ArgumentError, DeviceError, init, ones } from "../../tensor/mod.ts";

Deno.test("init() settles the number of CPU threads before the CPU is used, and not after", async () => {
  await assertRejects(() => init({ device: "cpu", threads: 0.5 }), ArgumentError, "threads from 1");
  const { reason } = await init({ device: "cpu", threads: 2 });
  assertMatch(reason, /2 threads|this processor/);
  assertEquals(await ones([3]).sum().item(), 3);
  await assertRejects(() => init({ device: "cpu", threads: 1 }), DeviceError, "call init first");
});
