/**
 * Two ways to hand a hundred small arrays to a GPU: `writeBuffer` for each, or all in one piece and a copy for each on the device.
 * The times are of a hundred writes and a submit.
 *
 * @module
 */
const count = 100;
const device = await (await navigator.gpu?.requestAdapter())?.requestDevice();

if (device === undefined) console.log("No adapter, no uploads.");
else for (const bytes of [256, 4096, 65536]) compare(device, bytes);

function compare(device: GPUDevice, bytes: number): void {
  const { COPY_DST, COPY_SRC, STORAGE } = GPUBufferUsage;
  const targets = Array.from({ length: count }, () => device.createBuffer({ size: bytes, usage: STORAGE | COPY_DST }));
  const ring = device.createBuffer({ size: bytes * count, usage: COPY_SRC | COPY_DST });
  const data = new Uint8Array(bytes);
  const all = new Uint8Array(bytes * count);
  Deno.bench({ name: `writeBuffer, ${count} × ${bytes} bytes`, group: `${bytes} bytes`, baseline: true }, () => {
    for (const target of targets) device.queue.writeBuffer(target, 0, data);
    device.queue.submit([]);
  });
  Deno.bench({ name: `one writeBuffer and copies, ${count} × ${bytes} bytes`, group: `${bytes} bytes` }, () => {
    for (let at = 0; at < count; at++) all.set(data, at * bytes);
    device.queue.writeBuffer(ring, 0, all);
    const encoder = device.createCommandEncoder();
    targets.forEach((target, at) => encoder.copyBufferToBuffer(ring, at * bytes, target, 0, bytes));
    device.queue.submit([encoder.finish()]);
  });
}
