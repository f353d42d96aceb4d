/**
 * Keeps WebGPU to Vulkan on Linux, where nothing else was asked for. There it also opens libEGL otherwise, whose destructors race with
 * Deno's threads: about one process in a hundred is aborted at its exit, after every test has passed. It must be imported before an adapter
 * is asked for.
 *
 * @module
 */
const variable = "DENO_WEBGPU_BACKEND";
const allowed = (await Deno.permissions.query({ name: "env", variable })).state === "granted";
if (Deno.build.os === "linux" && allowed && !Deno.env.has(variable)) Deno.env.set(variable, "vulkan");
