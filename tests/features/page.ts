/**
 * FEATURES.md from the grades. `deno run -A tests/features/page.ts` rewrites it.
 *
 * @module
 */
import { type Graded, graded, version } from "./grade.ts";
import { own } from "./notes/own.ts";

/** Where the page stands. */
export const pageUrl: URL = new URL("../../FEATURES.md", import.meta.url);

const introduction = `# Features

What of PyTorch ${version} is in Tandem: **there**, **partly** (with what is missing) or **not** (with the reason). The names are PyTorch's own
public ones, listed by a script from PyTorch itself; a name is found by its form in camelCase, or by a note that gives the code, and a test
checks that everything named exists, that what is called there takes PyTorch's parameters (or has another name for them), that nothing public
is left out, and that this page is what the grades give.
\`deno run -A tests/features/page.ts\` rewrites it.

† PyTorch's own samples of the operator are replayed against Tandem, forward and backward (\`tests/torch/\`). In code, x, a and b are tensors;
functions whose name is the same but for camelCase are given by the name alone.

Everywhere: options are one object of camelCase names; there is no \`out\`, \`dtype\` of a sum, \`memory_format\` or \`names\`; positions and sizes are
int32; a result that must be read, or whose size depends on values, comes from an \`await\`; whole numbers, bool, float16, float32 and float64
are the types, and there are no complex, sparse or quantized tensors.
`;

const titles: Readonly<Record<string, string>> = {
  "torch": "functions",
  "torch.Tensor": "methods and attributes",
  "torch.nn": "layers and losses",
};

function mark({ replayed }: Graded): string {
  return replayed ? "†" : "";
}

/** Whether the code is only the same name in camelCase. */
function isSame({ name, code }: Graded): boolean {
  const bare = code!.replace(/^x\.|\(\)$/g, "").toLowerCase();
  return bare === name.replaceAll("_", "").toLowerCase() && /^(x\.)?\w+(\(\))?$/.test(code!);
}

function escape(text: string): string {
  return text.replaceAll("|", "\\|");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escape).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function thereOf(list: readonly Graded[]): string[] {
  if (list.length === 0) return [];
  const same = list.filter(isSame).map((one) => `\`${one.code!.replace(/^x|\(\)$/g, "")}\`${mark(one)}`);
  const other = list.filter((one) => !isSame(one)).map((one) => [`\`${one.name}\`${mark(one)}`, `\`${one.code}\``]);
  return [
    ...(same.length === 0 ? [] : [`There, by the same name: ${same.join(" ")}`]),
    ...(other.length === 0 ? [] : [`There, by another name:\n\n${table(["PyTorch", "Tandem"], other)}`]),
  ];
}

function partlyOf(list: readonly Graded[]): string[] {
  if (list.length === 0) return [];
  const rows = list.map((one) => [`\`${one.name}\`${mark(one)}`, `\`${one.code}\``, one.remark!]);
  return [`Partly:\n\n${table(["PyTorch", "Tandem", "missing or different"], rows)}`];
}

function notOf(list: readonly Graded[]): string[] {
  if (list.length === 0) return [];
  const reasons = Object.entries(Object.groupBy(list, ({ remark }) => remark!));
  return [`Not:\n\n${reasons.map(([reason, ones]) => `- ${reason}: ${ones!.map(({ name }) => `\`${name}\``).join(" ")}`).join("\n")}`];
}

function count(list: readonly Graded[], grade: Graded["grade"]): number {
  return list.filter((one) => one.grade === grade).length;
}

/** The page's text before it is formatted. */
export function render(list: readonly Graded[]): string {
  const modules = Object.entries(Object.groupBy(list, ({ module }) => module)) as [string, Graded[]][];
  const totals = [...modules, ["all", list] as const].map(([module, ones]) => {
    return [module, ...(["there", "partly", "not"] as const).map((grade) => String(count(ones, grade)))];
  });
  const sections = modules.map(([module, ones]) => {
    const of = (grade: Graded["grade"]): Graded[] => ones.filter((one) => one.grade === grade);
    const title = titles[module] === undefined ? module : `${module}: ${titles[module]}`;
    return [`## ${title}`, ...thereOf(of("there")), ...partlyOf(of("partly")), ...notOf(of("not"))].join("\n\n");
  });
  const ours = Object.entries(own).map(([kind, names]) => `- ${kind}: ${names.map((name) => `\`${name}\``).join(" ")}`);
  return [
    introduction,
    table(["module", "there", "partly", "not"], totals),
    ...sections,
    "## Tandem's own",
    "Public here, and not among PyTorch's names.",
    ours.join("\n"),
  ].join("\n\n");
}

/** Formats markdown as the repository has it. */
export async function formatted(text: string): Promise<string> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "-"],
    stdin: "piped",
    stdout: "piped",
    cwd: new URL(".", pageUrl),
  })
    .spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout } = await process.output();
  if (!success) throw new Error("Cannot format FEATURES.md: deno fmt failed");
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) await Deno.writeTextFile(pageUrl, await formatted(render(graded)));
