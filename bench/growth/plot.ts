/**
 * Plots on logarithmic scales, as SVG.
 *
 * @module
 */

/** One pair of axes. */
export interface Panel {
  readonly title: string;
  /** What the axes measure. */
  readonly x: string;
  readonly y: string;
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
  /** A dashed line: a power of x below the lines' ends, or given values. */
  readonly reference:
    | { readonly name: string; readonly power: number }
    | { readonly name: string; readonly value: (x: number) => number };
}

/** The plot's measures, in pixels. */
const panel = { width: 480, height: 380, left: 66, right: 30, top: 64, bottom: 52 } as const;

/** Colours that colour-blind people can tell apart (Okabe and Ito), and markers that tell them apart again. */
const colours = ["#0072b2", "#d55e00", "#009e73"] as const;

/** Draws panels, two in a row. */
export function drawPanels(panels: readonly Panel[]): string {
  const [width, height] = [2 * panel.width, Math.ceil(panels.length / 2) * panel.height];
  const parts = panels.map((each, at) =>
    `<g transform="translate(${(at % 2) * panel.width} ${Math.floor(at / 2) * panel.height})">\n${drawPanel(each)}\n</g>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"
  font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="12" fill="#222">
<rect width="${width}" height="${height}" fill="#fff"/>
${parts.join("\n")}
</svg>
`;
}

/** One axis: where values lie on it, and which are named. */
interface Axis {
  readonly place: (value: number) => number;
  readonly range: readonly [number, number];
  readonly ticks: readonly number[];
}

function drawPanel({ title, x, y, lines, reference }: Panel): string {
  const points = lines.flatMap((line) => line.points);
  if (points.length === 0) return "";
  const sizes = [...new Set(points.map(([size]) => size))].sort((a, b) => a - b);
  const across = axis([sizes[0]!, sizes.at(-1)!], sizes, [panel.left, panel.width - panel.right]);
  const values = points.map(([, value]) => value);
  const range = [roundDown(Math.min(...values) / 1.2), roundUp(Math.max(...values) * 1.2)] as const;
  const up = axis(range, ticksBetween(...range), [panel.height - panel.bottom, panel.top]);
  return [
    `<text x="${panel.left}" y="24" font-size="15" font-weight="600">${title}</text>`,
    ...drawAxes(across, up, { x, y }),
    drawReference(reference, lines, across, up),
    ...lines.flatMap((line, at) => drawLine(line, at, across, up)),
    ...drawLegend([...lines.map(({ name }) => name), reference.name], lines.length),
  ].join("\n");
}

function axis(range: readonly [number, number], ticks: readonly number[], [from, to]: readonly [number, number]): Axis {
  const [low, high] = range.map(Math.log) as [number, number];
  return { range, ticks, place: (value) => from + (to - from) * (Math.log(value) - low) / (high - low) };
}

function drawAxes(across: Axis, up: Axis, names: { readonly x: string; readonly y: string }): string[] {
  const [left, right, top, bottom] = [panel.left, panel.width - panel.right, panel.top, panel.height - panel.bottom];
  const vertical = across.ticks.map((value) => {
    const at = px(across.place(value));
    return `<path d="M${at} ${top}V${bottom}" stroke="#eee"/><text x="${at}" y="${bottom + 18}" text-anchor="middle">${
      numeral(value)
    }</text>`;
  });
  const horizontal = up.ticks.map((value) => {
    const at = px(up.place(value));
    const name = `<text x="${left - 8}" y="${at}" dy="4" text-anchor="end">${numeral(value)}</text>`;
    return `<path d="M${left} ${at}H${right}" stroke="#eee"/>${name}`;
  });
  const middle = (top + bottom) / 2;
  return [
    ...vertical,
    ...horizontal,
    `<path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="#888"/>`,
    `<text x="${(left + right) / 2}" y="${bottom + 40}" text-anchor="middle">${names.x}</text>`,
    `<text transform="translate(16 ${middle}) rotate(-90)" text-anchor="middle">${names.y}</text>`,
  ];
}

function drawLine({ points }: Panel["lines"][number], at: number, across: Axis, up: Axis): string[] {
  const colour = colours[at % colours.length];
  const places = points.map(([x, y]) => [px(across.place(x)), px(up.place(y))] as const);
  return [
    `<polyline points="${places.map((place) => place.join(",")).join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...places.map((place) => marker(at, ...place)),
  ];
}

function marker(at: number, x: number, y: number): string {
  const colour = colours[at % colours.length];
  if (at === 0) return `<circle cx="${x}" cy="${y}" r="4" fill="${colour}"/>`;
  if (at === 1) return `<rect x="${x - 4}" y="${y - 4}" width="8" height="8" fill="${colour}"/>`;
  return `<path d="M${x} ${y - 5}l5 9h-10z" fill="${colour}"/>`;
}

/** The part of the dashed line that lies within the axes. */
function drawReference(reference: Panel["reference"], lines: Panel["lines"], across: Axis, up: Axis): string {
  const [first, last] = across.range;
  const ends = lines.flatMap(({ points }) => points.filter(([x]) => x === last).map(([, y]) => y));
  const value = "value" in reference ? reference.value : (x: number) => 0.6 * Math.min(...ends) * (x / last) ** reference.power;
  const steps = Array.from({ length: 101 }, (_, step) => first * (last / first) ** (step / 100));
  const inside = steps.filter((x) => value(x) >= up.range[0] && value(x) <= up.range[1]);
  if (inside.length < 2) return "";
  const [from, to] = [inside[0]!, inside.at(-1)!].map((x) => `${px(across.place(x))} ${px(up.place(value(x)))}`);
  return `<path d="M${from}L${to}" stroke="#777" stroke-width="1.5" stroke-dasharray="5 4" fill="none"/>`;
}

function drawLegend(names: readonly string[], dashed: number): string[] {
  let x: number = panel.left;
  return names.map((name, at) => {
    const mark = at === dashed
      ? `<path d="M${x} 46h18" stroke="#777" stroke-width="1.5" stroke-dasharray="5 4"/>`
      : `<path d="M${x} 46h18" stroke="${colours[at % colours.length]}" stroke-width="2"/>${marker(at, x + 9, 46)}`;
    const text = `<text x="${x + 24}" y="50">${name}</text>`;
    x += 24 + 7 * name.length + 22;
    return mark + text;
  });
}

/** The numbers 1, 2 and 5 times powers of 10, of which few enough are named to be read. */
function ticksBetween(low: number, high: number): number[] {
  const decades = Array.from({ length: 30 }, (_, at) => 10 ** (at - 12));
  const within = (value: number) => value >= low * 0.999 && value <= high * 1.001;
  const fine = decades.flatMap((decade) => [1, 2, 5].map((factor) => factor * decade)).filter(within);
  return fine.length <= 9 ? fine : decades.filter(within);
}

function roundDown(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(value));
  return [5, 2, 1].find((factor) => factor * decade <= value)! * decade;
}

function roundUp(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((factor) => factor * decade >= value)! * decade;
}

function numeral(value: number): string {
  return value >= 1 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(2)));
}

function px(value: number): number {
  return Math.round(value * 10) / 10;
}
