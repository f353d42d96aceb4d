import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { formatDuration, Progress } from "../../train/mod.ts";

function recording(terminal: boolean, columns = 80) {
  const written: string[] = [];
  return { target: { write: (text: string) => void written.push(text), terminal, columns }, written };
}

Deno.test("Progress rewrites one line on a terminal, no longer than the terminal is wide", () => {
  const { target, written } = recording(true, 60);
  const progress = new Progress(target);
  for (let done = 1; done <= 100; done++) {
    progress.update({ label: "epoch 1/1", done, total: 100, parts: ["loss 0.123", "accuracy 99.0 %", "123,456 samples/s"], seconds: done });
  }
  for (const text of written) {
    assert(text.startsWith("\r") && text.endsWith("\x1b[K"));
    assert(text.length - "\r\x1b[K".length < 60);
  }
  progress.finish();
  assertEquals(written.at(-1), "\n");
});

Deno.test("Progress draws a bar where there is room", () => {
  const { target, written } = recording(true, 80);
  new Progress(target).update({ label: "epoch 1/1", done: 1, total: 2, seconds: 1 });
  assertStringIncludes(written[0]!, "▕███████████████               ▏   50 %");
});

Deno.test("Progress writes few plain lines where nothing can be rewritten", () => {
  const { target, written } = recording(false);
  const progress = new Progress(target);
  for (let done = 1; done <= 1000; done++) progress.update({ label: "epoch", done, total: 1000, seconds: done / 10 });
  assertEquals(written.length, 11);
  assert(written.every((text) => text.endsWith("\n") && !text.includes("\r")));
  assertEquals(written[5], "epoch   50 %  0:50 left\n");
  assertEquals(written[10], "epoch  100 %\n");
});

Deno.test("Progress estimates from what this run did, not from what an earlier one did", () => {
  const { target, written } = recording(false);
  new Progress(target).update({ label: "epoch", done: 60, total: 100, from: 50, seconds: 10 });
  assertStringIncludes(written[0]!, "0:40 left");
});

Deno.test("Progress puts notes on lines of their own", () => {
  const { target, written } = recording(true);
  const progress = new Progress(target);
  progress.update({ label: "epoch", done: 1, total: 2, seconds: 1 });
  progress.note("saved");
  progress.note("again");
  assertEquals(written.slice(1), ["\r\x1b[Ksaved\n", "again\n"]);
});

Deno.test("formatDuration writes minutes and seconds, and hours where there are any", () => {
  assertEquals([0, 4, 59.2, 754, 3723].map(formatDuration), ["0:00", "0:04", "1:00", "12:34", "1:02:03"]);
});
