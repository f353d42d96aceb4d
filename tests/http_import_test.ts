import { assertEquals, assertStringIncludes } from "@std/assert";
import { ignoreWithout } from "./permissions.ts";

const ignore = ignoreWithout("read", "write", "run", "net");
const root = new URL("../", import.meta.url);

Deno.test("mod.ts imports from an http URL and computes, with no import map and no permission but the import", { ignore }, async () => {
  await using server = serveSources();
  const { code, stdout, stderr } = await runStandardInput(
    `import { tensor } from "${server.url}mod.ts";
     const sum = tensor([1, 2, 3]).sum();
     console.log(await sum.item());`,
    [`--allow-import=${server.host}`],
  );
  assertEquals({ code, stdout: stdout.trim(), stderr: code === 0 ? "" : stderr }, { code: 0, stdout: "6", stderr: "" });
  assertEquals(server.missing, []);
});

Deno.test("the http import test really runs without permissions: a child that reads a file is refused", { ignore }, async () => {
  const { code, stderr } = await runStandardInput(`Deno.readTextFileSync("deno.json");`, []);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Requires read access");
});

interface SourceServer extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
  /** The paths that were asked for and are not there. */
  readonly missing: string[];
}

/** Serves the project's files on a loopback port that the system chooses. */
function serveSources(): SourceServer {
  const missing: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    try {
      const body = await Deno.readFile(new URL(`.${pathname}`, root));
      return new Response(body, { headers: { "content-type": contentType(pathname) } });
    } catch {
      missing.push(pathname);
      return new Response("not found", { status: 404 });
    }
  });
  const host = `127.0.0.1:${server.addr.port}`;
  return { url: `http://${host}/`, host, missing, [Symbol.asyncDispose]: () => server.shutdown() };
}

function contentType(path: string): string {
  if (path.endsWith(".ts")) return "application/typescript";
  return path.endsWith(".json") ? "application/json" : "application/octet-stream";
}

/** Runs a program in a child with an empty cache of its own, no configuration and only the permissions given. */
async function runStandardInput(program: string, flags: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const cache = await Deno.makeTempDir({ prefix: "tandem-import-" });
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-lock", "--no-prompt", ...flags, "-"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { DENO_DIR: cache, NO_COLOR: "1" },
    }).spawn();
    const input = child.stdin.getWriter();
    await input.write(new TextEncoder().encode(program));
    await input.close();
    const { code, stdout, stderr } = await child.output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}
