import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { runJob } from "../../examples/train/job.ts";
import { parseCommand } from "../../examples/train/options.ts";
import { ignoreWithout } from "../permissions.ts";

const ignore = ignoreWithout("read", "write", "run", "env");
const root = new URL("../../", import.meta.url);

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function start(args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "examples/train.ts", "--device", "cpu", ...args],
    cwd: root,
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
}

async function run(...args: string[]): Promise<Ended> {
  const { code, stdout, stderr } = await start(args).output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tandem-train-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Small enough to end in a second or two. */
const quick = ["--samples-per-class", "40", "--batch-size", "40", "--epochs", "3"];

/** The tensors of the checkpoint in a folder. */
function weights(folder: string): Uint8Array {
  const { tensors } = JSON.parse(Deno.readTextFileSync(`${folder}/checkpoint.json`));
  return Deno.readFileSync(`${folder}/${tensors}`);
}

Deno.test("train.ts with --json gives one object a line, the last with testAccuracy, loss, device and seconds; words go to stderr", {
  ignore,
}, () =>
  inFolder(async (out) => {
    const { code, out: stdout, err } = await run(...quick, "--json", "--out", out);
    assertEquals(code, 0, err);
    const records = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    const { event, testAccuracy, loss, device, seconds } = records.at(-1);
    assertEquals([event, device], ["end", "cpu"]);
    assert(testAccuracy > 0.3 && testAccuracy <= 1 && loss > 0 && seconds > 0);
    assertEquals(records.map((record) => record.event).filter((name) => name === "test").length, 3);
    for (const words of ["device   cpu: ", "digits: 400 samples", "epoch 3/3  100 %", "samples/s", "Test accuracy"]) {
      assertStringIncludes(err, words);
    }
    assertEquals(Deno.readTextFileSync(`${out}/metrics.jsonl`), stdout);
    assertMatch(Deno.readTextFileSync(`${out}/report.html`), /^<!doctype html>[\s\S]*Confusion matrix[\s\S]*<\/html>\n$/);
    assertEquals(
      [...Deno.readDirSync(out)].map(({ name }) => name).sort(),
      [
        "checkpoint-1.safetensors",
        "checkpoint.json",
        "metrics.jsonl",
        "report.html",
      ],
    );
  }));

Deno.test("train.ts learns with every loss, and writes no NaN into a report", { ignore }, () =>
  inFolder(async (out) => {
    for (const loss of ["ce", "espce", "supcon", "esupcon"]) {
      const further = loss === "supcon" ? ["--views", "2", "--epochs", "8"] : [];
      const { code, out: stdout, err } = await run("--loss", loss, ...quick, ...further, "--out", `${out}/${loss}`);
      assertEquals(code, 0, err);
      assertGreater(Number(/Test accuracy +([\d.]+) %/.exec(stdout)?.[1]), 30, loss);
      assert(!/NaN|undefined|Infinity/.test(Deno.readTextFileSync(`${out}/${loss}/report.html`)), loss);
    }
  }));

Deno.test(
  "train.ts on Ctrl-C saves a checkpoint, says how to go on and exits with 130; --resume ends with the same bits",
  { ignore },
  () =>
    inFolder(async (folder) => {
      const [whole, parts] = [`${folder}/whole`, `${folder}/parts`];
      assertEquals((await run(...quick, "--out", whole)).code, 0);
      const first = await interrupt(start([...quick, "--json", "--out", parts]));
      assertEquals(first.code, 130, first.err);
      assertStringIncludes(first.err, `examples/train.ts --resume --out ${parts}`);
      assertStringIncludes(first.out.trimEnd().split("\n").at(-1)!, `"event":"interrupted"`);
      const second = await run("--resume", "--out", parts);
      assertEquals(second.code, 0, second.err);
      assertStringIncludes(second.err, "goes on from step");
      assertEquals(weights(parts), weights(whole));
    }),
);

/** Sends Ctrl-C as soon as training has begun. */
async function interrupt(child: Deno.ChildProcess): Promise<Ended> {
  const errors = new Response(child.stderr).text();
  const decoder = new TextDecoder();
  let out = "";
  let sent = false;
  for await (const chunk of child.stdout) {
    out += decoder.decode(chunk, { stream: true });
    if (sent || !out.includes(`"event":"train"`)) continue;
    child.kill("SIGINT");
    sent = true;
  }
  const { code } = await child.status;
  return { code, out, err: await errors };
}

Deno.test(
  "train.ts ends with exit code 2 and one line for what it does not understand or cannot find",
  { ignore },
  () =>
    inFolder(async (folder) => {
      const cases: [string[], string][] = [
        [["--loss", "mse"], "train: --loss needs one of"],
        [["--frobnicate"], "train: unknown flag --frobnicate"],
        [["--dataset", "mnist", "--data-dir", `${folder}/none`, "--out", `${folder}/a`], "train: Cannot read"],
        [["--dataset", "cifar10", "--out", `${folder}/a`], "give --data-dir"],
        [["--resume", "--out", `${folder}/a`], "--resume needs a checkpoint in"],
        [["--samples-per-class", "100000", "--out", `${folder}/a`], "train: Cannot keep few samples"],
      ];
      for (const [args, words] of cases) {
        const { code, out, err } = await run(...args);
        assertEquals([code, out], [2, ""], err);
        const complaint = err.trimEnd().split("\n").filter((line) => !/^(device|note) /.test(line));
        assertEquals(complaint.length, 1, err);
        assertStringIncludes(complaint[0]!, words);
      }
    }),
);

Deno.test(
  "train.ts --resume refuses flags that contradict the run, and finishes one that is already done",
  { ignore },
  () =>
    inFolder(async (out) => {
      assertEquals((await run(...quick, "--out", out)).code, 0);
      const before = weights(out);
      const { code, err } = await run("--resume", "--out", out, "--lr", "0.5");
      assertEquals(code, 2);
      assertStringIncludes(err, "--lr 0.5 contradicts the run");
      const again = await run("--resume", "--out", out);
      assertEquals(again.code, 0, again.err);
      assertStringIncludes(again.out, "Test accuracy");
      assertEquals(weights(out), before);
    }),
);

Deno.test("train.ts --help prints every flag and exits with 0", { ignore }, async () => {
  const { code, out, err } = await run("--help");
  assertEquals([code, err], [0, ""]);
  assertStringIncludes(out, "--samples-per-class N");
});

Deno.test(
  "runJob interrupted in supcon's second stage goes on with the same features, to the same bits",
  { ignore },
  () =>
    inFolder(async (folder) => {
      const args = ["--loss", "supcon", ...quick, "--device", "cpu", "--json"];
      const whole = [...args, "--out", `${folder}/whole`];
      const parts = [...args, "--out", `${folder}/parts`];
      assertEquals(await jobUntil(whole), "done");
      assertEquals(await jobUntil(parts, (record) => record.stage === 1 && record.step === 4), "interrupted");
      assertEquals(await jobUntil([...parts, "--resume"]), "done");
      assertEquals(weights(`${folder}/parts`), weights(`${folder}/whole`));
      assertEquals(course(`${folder}/parts`), course(`${folder}/whole`));
    }),
);

/** What metrics.jsonl says of the training itself, without times. */
function course(folder: string): unknown[] {
  const records = Deno.readTextFileSync(`${folder}/metrics.jsonl`).trimEnd().split("\n").map((line) => JSON.parse(line));
  return records.flatMap(({ event, stage, step, loss }) => event === "train" || event === "test" ? [[event, stage, step, loss]] : []);
}

/** Runs the job in this process and interrupts it at the record that fits. */
async function jobUntil(args: string[], when: (record: { stage?: number; step?: number }) => boolean = () => false): Promise<string> {
  const command = parseCommand(args);
  assert(command !== "help");
  const interruption = new AbortController();
  const log = console.log;
  console.log = (line: string) => {
    if (when(JSON.parse(line))) interruption.abort();
  };
  try {
    return await runJob(command, interruption.signal);
  } finally {
    console.log = log;
  }
}
