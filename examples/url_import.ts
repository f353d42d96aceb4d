/**
 * Using the library by nothing but a URL: this program serves its own sources on loopback, and a child process that has no configuration
 * and no other permission imports them. A published version is used in the same way, with its address instead.
 *
 * @module
 */
const root = new URL("../", import.meta.url);

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const { pathname } = new URL(request.url);
  if (!/^(\/[\w-]+)+\.ts$/.test(pathname)) return new Response("not found", { status: 404 });
  try {
    const source = await Deno.readFile(new URL(`.${pathname}`, root));
    return new Response(source, { headers: { "content-type": "application/typescript" } });
  } catch {
    return new Response("not found", { status: 404 });
  }
});

const address = `127.0.0.1:${server.addr.port}`;
const program = `
  import { tensor } from "http://${address}/mod.ts";
  const x = tensor([3, 4], { requiresGrad: true });
  x.norm().backward();
  console.log("gradient of |x| at (3, 4):", await x.grad.toArray());
`;
console.log(program.replaceAll(/^ {2}/gm, "").trim());

const cache = await Deno.makeTempDir({ prefix: "tandem-url-import-" }); // the address is gone afterwards, so Deno's own cache stays out of it
const child = new Deno.Command(Deno.execPath(), {
  args: ["run", "--no-config", "--no-lock", "--no-prompt", `--allow-import=${address}`, "--quiet", "-"],
  env: { DENO_DIR: cache },
  stdin: "piped",
}).spawn();
const input = child.stdin.getWriter();
await input.write(new TextEncoder().encode(program));
await input.close();
const { code } = await child.status;
await server.shutdown();
await Deno.remove(cache, { recursive: true });
Deno.exit(code);
