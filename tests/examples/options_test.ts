import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { help, parseCommand, UsageError } from "../../examples/train/options.ts";
import { settle } from "../../examples/train/recipe.ts";

Deno.test("parseCommand knows every flag that the main job promises, and --help names each", () => {
  const args = "--loss ce --dataset mnist --data-dir d --model mlp --epochs 2 --batch-size 32 --lr 0.5 --temperature 0.2 --optimizer sgd " +
    "--schedule step --label-noise 0.1 --imbalance 0.01 --samples-per-class 50 --views 2 --device cpu --threads 1 --seed 7 --out o --resume --json " +
    "--no-compile";
  const command = parseCommand(args.split(" "));
  assertEquals(command, {
    choices: {
      loss: "ce",
      dataset: "mnist",
      model: "mlp",
      epochs: 2,
      batchSize: 32,
      lr: 0.5,
      temperature: 0.2,
      optimizer: "sgd",
      schedule: "step",
      labelNoise: 0.1,
      imbalance: 0.01,
      samplesPerClass: 50,
      views: 2,
      seed: 7,
    },
    given: command === "help" ? {} : command.given,
    dataDir: "d",
    device: "cpu",
    threads: 1,
    out: "o",
    resume: true,
    json: true,
    compile: false,
  });
  for (const flag of args.split(" ").filter((word) => word.startsWith("--"))) assertStringIncludes(help, flag);
  assertEquals([parseCommand(["--help"]), parseCommand(["-h"])], ["help", "help"]);
});

Deno.test("parseCommand without flags is ESupCon on digits, and takes the rest from the recipe", () => {
  const command = parseCommand([]);
  if (command === "help") throw new Error("unexpected");
  assertEquals([command.choices.loss, command.choices.dataset, command.device, command.compile, command.out], [
    "esupcon",
    "digits",
    "auto",
    true,
    "runs/digits-esupcon",
  ]);
  assertEquals(command.given, {});
  assertEquals(settle({ ...command.choices, epochs: 3 }), { ...settle(command.choices), epochs: 3 });
});

Deno.test("parseCommand refuses unknown flags and bad values in one line that says what is needed", () => {
  const cases: [string, string][] = [
    ["--los ce", "unknown flag --los"],
    ["-x", "unknown flag -x"],
    ["digits", "unknown argument digits"],
    ["--json yes", "unknown argument yes"],
    ["-- left", "unknown argument left"],
    ["--loss", "--loss needs a value"],
    ["--loss mse", "--loss needs one of ce, espce, supcon, esupcon, got mse"],
    ["--dataset mnis", "--dataset needs one of digits, mnist"],
    ["--epochs 0", "--epochs needs a whole number of at least 1, got 0"],
    ["--epochs 2.5", "--epochs needs a whole number"],
    ["--epochs many", "--epochs needs a whole number"],
    ["--batch-size 1", "--batch-size needs a whole number of at least 2, got 1"],
    ["--lr 0", "--lr needs a number above 0, got 0"],
    ["--lr NaN", "--lr needs a number above 0, got NaN"],
    ["--lr=-1", "--lr needs a number above 0, got -1"],
    ["--temperature -0.1", "--temperature needs a number above 0, got -0.1"],
    ["--label-noise 1.5", "--label-noise needs a number from 0 to 1, got 1.5"],
    ["--imbalance 0", "--imbalance needs a number above 0 and at most 1, got 0"],
    ["--views 0", "--views needs a whole number of at least 1"],
    ["--device gpu", "--device needs one of auto, webgpu, cpu, got gpu"],
    ["--threads none", "--threads needs a whole number of at least 1, got none"],
    ["--seed 4294967296", "--seed needs a whole number from 0 to 4294967295"],
  ];
  for (const [args, words] of cases) {
    const error = assertThrows(() => parseCommand(args.split(" ")), UsageError, undefined, args);
    assertStringIncludes(error.message, words);
    assertMatch(error.message, /^[^\n]+$/);
  }
});
