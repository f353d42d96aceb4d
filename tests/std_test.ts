/**
 * The stand-ins under tests/std promise the documented behaviour of the packages they stand in for. These tests assert nothing
 * beyond that behaviour, so they can be run against the packages themselves by emptying "links" in deno.json.
 *
 * @module
 */
import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unreachable,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { parseArgs as parseArgsOfMod } from "@std/cli";

/** Independent of the assertions under test: whether the function throws an AssertionError whose message includes the text. */
function refuses(assertion: () => void, text = ""): void {
  try {
    assertion();
  } catch (error) {
    if (error instanceof AssertionError && error.message.includes(text)) return;
    throw new Error(`expected an AssertionError with "${text}", got ${error}`);
  }
  throw new Error(`expected an AssertionError with "${text}", got none: ${assertion}`);
}

function holds(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

Deno.test("AssertionError is an Error with its own name and a cause", () => {
  const error = new AssertionError("no", { cause: 3 });
  holds(error instanceof Error && error.name === "AssertionError" && error.message === "no" && error.cause === 3, "fields");
});

Deno.test("assert() and assertFalse() look at truthiness and carry the message", () => {
  assert(1);
  assertFalse("");
  refuses(() => assert(0, "zero"), "zero");
  refuses(() => assertFalse([], "array"), "array");
});

Deno.test("equal() holds for equal values of every kind", () => {
  const symbol = Symbol();
  const pairs: [unknown, unknown][] = [
    [NaN, NaN],
    [0, -0],
    [[0], [-0]],
    [null, null],
    [10n, 10n],
    [[1, [2, { a: NaN }]], [1, [2, { a: NaN }]]],
    [{ a: 1, b: undefined }, { b: undefined, a: 1 }],
    [Object.create(null), {}],
    [{ [symbol]: 1 }, { [symbol]: 1 }],
    [new Date(5), new Date(5)],
    [new Date(NaN), new Date(NaN)],
    [/a/g, /a/g],
    [new URL("https://a.b/c"), new URL("https://a.b/c")],
    [new Set([1, new Set([2, 3])]), new Set([new Set([3, 2]), 1])],
    [new Map([[{ a: 1 }, [1]], [{ a: 2 }, [2]]]), new Map([[{ a: 2 }, [2]], [{ a: 1 }, [1]]])],
    [new Float32Array([1, NaN, 0]), new Float32Array([1, NaN, -0])],
    [new BigInt64Array([1n]), new BigInt64Array([1n])],
    [new Uint8Array([9, 1, 2]).subarray(1), new Uint8Array([1, 2])],
  ];
  for (const [a, b] of pairs) holds(equal(a, b) && equal(b, a), `${Deno.inspect(a)} equals ${Deno.inspect(b)}`);
});

Deno.test("equal() fails for values that differ in type, length, key, prototype or content", () => {
  class A {
    x = 1;
  }
  class B {
    x = 1;
  }
  const pairs: [unknown, unknown][] = [
    [1, "1"],
    [0, false],
    [null, undefined],
    [null, {}],
    [1, 1n],
    [[1, 2], [1, 2, 3]],
    [[1, 2], [2, 1]],
    [{ a: undefined }, {}],
    [{ a: undefined, b: 1 }, { c: undefined, b: 1 }],
    [{ [Symbol()]: 1 }, { [Symbol()]: 1 }],
    [new A(), new B()],
    [new A(), { x: 1 }],
    [new Date(5), new Date(6)],
    [/a/, /a/g],
    [new Set([1, 2]), new Set([1, 3])],
    [new Set([1]), new Set([1, 2])],
    [new Map([["a", 1]]), new Map([["a", 2]])],
    [new Map([["a", 1]]), new Map([["b", 1]])],
    [new Float32Array([1]), new Float64Array([1])],
    [new Float32Array([1]), new Float32Array([1, 2])],
    [new Float32Array([1]), [1]],
    [new Int32Array([1, 2]), new Int32Array([1, 3])],
    [() => 1, () => 1],
  ];
  for (const [a, b] of pairs) holds(!equal(a, b) && !equal(b, a), `${Deno.inspect(a)} differs from ${Deno.inspect(b)}`);
});

Deno.test("equal() ends on cycles and refuses to compare weak collections", () => {
  const a: Record<string, unknown> = {};
  a.self = a;
  const b: Record<string, unknown> = {};
  b.self = b;
  holds(equal(a, b), "cycles of the same form are equal");
  assertThrows(() => equal(new WeakMap(), new WeakMap()), TypeError);
});

Deno.test("assertEquals() and assertNotEquals() use deep equality and show both values", () => {
  assertEquals({ a: [1] }, { a: [1] });
  assertNotEquals<unknown>({ a: [1] }, { a: [2] });
  refuses(() => assertEquals([1], [2]), "Values are not equal");
  refuses(() => assertEquals("left", "right", "the note"), "the note");
  refuses(() => assertNotEquals([1], [1]), "not to be");
});

Deno.test("assertStrictEquals() and assertNotStrictEquals() use Object.is", () => {
  const object = {};
  assertStrictEquals(object, object);
  assertStrictEquals(NaN, NaN);
  assertNotStrictEquals({}, {});
  assertNotStrictEquals(0, -0);
  refuses(() => assertStrictEquals({}, {}), "not strictly equal");
  refuses(() => assertStrictEquals(0, -0));
  refuses(() => assertNotStrictEquals(1, 1));
});

Deno.test("assertAlmostEquals() allows the tolerance, by default 1e-7 of the expected value", () => {
  assertAlmostEquals(0.1 + 0.2, 0.3);
  assertAlmostEquals(1.000000001e-8, 1.000000002e-8);
  assertAlmostEquals(0.01, 0.02, 0.1);
  assertAlmostEquals(0.1 + 0.2, 0.3, 1e-16);
  assertAlmostEquals(NaN, NaN);
  assertAlmostEquals(Infinity, Infinity);
  refuses(() => assertAlmostEquals(0.01, 0.02), "to be close to");
  refuses(() => assertAlmostEquals(1e-8, 1e-9));
  refuses(() => assertAlmostEquals(0.1 + 0.2, 0.3, 1e-17));
  refuses(() => assertAlmostEquals(NaN, 1));
  refuses(() => assertAlmostEquals(1, NaN, 10));
});

Deno.test("the ordering assertions compare with the language's operators", () => {
  assertGreater(2, 1);
  assertGreaterOrEqual(2, 2);
  assertLess(1, 2);
  assertLessOrEqual(2, 2);
  refuses(() => assertGreater(2, 2), ">");
  refuses(() => assertGreaterOrEqual(1, 2), ">=");
  refuses(() => assertLess(2, 2), "<");
  refuses(() => assertLessOrEqual(3, 2), "<=");
  refuses(() => assertLess(NaN, 1));
});

Deno.test("assertExists(), assertInstanceOf(), assertMatch(), assertStringIncludes() and assertArrayIncludes()", () => {
  assertExists(0);
  assertInstanceOf(new TypeError(), Error);
  assertMatch("tensor [2, 3]", /\[\d, \d\]/);
  assertStringIncludes("tensor", "ens");
  assertArrayIncludes([1, [2], { a: 3 }], [[2], { a: 3 }]);
  refuses(() => assertExists(null));
  refuses(() => assertExists(undefined, "gone"), "gone");
  refuses(() => assertInstanceOf(new Error(), TypeError), "TypeError");
  refuses(() => assertInstanceOf(3, Number), "Number");
  refuses(() => assertMatch("abc", /\d/));
  refuses(() => assertStringIncludes("abc", "d"), "abc");
  refuses(() => assertArrayIncludes([1, 2], [2, 3]), "3");
});

Deno.test("assertIsError() checks the class and a part of the message", () => {
  assertIsError(new TypeError("wrong shape"), TypeError, "shape");
  refuses(() => assertIsError("a string"), "Error object");
  refuses(() => assertIsError(new Error("a"), TypeError), "TypeError");
  refuses(() => assertIsError(new Error("a"), Error, "b"), "include");
});

Deno.test("assertThrows() returns what was thrown and checks class and message", () => {
  const error: RangeError = assertThrows(() => raise(new RangeError("out of range")), RangeError, "range");
  assertEquals(error.message, "out of range");
  assertEquals(assertThrows(() => raise("a string")), "a string");
  assertThrows(() => raise(new RangeError()), Error); // a subclass will do
  refuses(() => assertThrows(() => 1), "Expected function to throw");
  refuses(() => assertThrows(() => 1, "the note"), "the note");
  refuses(() => assertThrows(() => raise(new Error("a")), TypeError), "TypeError");
  refuses(() => assertThrows(() => raise(new Error("a")), Error, "b"), "include");
  refuses(() => assertThrows(() => raise("a string"), Error), "non-Error");
});

Deno.test("assertRejects() resolves to the reason and takes a synchronous throw for a failure", async () => {
  const error: RangeError = await assertRejects(() => Promise.reject(new RangeError("late")), RangeError, "late");
  assertEquals(error.message, "late");
  await assertRejects(() => assertRejects(() => Promise.resolve(1)), AssertionError, "Expected function to reject");
  await assertRejects(() => assertRejects(() => raise(new Error("early"))), AssertionError, "throws when expected to reject");
  await assertRejects(() => assertRejects(() => Promise.reject(new Error("a")), TypeError), AssertionError, "TypeError");
  await assertRejects(() => assertRejects(() => Promise.reject(1), Error), AssertionError, "non-Error");
});

Deno.test("fail() and unreachable() throw", () => {
  refuses(() => fail("why"), "why");
  refuses(() => unreachable(), "nreachable");
});

function raise(reason: unknown): never {
  throw reason;
}

Deno.test("parseArgs() is the same function in both modules", () => assertStrictEquals(parseArgs, parseArgsOfMod));

Deno.test("parseArgs() reads long and short flags, numbers and positional arguments", () => {
  assertEquals(parseArgs(["--foo", "--bar=baz", "./quux.txt"]), { foo: true, bar: "baz", _: ["./quux.txt"] });
  assertEquals(parseArgs(["--host", "a", "--port", "555", "7"]), { host: "a", port: 555, _: [7] });
  assertEquals(parseArgs(["-abc"]), { a: true, b: true, c: true, _: [] });
  assertEquals(parseArgs(["-n5", "-f", "11", "-b=x"]), { n: 5, f: 11, b: "x", _: [] });
  assertEquals(parseArgs(["-cats", "woo"]), { c: true, a: true, t: true, s: "woo", _: [] });
  assertEquals(parseArgs(["-I/a/b", "-n", "-"]), { I: "/a/b", n: "-", _: [] });
  assertEquals(parseArgs(["-x", "1e7", "-y", "10f", "--hex", "0xff"]), { x: 1e7, y: "10f", hex: 255, _: [] });
  assertEquals(parseArgs(["-v", "a", "-v", "b"]), { v: "b", _: [] });
  assertEquals(parseArgs(["--f=a=b"]), { f: "a=b", _: [] });
});

Deno.test("parseArgs() takes no value for a boolean flag, except true and false", () => {
  const options = { boolean: ["json", "v"] } as const;
  assertEquals(parseArgs(["--json", "x"], options), { json: true, v: false, _: ["x"] });
  assertEquals(parseArgs(["--json=false", "-v", "true"], options), { json: false, v: true, _: [] });
  assertEquals(parseArgs(["--json", "false", "x"], options), { json: false, v: false, _: ["x"] });
  assertEquals(parseArgs(["a", "--honk", "b", "-p", "5", "--c=d"], { boolean: true }), { honk: true, p: 5, c: "d", _: ["a", "b"] });
});

Deno.test("parseArgs() keeps a string flag a string, empty when nothing follows", () => {
  const options = { string: ["lr", "s"] } as const;
  assertEquals(parseArgs(["--lr", "0001"], options).lr, "0001");
  assertEquals(parseArgs(["--lr=5", "-s", "6"], options), { lr: "5", s: "6", _: [] });
  assertEquals(parseArgs(["--lr"], options).lr, "");
  assertEquals(parseArgs(["--lr", "--s", "1"], options), { lr: "", s: "1", _: [] });
  assertEquals(parseArgs([], options), { _: [] });
  assertEquals(parseArgs(["56"], { string: "_" })._, ["56"]);
});

Deno.test("parseArgs() fills defaults, only where nothing was given", () => {
  const options = { string: ["lr"], boolean: ["json"], default: { lr: "0.1", json: true, more: 3 } } as const;
  assertEquals(parseArgs([], options), { lr: "0.1", json: true, more: 3, _: [] });
  assertEquals(parseArgs(["--lr", "1", "--json=false"], options), { lr: "1", json: false, more: 3, _: [] });
});

Deno.test("parseArgs() sets every name of a flag", () => {
  const options = { boolean: ["help"], string: ["out"], alias: { help: "h", out: ["o", "output"] } } as const;
  assertEquals(parseArgs(["-h", "-o", "x"], options), { help: true, h: true, out: "x", o: "x", output: "x", _: [] });
  assertEquals(parseArgs(["--output=5"], options).out, "5");
  assertEquals(parseArgs([], { default: { a: 1 }, alias: { a: "b" } }), { a: 1, b: 1, _: [] });
});

Deno.test("parseArgs() collects repeated flags, and only those declared so", () => {
  const options = { string: ["tag", "one"], collect: ["tag", "any"] } as const;
  assertEquals(parseArgs(["--tag", "a", "--tag=1", "--one", "a", "--one", "b", "--any", "3"], options), {
    tag: ["a", "1"],
    one: "b",
    any: [3],
    _: [],
  });
  assertEquals(parseArgs([], options).tag, []);
});

Deno.test("parseArgs() negates only what is declared negatable", () => {
  assertEquals(parseArgs(["--no-color", "--no-moo"], { boolean: ["color"], negatable: ["color"], default: { color: true } }), {
    color: false,
    "no-moo": true,
    _: [],
  });
  assertEquals(parseArgs(["--no-color", "--color"], { boolean: ["color"], negatable: ["color"] }).color, true);
});

Deno.test("parseArgs() asks the unknown handler about what is not declared, and drops it on false", () => {
  const seen: unknown[] = [];
  const args = parseArgs(["--known", "1", "--lrr=2", "-x", "3", "file"], {
    string: ["known"],
    unknown: (arg, key, value) => {
      seen.push([arg, key, value]);
      return false;
    },
  });
  assertEquals(args, { known: "1", _: [] });
  assertEquals(seen, [["--lrr=2", "lrr", "2"], ["-x", "x", "3"], ["file", undefined, undefined]]);
});

Deno.test("parseArgs() stops at -- and, with stopEarly, at the first argument that is no flag", () => {
  assertEquals(parseArgs(["-a", "--", "-b", "5"]), { a: true, _: ["-b", "5"] });
  assertEquals(parseArgs(["-a", "x", "--", "-b"], { "--": true, boolean: ["a"] }), { a: true, _: ["x"], "--": ["-b"] });
  assertEquals(parseArgs(["--a=1", "run", "--b", "2"], { stopEarly: true }), { a: 1, _: ["run", "--b", "2"] });
});

Deno.test("parseArgs() nests dotted names and keeps names of built-in properties ordinary", () => {
  assertEquals(parseArgs(["--a.b", "1", "--a.c.d", "x"]), { a: { b: 1, c: { d: "x" } }, _: [] });
  assertEquals(parseArgs(["--toString", "--valueOf", "x"]), { toString: true, valueOf: "x", _: [] } as Record<string, unknown> & { _: [] });
});

Deno.test("parseArgs() types its result by the options", () => {
  const args = parseArgs(["--seed", "3"], {
    string: ["seed", "out", "tag"],
    boolean: ["json"],
    collect: ["tag"],
    default: { seed: "0" },
    alias: { json: "j" },
    "--": true,
  });
  const seed: string = args.seed;
  const out: string | undefined = args.out;
  const [json, j]: boolean[] = [args.json, args.j];
  const tag: string[] = args.tag;
  const rest: string[] = args["--"];
  const loose: (string | number)[] = args._;
  assertEquals([seed, out, json, j, tag, rest, loose], ["3", undefined, false, false, [], [], []]);
});
