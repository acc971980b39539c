import { execFileSync } from "node:child_process";
import { suite } from "uvu";
import { compile, type Example, examplesOf } from "./examples.js";

/** What a package's programs find, in a mount and a network namespace of their own, whose device 1 is loopback. */
const stages = {
  "bpf-loader": ["mount -t bpf bpf /sys/fs/bpf", "mkdir /sys/fs/bpf/count"],
  netlink: ["mount -t tmpfs run /run", "ip netns add blue"],
};

for (const [name, stage] of Object.entries(stages)) {
  const test = suite(`programs in the README of ${name}`);
  const script = [...stage, "ip link set lo up", 'cd "$1" && shift', 'exec "$@"'].join("\n");
  const examples: Example[] = examplesOf(`packages/${name}`);
  const compiled = compile(examples);
  test.after(() => compiled[Symbol.dispose]());

  for (const { name } of examples) {
    test(`${name} runs`, () => {
      const command = [compiled.folder, process.execPath, compiled.path(name)];
      execFileSync("unshare", ["--mount", "--net", "sh", "-ec", script, "sh", ...command], {
        stdio: ["ignore", "ignore", "pipe"],
      });
    });
  }

  test.run();
}
