/**
 * A run's report: one HTML file that needs nothing else, light or dark as the reader's system is.
 *
 * @module
 */
import { checkList, checkOptions } from "../tensor/arguments.ts";
import { type Confusion, type Curve, drawConfusion, drawCurve, drawEmbedding, type EmbeddingPlot, escapeHtml } from "./charts.ts";

/** A name and what stands beside it. */
export type Row = readonly [name: string, value: string];

/** What a report shows; what is left out is not shown. */
export interface Report {
  /** The page's heading. */
  readonly title: string;
  /** One sentence below the title. */
  readonly subtitle?: string;
  /** The few figures that matter most. */
  readonly figures: readonly Row[];
  /** Charts of lines, three in a row where there is room. */
  readonly curves?: readonly Curve[];
  /** How often each class was taken for each other one. */
  readonly confusion?: Confusion;
  /** Samples and prototypes in the plane, and a sentence about them. */
  readonly embedding?: EmbeddingPlot & { readonly caption: string };
  /** The settings of the run. */
  readonly settings: readonly Row[];
}

/**
 * Renders a report as HTML. All text is escaped; nothing is loaded from elsewhere and no script runs.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { renderReport } from "./mod.ts";
 *
 * const html = renderReport({ title: "<first run>", figures: [["Test accuracy", "98.9 %"]], settings: [["seed", "0"]] });
 * assert(html.startsWith("<!doctype html>") && html.includes("&lt;first run&gt;"));
 * ```
 */
export function renderReport(options: Report): string {
  checkOptions(options, "renderReport", ["title", "subtitle", "figures", "curves", "confusion", "embedding", "settings"]);
  const { title, subtitle, figures, curves = [], confusion, embedding, settings } = options;
  checkList(curves, "renderReport", "{ curves: [curve] }");
  for (const rows of [figures, settings]) {
    for (const row of checkList(rows, "renderReport", '[["seed", "0"]]')) checkList(row, "renderReport", '[["seed", "0"]]');
  }
  const charts = curves.map((curve) => card(curve.name, drawCurve(curve)));
  const pictures = [
    ...(embedding === undefined ? [] : [card("Embedding", drawEmbedding(embedding) + legend(embedding), embedding.caption)]),
    ...(confusion === undefined ? [] : [card("Confusion matrix", drawConfusion(confusion), mistakes(confusion))]),
  ];
  const table = `<dl class="settings">${settings.map(([name, value]) => pair(name, value)).join("")}</dl>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
${subtitle === undefined ? "" : `<p>${escapeHtml(subtitle)}</p>`}
</header>
<dl class="figures">${figures.map(([name, value]) => pair(name, value)).join("")}</dl>
<main>
${[row("curves", charts), row("pictures", pictures), card("Settings", table)].join("\n")}
</main>
</body>
</html>
`;
}

function card(name: string, content: string, caption?: string): string {
  const foot = caption === undefined ? "" : `<p>${escapeHtml(caption)}</p>`;
  return `<section><h2>${escapeHtml(name)}</h2>${content}${foot}</section>`;
}

function row(name: string, cards: readonly string[]): string {
  return cards.length === 0 ? "" : `<div class="${name}">${cards.join("\n")}</div>`;
}

function pair(name: string, value: string): string {
  return `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`;
}

/** Needed only where names do not fit into the rings. */
function legend({ classes }: EmbeddingPlot): string {
  if (classes.length > 30 || classes.every((name) => name.length <= 2)) return "";
  const items = classes.map((name, label) => {
    const hue = `--hue:${(25 + (label * 360) / classes.length) % 360};--shade:${label % 2}`;
    return `<li style="${hue}"><b>${label}</b> ${escapeHtml(name)}</li>`;
  });
  return `<ul class="legend">${items.join("")}</ul>`;
}

/** The most frequent mistakes, in words. */
function mistakes({ classes, counts }: Confusion): string {
  const all = counts.flatMap((row, truth) => row.map((count, guess) => ({ count, truth, guess })));
  const wrong = all.filter(({ count, truth, guess }) => truth !== guess && count > 0).sort((a, b) => b.count - a.count);
  const total = wrong.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return "No mistakes.";
  const most = wrong.slice(0, 3).map(({ count, truth, guess }) => `${classes[truth]} taken for ${classes[guess]} (${count})`);
  return `${total} ${total === 1 ? "mistake" : "mistakes"}; most often ${most.join(", ")}.`;
}

const style = `
:root {
  color-scheme: light dark;
  --ground: #f6f6f3; --card: #ffffff; --line: #e3e3de; --ink: #1d1f23; --soft: #666a73;
  --one: #2f6fdb; --two: #d9622b; --three: #2a9d6f; --hit: 47 111 219; --miss: 205 62 52; --cell: #f2f2ee;
  --light: 0.6; --step: 0.09; --chroma: 0.16;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15171b; --card: #1e2127; --line: #32363f; --ink: #eceef2; --soft: #9da3af;
    --one: #6ea2ff; --two: #ff9a66; --three: #5fd0a0; --hit: 96 150 255; --miss: 255 104 92; --cell: #262a31;
    --light: 0.7; --step: 0.08; --chroma: 0.15;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.02em; text-wrap: balance; }
h2 { margin: 0 0 0.75rem; font-size: 1rem; font-weight: 600; }
header p, section > p { margin: 0.5rem 0 0; color: var(--soft); }
section > p { font-size: 0.875rem; }
.figures, main, main > div { display: grid; gap: 1rem; }
.figures { grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); margin: 1.75rem 0 1rem; }
.curves { grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); }
.pictures { grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
.figures div, section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.25rem; min-width: 0; }
dt { color: var(--soft); font-size: 0.875rem; }
dd { margin: 0.1rem 0 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.figures dd { font-size: 1.5rem; font-weight: 600; letter-spacing: -0.01em; }
.settings { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0.9rem 1.5rem; margin: 0; }
svg { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; }
.tick { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); }
.axis { stroke: var(--soft); }
.series path { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.series circle { fill: currentColor; stroke: var(--card); stroke-width: 1.5; }
.series .quiet { opacity: 0; }
.series .quiet:hover { opacity: 1; }
.series text { fill: currentColor; font-weight: 600; }
.s1 { color: var(--one); } .s2 { color: var(--two); } .s3 { color: var(--three); }
.cell { fill: var(--cell); }
.hit { fill: rgb(var(--hit) / var(--strength)); }
.miss { fill: rgb(var(--miss) / var(--strength)); }
.count { fill: var(--ink); pointer-events: none; font-variant-numeric: tabular-nums; }
.count.on { fill: #ffffff; }
.dot { fill: oklch(calc(var(--light) + var(--shade) * var(--step)) var(--chroma) var(--hue)); fill-opacity: 0.75; }
.prototype circle { fill: var(--card); stroke-width: 3;
  stroke: oklch(calc(var(--light) + var(--shade) * var(--step)) var(--chroma) var(--hue)); }
.prototype text { fill: var(--ink); font-weight: 700; pointer-events: none; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin: 0.75rem 0 0; padding: 0; list-style: none; font-size: 0.875rem; }
.legend b { color: oklch(calc(var(--light) + var(--shade) * var(--step)) var(--chroma) var(--hue)); }
`;
