import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CniNetwork } from "./cni.js";

const folder = mkdtempSync(join(tmpdir(), "weir-cni-"));
const log = join(folder, "log");
const cache = join(folder, "cache");

/** A plugin that writes down what it is called with; an ADD adds its name to the result, and fails where told to. */
const recorder = `#!/bin/sh
input=$(cat)
name=\${0##*/}
printf '%s %s %s %s %s\\n' "$CNI_COMMAND" "$name" "$CNI_CONTAINERID" "$CNI_IFNAME" "$input" >>"${log}"
[ "$CNI_COMMAND" = ADD ] || exit 0
case $input in *'"fail":true'*) echo '{"cniVersion":"1.1.0","code":7,"msg":"told to"}'; exit 1 ;; esac
echo "{\\"cniVersion\\":\\"1.1.0\\",\\"by\\":\\"$name\\"}"
`;

interface Call {
  command: string;
  plugin: string;
  container: string;
  ifname: string;
  input: Record<string, unknown>;
}

function calls(): Call[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, "utf8").trimEnd().split("\n");
  rmSync(log);
  return lines.map((line) => {
    const [command = "", plugin = "", container = "", ifname = "", ...input] = line.split(" ");
    return { command, plugin, container, ifname, input: JSON.parse(input.join(" ")) as Call["input"] };
  });
}

const order = (all: readonly Call[]) => all.map(({ command, plugin }) => `${command} ${plugin}`).join(", ");

const test = suite("a conflist");
test.before(() => {
  mkdirSync(join(folder, "bin"));
  for (const name of ["first", "second"]) {
    writeFileSync(join(folder, "bin", name), recorder, { mode: 0o755 });
  }
});
test.before.each(() => rmSync(cache, { recursive: true, force: true }));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const network = (second: Record<string, unknown> = {}) =>
  new CniNetwork(
    {
      cniVersion: "1.1.0",
      name: "net",
      plugins: [{ type: "first" }, { type: "second", capabilities: { bandwidth: true }, ...second }],
    },
    { netns: "/proc/self/ns/net", cache, plugins: [join(folder, "bin")] },
  );
const pod = { containerId: "one", netns: "/proc/self/ns/net" };
const bandwidth = { egressRate: 1_000_000 };

test("is added in order, each result handed to the next plugin, capabilities only to the one that declares them", async () => {
  const result = await network().add(pod, bandwidth);
  assert.equal(result, { cniVersion: "1.1.0", by: "second" });
  const [first, second, ...more] = calls();
  assert.equal(more, []);
  assert.is(order([first!, second!]), "ADD first, ADD second");
  assert.equal(first!.input, { cniVersion: "1.1.0", name: "net", type: "first" });
  assert.equal(second!.input, {
    cniVersion: "1.1.0",
    name: "net",
    type: "second",
    runtimeConfig: { bandwidth },
    prevResult: { cniVersion: "1.1.0", by: "first" },
  });
});

test("is checked in order and deleted in reverse, with the last result and the capabilities of its ADD", async () => {
  await network().add(pod, bandwidth);
  calls();
  // Another process, as it were: what is known is on disk.
  await network().check(pod);
  await network().delete({ ...pod, netns: "" });
  const all = calls();
  assert.is(order(all), "CHECK first, CHECK second, DEL second, DEL first");
  for (const { plugin, input } of all) {
    assert.equal(input.prevResult, { cniVersion: "1.1.0", by: "second" });
    assert.equal(input.runtimeConfig, plugin === "second" ? { bandwidth } : undefined);
  }
  assert.equal(readdirSync(cache), []);

  await network().delete(pod);
  assert.equal(
    calls().map(({ input }) => input.prevResult),
    [undefined, undefined],
  );
});

test("is deleted when a plugin fails to add, and the error is that plugin's", async () => {
  let message = "";
  await network({ fail: true })
    .add(pod)
    .catch((error: Error) => {
      message = error.message;
    });
  assert.match(message, /second ADD failed .*told to/);
  assert.is(order(calls()), "ADD first, ADD second, DEL second, DEL first");
});

test("is collected: what is not valid is deleted, then each plugin is told what is valid", async () => {
  const other = { ...pod, containerId: "other", ifname: "net1" };
  for (const one of [pod, other]) await network().add(one);
  calls();
  await network().gc([other]);
  const all = calls();
  assert.is(order(all), "DEL second, DEL first, GC first, GC second");
  assert.is(all[0]!.container, "one");
  const valid = [{ containerID: "other", ifname: "net1" }];
  for (const { command, input } of all) {
    if (command === "GC") assert.equal(input["cni.dev/valid-attachments"], valid);
  }
  await network().status();
  assert.is(order(calls()), "STATUS first, STATUS second");
});

test.run();
