/**
 * The drawings of a report, as SVG: curves, a confusion matrix, points. Colours come from the page's CSS.
 *
 * @module
 */

/** One line of a chart. */
export interface Series {
  /** What it is: "test". */
  readonly name: string;
  /** [x, y], by rising x. */
  readonly points: readonly (readonly [number, number])[];
}

/** A chart of lines over one axis. */
export interface Curve {
  /** What y is: "Loss". */
  readonly name: string;
  /** What x is: "epoch". */
  readonly axis: string;
  /** At most three lines. */
  readonly series: readonly Series[];
  /** Whether y is a fraction that is shown in percent. */
  readonly percent?: boolean;
}

/** How often each class was taken for each other one. */
export interface Confusion {
  /** The names of the classes. */
  readonly classes: readonly string[];
  /** Row = the true class, column = the predicted one. */
  readonly counts: readonly (readonly number[])[];
}

/** A place in the plane, and the class (its position in `classes`) it belongs to. */
export interface Place {
  /** To the right. */
  readonly x: number;
  /** Upwards. */
  readonly y: number;
  /** The class. */
  readonly label: number;
}

/** Samples and prototypes in the plane. */
export interface EmbeddingPlot {
  /** The names of the classes. */
  readonly classes: readonly string[];
  /** Samples, drawn as dots. */
  readonly points: readonly Place[];
  /** The classifier's vectors, drawn as named rings. */
  readonly prototypes: readonly Place[];
}

/** Makes text safe inside HTML and SVG. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

const frame = { width: 520, height: 300, left: 52, right: 64, top: 16, bottom: 40 } as const;

/** Draws lines with their names at their ends. */
export function drawCurve({ name, axis, series, percent = false }: Curve): string {
  const points = series.flatMap((line) => line.points);
  if (points.length === 0) return "";
  const xs = extent(points.map(([x]) => x));
  const ys = extent(points.map(([, y]) => y));
  const xTicks = ticks(xs, 6).filter((x) => x >= xs[0] && x <= xs[1]);
  const yTicks = ticks(ys, 5);
  const [low, high] = [yTicks[0]!, yTicks.at(-1)!];
  const px = (x: number) => round(frame.left + ((x - xs[0]) / (xs[1] - xs[0])) * (frame.width - frame.left - frame.right));
  const py = (y: number) => round(frame.top + ((high - y) / (high - low)) * (frame.height - frame.top - frame.bottom));
  const shown = (y: number) => percent ? `${trim(y * 100)} %` : trim(y);
  const grid = yTicks.map((y) =>
    `<line class="grid" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${py(y)}" y2="${py(y)}"/>` +
    `<text class="tick" x="${frame.left - 8}" y="${py(y) + 4}" text-anchor="end">${shown(y)}</text>`
  );
  const bottom = frame.height - frame.bottom;
  const marks = xTicks.map((x) => `<text class="tick" x="${px(x)}" y="${bottom + 18}" text-anchor="middle">${trim(x)}</text>`);
  const labels = spreadLabels(series.map((line) => py(line.points.at(-1)?.[1] ?? low)));
  const lines = series.map((line, position) => drawLine(line, { position, px, py, shown, labelY: labels[position]! }));
  return `<svg viewBox="0 0 ${frame.width} ${frame.height}" role="img" aria-label="${escapeHtml(name)}">${grid.join("")}` +
    `<line class="axis" x1="${frame.left}" x2="${frame.width - frame.right}" y1="${bottom}" y2="${bottom}"/>${marks.join("")}` +
    `<text class="tick" x="${(frame.left + frame.width - frame.right) / 2}" y="${frame.height - 4}" text-anchor="middle">` +
    `${escapeHtml(axis)}</text>${lines.join("")}</svg>`;
}

interface LinePlan {
  readonly position: number;
  readonly px: (x: number) => number;
  readonly py: (y: number) => number;
  readonly shown: (y: number) => string;
  readonly labelY: number;
}

function drawLine({ name, points }: Series, { position, px, py, shown, labelY }: LinePlan): string {
  if (points.length === 0) return "";
  const path = points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${px(x)} ${py(y)}`).join("");
  // Many dots would hide the line; they still tell their values to a pointer.
  const hidden = points.length > 40 ? ' class="quiet"' : "";
  const dots = points.map(([x, y]) => {
    return `<circle${hidden} cx="${px(x)}" cy="${py(y)}" r="3"><title>${escapeHtml(name)} ${shown(y)} at ${trim(x)}</title></circle>`;
  });
  const end = px(points.at(-1)![0]) + 10;
  return `<g class="series s${position + 1}"><path d="${path}"/>${dots.join("")}` +
    `<text x="${end}" y="${labelY + 4}">${escapeHtml(name)}</text></g>`;
}

/** Moves labels that would lie on each other apart. */
function spreadLabels(heights: readonly number[]): number[] {
  const apart = 15;
  const order = heights.map((_, position) => position).sort((a, b) => heights[a]! - heights[b]!);
  const out = [...heights];
  for (let i = 1; i < order.length; i++) out[order[i]!] = Math.max(out[order[i]!]!, out[order[i - 1]!]! + apart);
  return out;
}

/** Draws a grid of counts: hits in the accent colour, mistakes in red by the square root of their share. */
export function drawConfusion({ classes, counts }: Confusion): string {
  const size = classes.length > 20 ? Math.max(4, Math.floor(520 / classes.length)) : 44;
  const written = size >= 24;
  const margin = written ? 64 : 24;
  const cells = counts.flatMap((row, truth) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, guess) => drawCell({ count, total, hit: truth === guess, x: margin + guess * size, y: margin + truth * size }));
  });
  function drawCell({ count, total, hit, x, y }: { count: number; total: number; hit: boolean; x: number; y: number }): string {
    const share = total > 0 ? count / total : 0;
    const strength = round(hit ? 0.12 + 0.78 * share : Math.min(1, Math.sqrt(share) * 1.4));
    const truth = classes[(y - margin) / size]!;
    const guess = classes[(x - margin) / size]!;
    const title = `<title>${count} of ${total} ${escapeHtml(truth)} taken for ${escapeHtml(guess)}</title>`;
    const fill = count > 0 ? `<rect class="${hit ? "hit" : "miss"}" style="--strength:${strength}" x="${x + 1}" y="${y + 1}" ` : undefined;
    const box = `width="${size - 2}" height="${size - 2}" rx="${written ? 4 : 1}">${title}</rect>`;
    const ground = `<rect class="cell" x="${x + 1}" y="${y + 1}" ${box}`;
    const light = strength > 0.55 ? " on" : "";
    const text = written && count > 0
      ? `<text class="count${light}" x="${x + size / 2}" y="${y + size / 2 + 4}" text-anchor="middle">${count}</text>`
      : "";
    return ground + (fill === undefined ? "" : fill + box) + text;
  }
  const side = margin + classes.length * size;
  const names = written
    ? classes.map((name, k) =>
      `<text class="tick" x="${margin + k * size + size / 2}" y="${margin - 8}" text-anchor="middle">${escapeHtml(clip(name))}</text>` +
      `<text class="tick" x="${margin - 8}" y="${margin + k * size + size / 2 + 4}" text-anchor="end">${escapeHtml(clip(name))}</text>`
    )
    : [];
  return `<svg viewBox="0 0 ${side + 4} ${side + 4}" role="img" aria-label="Confusion matrix">` +
    `<text class="tick" x="${margin + (side - margin) / 2}" y="14" text-anchor="middle">predicted class</text>` +
    `<text class="tick" transform="translate(12 ${margin + (side - margin) / 2}) rotate(-90)" text-anchor="middle">true class</text>` +
    `${names.join("")}${cells.join("")}</svg>`;
}

function clip(name: string): string {
  return name.length > 7 ? `${name.slice(0, 6)}…` : name;
}

/** Draws samples as dots and prototypes as named rings, both in their class's colour; both axes have the same scale. */
export function drawEmbedding({ classes, points, prototypes }: EmbeddingPlot): string {
  const all = [...points, ...prototypes];
  if (all.length === 0) return "";
  const side = 560;
  const margin = 24;
  const [x0, x1] = extent(all.map(({ x }) => x));
  const [y0, y1] = extent(all.map(({ y }) => y));
  const scale = (side - 2 * margin) / Math.max(x1 - x0, y1 - y0);
  const px = (x: number) => round(side / 2 + (x - (x0 + x1) / 2) * scale);
  const py = (y: number) => round(side / 2 - (y - (y0 + y1) / 2) * scale);
  const hue = (label: number) => `style="--hue:${round((25 + (label * 360) / classes.length) % 360)};--shade:${label % 2}"`;
  const dots = points.map(({ x, y, label }) => {
    return `<circle class="dot" ${hue(label)} cx="${px(x)}" cy="${py(y)}" r="3"><title>${escapeHtml(classes[label]!)}</title></circle>`;
  });
  const rings = prototypes.map(({ x, y, label }) => {
    const name = escapeHtml(classes[label]!);
    return `<g class="prototype" ${hue(label)}><circle cx="${px(x)}" cy="${py(y)}" r="11"><title>prototype of ${name}</title></circle>` +
      `<text x="${px(x)}" y="${py(y) + 4}" text-anchor="middle">${classes[label]!.length <= 2 ? name : label}</text></g>`;
  });
  return `<svg viewBox="0 0 ${side} ${side}" role="img" aria-label="Embedding">${dots.join("")}${rings.join("")}</svg>`;
}

/** The least and greatest value, apart even when they are equal. */
function extent(values: readonly number[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

/** About `count` round numbers that enclose a range: 1, 2 or 5 times a power of ten apart. */
function ticks([low, high]: readonly [number, number], count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough)! * power;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function trim(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
