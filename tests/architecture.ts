/**
 * The rules by which the rooms of this house may know each other, as data, and the reader that checks them.
 *
 * @module
 */

/** One import or re-export of one source file; paths are relative to the project's root. */
export interface Import {
  readonly file: string;
  /** What the source says between the quotes. */
  readonly specifier: string;
  /** The file that a relative specifier names; undefined for every other kind. */
  readonly target: string | undefined;
  readonly typeOnly: boolean;
  /** Whether it is made when a call asks for it. */
  readonly dynamic: boolean;
}

/** The library's rooms, and what each may import beside itself: rooms, or single files. */
export const reach: Readonly<Record<string, readonly string[]>> = {
  tensor: [],
  cpu: ["tensor/kernel.ts", "tensor/scalar.ts", "tensor/expr.ts", "tensor/dtype.ts", "tensor/shape.ts", "tensor/errors.ts"],
  gpu: ["tensor/kernel.ts", "tensor/scalar.ts", "tensor/expr.ts", "tensor/dtype.ts", "tensor/shape.ts", "tensor/errors.ts"],
  autograd: ["tensor"],
  nn: ["autograd", "tensor"],
  optim: ["autograd", "tensor"],
  losses: ["autograd", "tensor"],
  data: ["autograd", "tensor"],
  train: ["data", "optim", "losses", "nn", "autograd", "tensor"],
};

/** The few files that may reach further, each for a reason. */
export const exceptions: Readonly<Record<string, readonly string[]>> = {
  // The tensor records itself on the tape and starts the walk back.
  "tensor/tensor.ts": ["autograd/tape.ts", "autograd/backward.ts"],
  // Updates in place and replays ask whether recording is on, and run without it.
  "tensor/update.ts": ["autograd/tape.ts"],
  "tensor/compile.ts": ["autograd/tape.ts"],
  // The registry of devices is the one place that knows both backends by name.
  "tensor/device.ts": ["cpu/mod.ts", "gpu/mod.ts"],
  // A loss that owns prototypes is a module: it takes the base class, and no layer.
  "losses/modules.ts": ["nn/module.ts"],
  // So is a memory of earlier batches, whose rows are buffers.
  "losses/memory.ts": ["nn/module.ts"],
};

/** The imports that leave a room in a direction that is not allowed, one sentence each. */
export function wrongDirections(imports: readonly Import[]): string[] {
  return imports.flatMap((entry) => {
    const { file, target } = entry;
    const room = roomOf(file);
    const allowed = reach[room];
    if (allowed === undefined || target === undefined || roomOf(target) === room) return [];
    if (allowed.includes(roomOf(target)) || allowed.includes(target)) return [];
    if (isException(file, target) || namesTapeType(entry)) return [];
    return [`${file} imports ${target}: ${room} may import only ${["its own files", ...allowed].join(", ")}`];
  });
}

function isException(file: string, target: string): boolean {
  return exceptions[file]?.includes(target) ?? false;
}

/** Any file of tensor/ may name the tape's types: they are erased. */
function namesTapeType({ file, target, typeOnly }: Import): boolean {
  return roomOf(file) === "tensor" && typeOnly && target === "autograd/tape.ts";
}

/** The imports of the library that are not relative paths to a file with its extension, one sentence each. */
export function foreignImports(imports: readonly Import[]): string[] {
  return imports
    .filter(({ file }) => isLibrary(file))
    .filter(({ specifier }) => !/^\.{1,2}\/.*\.(ts|json)$/.test(specifier))
    .map(({ file, specifier }) => `${file} imports "${specifier}": the library imports only relative paths that end in .ts`);
}

/** The imports by which the tape would need the tensor at run time, one sentence each. */
export function tapeNeedsTensor(imports: readonly Import[]): string[] {
  const core = exceptions["tensor/tensor.ts"] ?? [];
  return imports
    .filter(({ file, target, typeOnly }) => core.includes(file) && target === "tensor/tensor.ts" && !typeOnly)
    .map(({ file, target }) => `${file} imports ${target} at run time: it may import only its types, tensor.ts imports it`);
}

const webGpuMethods = [
  "requestAdapter",
  "requestDevice",
  "createBuffer",
  "createBindGroup",
  "createBindGroupLayout",
  "createPipelineLayout",
  "createShaderModule",
  "createComputePipeline",
  "createComputePipelineAsync",
  "createCommandEncoder",
  "createQuerySet",
  "beginComputePass",
  "setPipeline",
  "setBindGroup",
  "dispatchWorkgroups",
  "copyBufferToBuffer",
  "clearBuffer",
  "resolveQuerySet",
  "writeBuffer",
  "mapAsync",
  "getMappedRange",
  "onSubmittedWorkDone",
  "pushErrorScope",
  "popErrorScope",
];

/** The files that may call WebGPU: bad arguments end the process there, so one file checks them all. */
export const webGpuCallers: readonly string[] = ["gpu/guard.ts"];

/** The lines of a source file that call WebGPU although the file is not the guard, one sentence each. */
export function webGpuCalls(file: string, source: string): string[] {
  if (!isLibrary(file) || webGpuCallers.includes(file)) return [];
  const call = new RegExp(`([\\w$#]*)\\??\\.(${webGpuMethods.join("|")})\\(`, "g");
  return withoutComments(source).split("\n").flatMap((line, index) =>
    [...line.matchAll(call)]
      .filter(([, receiver]) => !/guard$/i.test(receiver ?? ""))
      .map(([, , method]) => `${file}:${index + 1} calls ${method}: only ${webGpuCallers.join(", ")} may call WebGPU`)
  );
}

/** The files that are loaded with a file: what it imports at run time, and what that imports, and so on; itself not. */
export function loadedWith(start: string, imports: readonly Import[]): string[] {
  const loaded = new Set([start]);
  for (const from of loaded) {
    for (const { file, target, typeOnly, dynamic } of imports) {
      if (file === from && target !== undefined && !typeOnly && !dynamic) loaded.add(target);
    }
  }
  return [...loaded].filter((file) => file !== start);
}

/** The first folder of a path; "" for files in the root. */
export function roomOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

/** Whether the file is part of what is published. */
export function isLibrary(path: string): boolean {
  return path === "mod.ts" || path === "modules.ts" || roomOf(path) in reach;
}

/** Every import and re-export in a source text, static and dynamic. */
export function importsOf(file: string, source: string): Import[] {
  const code = withoutComments(source);
  const statements = /^(?:import|export)\s(type\s)?([\w\s{},*$]*?)\sfrom\s"([^"]+)"/gm;
  const bare = /^import\s"([^"]+)"/gm;
  const dynamic = /(typeof\s)?\bimport\(\s*["'`]([^"'`]+)["'`]/g;
  return [
    ...[...code.matchAll(statements)].map(([, type, names, specifier]) =>
      entry(file, specifier!, type !== undefined || namesOnlyTypes(names!))
    ),
    ...[...code.matchAll(bare)].map(([, specifier]) => entry(file, specifier!, false)),
    ...[...code.matchAll(dynamic)].map(([, type, specifier]) => ({ ...entry(file, specifier!, type !== undefined), dynamic: true })),
  ];
}

function entry(file: string, specifier: string, typeOnly: boolean): Import {
  const relative = specifier.startsWith("./") || specifier.startsWith("../");
  const target = relative ? new URL(specifier, `file:///${file}`).pathname.slice(1) : undefined;
  return { file, specifier, target, typeOnly, dynamic: false };
}

function namesOnlyTypes(names: string): boolean {
  const list = names.match(/^\s*\{([^}]*)\}\s*$/)?.[1];
  if (list === undefined) return false;
  return list.split(",").map((name) => name.trim()).filter((name) => name !== "").every((name) => name.startsWith("type "));
}

/** The source with comments blanked out, line by line, so that line numbers stay; strings are kept. */
function withoutComments(source: string): string {
  const blank = (text: string) => text.replace(/[^\n]/g, " ");
  return source
    .replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, blank)
    .replace(/^[ \t]*\/\/.*$/gm, blank)
    .replace(/ \/\/ .*$/gm, blank);
}

/** Reads every TypeScript file under the folder, by path relative to it. Needs permission to read. */
export async function readSources(root: URL, folders: readonly string[]): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  for (const folder of folders) await readFolder(root, folder, sources);
  return sources;
}

async function readFolder(root: URL, folder: string, sources: Map<string, string>): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    const path = folder === "." ? name : `${folder}/${name}`;
    if (isDirectory && folder !== ".") await readFolder(root, path, sources);
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) sources.set(path, await Deno.readTextFile(new URL(path, root)));
  }
}
