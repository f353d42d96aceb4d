/**
 * The page about growth: tables of times and memory.
 *
 * @module
 */
import type { Panel } from "./plot.ts";

/** One size of one series, measured. */
export interface Point {
  readonly series: "mlp" | "cnn" | "supCon" | "ntXent" | "eSupCon";
  /** The batch, or the number of rows. */
  readonly size: number;
  /** The median of the repetitions. */
  readonly milliseconds: number;
  /** How many there were. */
  readonly runs: number;
  /** The most that the heap has held at once. */
  readonly bytes: number;
  /** When it was measured, UTC. */
  readonly date: string;
  /** And where. */
  readonly machine: string;
}

/** Series that are shown together. */
interface Group {
  readonly title: string;
  readonly size: string;
  readonly series: readonly Point["series"][];
  /** The power of the size that times are expected to grow with. */
  readonly power: number;
}

const groups: readonly Group[] = [
  { title: "Training steps", size: "batch", series: ["mlp", "cnn"], power: 1 },
  { title: "Contrastive losses", size: "rows", series: ["supCon", "ntXent", "eSupCon"], power: 2 },
];

const measures = {
  time: { title: "milliseconds", of: ({ milliseconds }: Point) => milliseconds },
  memory: { title: "MiB at most", of: ({ bytes }: Point) => bytes / 2 ** 20 },
} as const;

/** The page in Markdown. */
export function writeGrowth(points: readonly Point[]): string {
  const measured = [...new Set(points.map(({ date, machine }) => `${date.slice(0, 10)} on ${machine}`))];
  const sections = groups.map((group) => {
    const chosen = points.filter(({ series }) => group.series.includes(series));
    return [`## ${group.title}`, "", ...Object.values(measures).flatMap((measure) => [table(group, measure, chosen), ""])].join("\n");
  });
  return `# How time and memory grow

Written by \`deno run -A bench/growth.ts\`, which measures in pieces if asked to (see its first lines). Measured ${measured.join("; ")}.

Behind each number stands how many times it is that of half the size. Times are medians of a training step (forward, backward, SGD update, the
loss read; compiled) or of a loss's forward and backward, of rows of 128 values in ten classes; where one repetition takes more than two
seconds it is the only one. Memory is the most that tensors and kernels held at once. Above 2,048² pairs the losses do not store the
similarities: at 16,384 rows these alone would take 1,024 MiB.

![Time and memory by batch and by rows, on logarithmic scales](growth.svg)

${sections.join("\n")}`;
}

function table({ size, series }: Group, { title, of }: typeof measures[keyof typeof measures], points: readonly Point[]): string {
  const sizes = [...new Set(points.map((point) => point.size))].sort((a, b) => a - b);
  const cell = (name: string, size: number): string => {
    const [point, half] = [size, size / 2].map((wanted) => points.find((point) => point.series === name && point.size === wanted));
    if (point === undefined) return "";
    return `${numeral(of(point))}${half === undefined ? "" : ` (×${(of(point) / of(half)).toFixed(1)})`}`;
  };
  const lines = sizes.map((size) => [size.toLocaleString("en"), ...series.map((name) => cell(name, size))]);
  const header = [[`${size}, ${title}`, ...series], ["---:", ...series.map(() => "---:")]];
  return [...header, ...lines].map((columns) => `| ${columns.join(" | ")} |`).join("\n");
}

function numeral(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

/** The four panels of the plot. */
export function panelsOf(points: readonly Point[]): Panel[] {
  return groups.flatMap(({ title, size, series, power }) => {
    const lines = (of: (point: Point) => number) =>
      series.map((name) => ({
        name,
        points: points.filter((point) => point.series === name).map((point) => [point.size, of(point)] as const),
      }));
    const stored = { name: "an N × N matrix", value: (count: number) => 4 * count ** 2 / 2 ** 20 };
    const proportional = { name: "slope 1", power: 1 };
    return [
      {
        title: `${title}: time`,
        x: size,
        y: "milliseconds",
        lines: lines(measures.time.of),
        reference: { name: `slope ${power}`, power },
      },
      {
        title: `${title}: memory`,
        x: size,
        y: "MiB at most",
        lines: lines(measures.memory.of),
        reference: power === 2 ? stored : proportional,
      },
    ];
  });
}
