// node test/fuzz/dist/cli.js TARGET: mutated files for as long as one likes, or one case again.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { isExpected } from "./exercise.js";
import { fuzz } from "./fuzz.js";
import { mutate } from "./mutate.js";
import { Random } from "./random.js";
import { type TargetName, targets } from "./targets.js";

const USAGE = `Usage: node test/fuzz/dist/cli.js TARGET [OPTIONS]

TARGET is one of ${Object.keys(targets).join(", ")}.

  --seed N      where the random numbers begin (default 1)
  --cases N     how many cases (default 1000000)
  --case N      one case alone
  --write FILE  the file of that case
  --minimise    with --case: take back what the failure does not need, and write that`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "1" },
    cases: { type: "string", default: "1000000" },
    case: { type: "string" },
    write: { type: "string" },
    minimise: { type: "boolean" },
    help: { type: "boolean" },
  },
});
const name = positionals[0] as TargetName;
const seed = Number(values.seed);

if (values.help || !(name in targets)) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else if (values.case !== undefined) {
  one(Number(values.case));
} else {
  const { cases, accepted } = await fuzz(name, seed, 0, Number(values.cases));
  console.log(`${cases} cases, ${accepted} of them accepted`);
}

function one(number: number): void {
  const target = targets[name];
  const random = new Random(seed, number);
  const original = random.pick(target.originals());
  let bytes = mutate(original, random);
  const run = (bytes: Uint8Array) => target.run(bytes, number);
  if (values.minimise) bytes = minimised(original.bytes, bytes, run);
  const changed = [...bytes.keys()].filter((at) => bytes[at] !== original.bytes[at]);
  console.log(`${original.name}: ${bytes.length} of ${original.bytes.length} bytes`);
  for (const at of changed.slice(0, 40)) console.log(`  ${at}: ${original.bytes[at]} -> ${bytes[at]}`);
  if (values.write) writeFileSync(values.write, bytes);
  try {
    run(bytes);
    console.log("accepted");
  } catch (error) {
    if (!isExpected(error)) throw error;
    console.log(`refused: ${(error as Error).message}`);
  }
}

/** Gives each changed byte its old value again, if it fails in the same way without the change. */
function minimised(old: Uint8Array, bytes: Uint8Array, run: (bytes: Uint8Array) => void): Uint8Array {
  const outcome = (candidate: Uint8Array) => {
    try {
      run(candidate);
      return "";
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).stack?.split("\n")[1]}`;
    }
  };
  const wanted = outcome(bytes);
  const smaller = bytes.slice();
  for (let at = 0; at < Math.min(old.length, smaller.length); at++) {
    const changed = smaller[at]!;
    if (changed === old[at]) continue;
    smaller[at] = old[at]!;
    if (outcome(smaller) !== wanted) smaller[at] = changed;
  }
  return smaller;
}
