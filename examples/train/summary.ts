/**
 * The end of a run: its test in full, and the report.
 *
 * @module
 */
import {
  confusionMatrix,
  type Curve,
  type Dataset,
  type EmbeddingPlot,
  noGrad,
  normalizeRows,
  principalComponents,
  project,
  read,
  type Report,
  type Row,
  scope,
  tidy,
  zeros,
} from "../../mod.ts";
import { testLoader } from "./data.ts";
import type { Method } from "./method.ts";
import type { PlacedRecord } from "./outputs.ts";
import type { Settings } from "./recipe.ts";

/** What the classifier makes of the test part. */
export interface TestResult {
  readonly accuracy: number;
  /** Row = the true class, column = the predicted one. */
  readonly counts: readonly (readonly number[])[];
  readonly embedding: EmbeddingPlot & { readonly caption: string };
}

/** So many points are drawn at most: more would hide each other. */
const mostPoints = 2048;

/** Tests the classifier, and lays the first samples' embeddings and the prototypes out in the plane, all rows at unit length. */
export async function testInFull(dataset: Dataset, { embed, logits, prototypes, modules }: Method): Promise<TestResult> {
  for (const module of Object.values(modules)) module.eval();
  const classes = dataset.classes.length;
  const rows: number[] = [];
  const labels: number[] = [];
  using total = zeros([classes, classes]);
  for await (using batch of testLoader(dataset)) {
    using _ = scope();
    const [unit, counts] = noGrad(() => {
      const z = embed(batch.x);
      return [normalizeRows(z), confusionMatrix(logits(z).argmax(1), batch.y, { classes })] as const;
    });
    noGrad(() => total.add_(counts));
    if (labels.length >= mostPoints) continue;
    rows.push(...await unit.data());
    labels.push(...dataset.labels.subarray(labels.length, labels.length + batch.size));
  }
  using vectors = noGrad(() => tidy(() => normalizeRows(prototypes())));
  const [cells, corners] = await read(total, vectors);
  const counts = Array.from({ length: classes }, (_, row) => Array.from(cells!.subarray(row * classes, (row + 1) * classes)));
  const hits = counts.reduce((sum, row, k) => sum + row[k]!, 0);
  return { accuracy: hits / dataset.size, counts, embedding: layOut(dataset.classes, { rows, labels, corners: Array.from(corners!) }) };
}

interface Unit {
  /** Rows of unit length, one after the other. */
  readonly rows: readonly number[];
  readonly labels: readonly number[];
  /** One such row per class. */
  readonly corners: readonly number[];
}

function layOut(classes: readonly string[], { rows, labels, corners }: Unit): TestResult["embedding"] {
  const width = corners.length / classes.length;
  const components = principalComponents(rows, { width, count: Math.min(2, width) });
  const place = (values: readonly number[], position: number, label: number) => {
    const [x = 0, y = 0] = project(values.slice(position * width, (position + 1) * width), components);
    return { x, y, label };
  };
  const percent = Math.round(100 * components.explained.reduce((sum, part) => sum + part, 0));
  return {
    classes,
    points: labels.map((label, position) => place(rows, position, label)),
    prototypes: classes.map((_, label) => place(corners, label, label)),
    caption: `${labels.length} test samples (dots) and the ${classes.length} prototypes (rings) in the two directions of greatest ` +
      `variance, which hold ${percent} % of it; all vectors at unit length.`,
  };
}

/** Puts a report together. */
export function makeReport(
  { title, subtitle, history, result, figures, settings, stages }: {
    readonly title: string;
    readonly subtitle: string;
    readonly history: readonly PlacedRecord[];
    readonly result: TestResult;
    readonly figures: readonly Row[];
    readonly settings: readonly Row[];
    readonly stages: readonly string[];
  },
): Report {
  return {
    title,
    subtitle,
    figures,
    curves: stages.flatMap((name, stage) =>
      curvesOf(history.filter((record) => record.stage === stage), stages.length > 1 ? `, ${name} stage` : "")
    ),
    confusion: { classes: result.embedding.classes, counts: result.counts },
    embedding: result.embedding,
    settings,
  };
}

function curvesOf(history: readonly PlacedRecord[], suffix: string): Curve[] {
  const points = (event: string, value: "loss" | "accuracy"): [number, number][] =>
    history.flatMap((record) => record.event === event && record[value] !== undefined ? [[record.epoch, record[value]]] : []);
  const curve = (name: string, value: "loss" | "accuracy"): Curve => ({
    name: name + suffix,
    axis: "epoch",
    percent: value === "accuracy",
    series: ["train", "test"].map((event) => ({ name: event, points: points(event, value) })).filter((line) => line.points.length > 0),
  });
  return [curve("Loss", "loss"), curve("Accuracy", "accuracy")].filter(({ series }) => series.length > 0);
}

/** The few figures of the final table. */
export function figuresOf(
  { result, device, seconds, loss, testLoss, testSamples }: {
    readonly result: TestResult;
    readonly device: string;
    readonly seconds: number;
    readonly loss: number | undefined;
    readonly testLoss: number | undefined;
    readonly testSamples: number;
  },
): Row[] {
  const mistakes = Math.round((1 - result.accuracy) * testSamples);
  return [
    ["Test accuracy", `${(result.accuracy * 100).toFixed(2)} %`],
    [`Mistakes in ${testSamples.toLocaleString("en")}`, mistakes.toLocaleString("en")],
    ["Training loss", loss?.toFixed(4) ?? "unknown"],
    ["Test loss", testLoss?.toFixed(4) ?? "unknown"],
    ["Time", `${seconds.toFixed(1)} s`],
    ["Device", device],
  ];
}

/** The settings as they stand in the report. */
export function settingRows(settings: Settings, device: string): Row[] {
  const words = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  const unlimited = (name: string, value: unknown) => name === "samplesPerClass" && value === 0 ? "all" : String(value);
  return [...Object.entries(settings).map(([name, value]): Row => [words(name), unlimited(name, value)]), ["device", device]];
}
