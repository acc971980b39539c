import { execFileSync } from "node:child_process";
import { suite } from "uvu";
import { compile, examplesOf } from "./examples.js";

const test = suite("programs in the README of bpf-loader");

/** A mount and a network namespace of its own, whose device 1 is loopback, and a BPF filesystem. */
const stage = [
  "mount -t bpf bpf /sys/fs/bpf",
  "mkdir /sys/fs/bpf/count",
  "ip link set lo up",
  'cd "$1" && shift',
  'exec "$@"',
].join("\n");

const examples = examplesOf("packages/bpf-loader");
const compiled = compile(examples);
test.after(() => compiled[Symbol.dispose]());

for (const { name } of examples) {
  test(`${name} runs`, () => {
    const command = [compiled.folder, process.execPath, compiled.path(name)];
    execFileSync("unshare", ["--mount", "--net", "sh", "-ec", stage, "sh", ...command], {
      stdio: ["ignore", "ignore", "pipe"],
    });
  });
}

test.run();
