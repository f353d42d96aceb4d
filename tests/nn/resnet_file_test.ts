import { assert, assertAlmostEquals } from "@std/assert";
import { ResNet18 } from "../../nn/mod.ts";
import { loadSafetensors } from "../../tensor/io/safetensors.ts";
import { scope } from "../../tensor/mod.ts";
import { ignoreWithout } from "../permissions.ts";

const script = new URL("./fixtures/make_resnet.py", import.meta.url).pathname;
/** Debian's interpreter, which sees Debian's packages. */
const python = "/usr/bin/python3";

/** Loads the file into a model and compares logits. */
async function compare(path: string, width: number): Promise<void> {
  using _ = scope();
  const { tensors } = await loadSafetensors(path);
  const { "test.input": input, "test.logits": logits, ...state } = tensors;
  const expected = await logits!.data();
  const model = new ResNet18({ stem: "large", width, numClasses: logits!.shape[1]! }).eval();
  model.loadStateDict(state);
  const got = await model.forward(input!).data();
  expected.forEach((value, i) => assertAlmostEquals(got[i]!, value, 1e-4));
  model.dispose();
  for (const tensor of Object.values(tensors)) tensor.dispose();
}

Deno.test({
  name: "ResNet18 loads a narrow torchvision-style file and gives PyTorch's logits",
  ignore: ignoreWithout("read"),
  fn: () => compare(new URL("./fixtures/resnet18_width1.safetensors", import.meta.url).pathname, 1),
});

async function hasTorch(): Promise<boolean> {
  try {
    return (await new Deno.Command(python, { args: ["-c", "import torch"], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

Deno.test({
  name: "ResNet18 loads a whole torchvision-style file that PyTorch makes now, and gives its logits",
  ignore: ignoreWithout("read", "write", "run") || !await hasTorch(),
  async fn() {
    const path = await Deno.makeTempFile({ suffix: ".safetensors" });
    try {
      assert((await new Deno.Command(python, { args: [script, path, "64"] }).output()).success);
      await compare(path, 64);
    } finally {
      await Deno.remove(path);
    }
  },
});
