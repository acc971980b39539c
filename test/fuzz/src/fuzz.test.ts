import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fuzz } from "./fuzz.js";
import type { TargetName } from "./targets.js";

const test = suite("mutated files");

// The same cases each time: what fails in CI fails at home. Other seeds: node test/fuzz/dist/cli.js --help
const SEED = 1;
const cases: readonly [target: TargetName, count: number][] = [
  ["elf", 650_000],
  ["btf", 250_000],
  ["object", 100_000],
];

for (const [target, count] of cases) {
  test(`${count} mutations of ${target} files end in one of the known errors or a file`, async () => {
    const { accepted } = await fuzz(target, SEED, 0, count);
    // Mutations that all break the header would find nothing behind it.
    assert.ok(accepted > count / 20, `only ${accepted} of ${count} were accepted`);
  });
}

test.run();
