/**
 * The main job: from settings to a tested classifier and its report.
 *
 * @module
 */
import {
  captureTraining,
  type Checkpoint,
  hasCheckpoint,
  init,
  type Json,
  loadCheckpoint,
  manualSeed,
  type Position,
  renderReport,
  saveCheckpoint,
} from "../../mod.ts";
import { openData } from "./data.ts";
import { makeMethod } from "./method.ts";
import { type Command, UsageError } from "./options.ts";
import { Outputs } from "./outputs.ts";
import { type Settings, settle } from "./recipe.ts";
import { makeOptimizer, type Run, runStage } from "./stage.ts";
import { figuresOf, makeReport, settingRows, testInFull } from "./summary.ts";

/** How a run ended. */
export type Outcome = "done" | "interrupted";

/** What a checkpoint of the job keeps beside the training's own state. */
interface Extra {
  readonly settings: Settings;
  readonly stage: number;
  /** Spent before the checkpoint. */
  readonly seconds: number;
}

/**
 * Trains, tests and reports.
 *
 * @param signal Ends the run after the step under way, with a checkpoint.
 * @throws UsageError when `--resume` finds no checkpoint or flags that contradict it; DataError for missing data; DivergenceError.
 */
export async function runJob(command: Command, signal: AbortSignal): Promise<Outcome> {
  using outputs = new Outputs(command);
  quietVulkan();
  const { device, reason } = await init({
    device: command.device,
    ...(command.threads === "auto" ? {} : { threads: command.threads }),
  });
  outputs.say(`device   ${reason}`);
  const saved = await findCheckpoint(command, outputs);
  const settings = saved === undefined ? settle(command.choices) : resumed(command, saved.extra.settings);
  manualSeed(settings.seed);
  const data = await openData(settings, command.dataDir);
  const method = makeMethod(settings, data.train);
  using _ = { [Symbol.dispose]: () => Object.values(method.modules).forEach((module) => module.dispose()) };
  const from = saved && { stage: saved.extra.stage, step: positionOf(saved.checkpoint).step };
  await outputs.open(command.out, from);
  const secondsBefore = saved?.extra.seconds ?? 0;
  const seconds = () => secondsBefore + performance.now() / 1000;
  const run: Run = {
    settings,
    data,
    method,
    outputs,
    signal,
    compile: command.compile,
    deviceLine: reason,
    save: (...where) => save(command.out, run, ...where),
    seconds,
  };
  describe(run, device, from);
  for (let stage = from?.stage ?? 0; stage < method.stages.length; stage++) {
    const checkpoint = stage === from?.stage ? saved?.checkpoint : undefined;
    const { position, stopped } = await runStage(run, stage, checkpoint);
    if (!stopped) continue;
    outputs.say(`stopped at step ${position.step}; go on with: ${resumeCommand(command)}`);
    outputs.record({ event: "interrupted", stage, step: position.step, out: command.out });
    return "interrupted";
  }
  await conclude(run, command, device);
  return "done";
}

/** Mesa's Vulkan driver complains on standard error, several times a run, where this folder is not named; it need not hold anything. */
function quietVulkan(): void {
  if (Deno.build.os === "linux" && Deno.env.get("XDG_RUNTIME_DIR") === undefined) Deno.env.set("XDG_RUNTIME_DIR", Deno.cwd());
}

interface Saved {
  readonly checkpoint: Checkpoint;
  readonly extra: Extra;
}

async function findCheckpoint({ resume, out }: Command, outputs: Outputs): Promise<Saved | undefined> {
  if (!resume) {
    if (await hasCheckpoint(out)) outputs.say(`note     starts anew and replaces the run in ${out}; --resume goes on with it`);
    return undefined;
  }
  if (!await hasCheckpoint(out)) {
    throw new UsageError(`--resume needs a checkpoint in ${out}, which has none; start without it, or give --out`);
  }
  const checkpoint = await loadCheckpoint(out);
  const { extra } = checkpoint.state as unknown as { extra?: Partial<Extra> | null };
  if (extra?.settings === undefined || extra.stage === undefined) {
    throw new UsageError(`--resume needs a checkpoint of this program in ${out}, which holds another one; give --out`);
  }
  return { checkpoint, extra: extra as Extra };
}

/** The settings of the run that goes on; only the number of epochs may be changed. */
function resumed({ given, out }: Command, settings: Settings): Settings {
  for (const [name, value] of Object.entries(given)) {
    const before = settings[name as keyof Settings];
    if (name === "epochs" || value === before) continue;
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`--${flag} ${value} contradicts the run in ${out}, which has ${before}; leave it out, or start without --resume`);
  }
  return { ...settings, ...(given.epochs === undefined ? {} : { epochs: given.epochs }) };
}

function positionOf({ state }: Checkpoint): Position {
  return (state as unknown as { position: Position }).position;
}

/** Writes a checkpoint of the whole run. */
async function save(out: string, run: Run, stage: number, optimizer: ReturnType<typeof makeOptimizer>, position: Position): Promise<void> {
  const extra: Extra = { settings: run.settings, stage, seconds: run.seconds() };
  const parts = { modules: run.method.modules, optimizer };
  await saveCheckpoint(out, captureTraining(parts, position, { extra: extra as unknown as Json }));
}

function resumeCommand({ out }: Command): string {
  return `deno run -A --unstable-webgpu examples/train.ts --resume --out ${out}`;
}

/** Says what is about to happen. */
function describe({ settings, data, method, outputs }: Run, device: string, from?: { stage: number; step: number }): void {
  const { dataset, loss, model, epochs, batchSize, views, optimizer, lr, schedule, temperature, seed } = settings;
  const { train, test } = data;
  const parameters = Object.values(method.modules).flatMap((module) => module.parameters()).reduce((sum, { size }) => sum + size, 0);
  outputs.say(
    `data     ${dataset}: ${count(train.size)} samples to learn from, ${count(test.size)} to test, ${train.classes.length} classes`,
  );
  outputs.say(`model    ${model}, ${count(parameters)} parameters; loss ${loss}${loss === "ce" ? "" : `, temperature ${temperature}`}`);
  const looks = views > 1 ? ` with ${views} views` : "";
  outputs.say(
    `plan     ${stagePlan(method.stages)}, batches of ${batchSize}${looks}, ${optimizer} at ${lr} (${schedule}), seed ${seed}` +
      (from === undefined ? "" : `; goes on from step ${from.step}`),
  );
  outputs.record({ event: "start", device, ...settings, epochs, parameters, samples: train.size, testSamples: test.size, resumed: !!from });
}

function stagePlan(stages: readonly { readonly name: string; readonly epochs: number }[]): string {
  if (stages.length === 1) return epochsOf(stages[0]!.epochs);
  return stages.map(({ name, epochs }) => `${epochsOf(epochs)} ${name}`).join(", ");
}

function epochsOf(epochs: number): string {
  return epochs === 1 ? "1 epoch" : `${epochs} epochs`;
}

function count(value: number): string {
  return value.toLocaleString("en");
}

/** Tests in full, writes the report, shows the table. */
async function conclude(run: Run, { out }: Command, device: string): Promise<void> {
  const { settings, data, method, outputs } = run;
  const result = await testInFull(data.test, method);
  const last = (event: string) => outputs.history.findLast((record) => record.event === event)?.loss;
  const summary = { result, device, seconds: run.seconds(), loss: last("train"), testLoss: last("test"), testSamples: data.test.size };
  const figures = figuresOf(summary);
  const report = renderReport(makeReport({
    title: `${settings.loss} on ${settings.dataset}`,
    subtitle: `${stagePlan(method.stages)} on ${run.deviceLine}`,
    history: outputs.history,
    result,
    figures,
    settings: settingRows(settings, device),
    stages: method.stages.map(({ name }) => name),
  }));
  await Deno.writeTextFile(`${out}/report.html`, report);
  outputs.table([...figures, ["Report", `${out}/report.html`]]);
  outputs.record({
    event: "end",
    testAccuracy: result.accuracy,
    loss: summary.loss,
    testLoss: summary.testLoss,
    device,
    seconds: Math.round(run.seconds() * 1000) / 1000,
    out,
  });
}
