import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  read,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { packageFolder } from "../testing/executables.js";
import { VERSION } from "../version.js";
import { CallServer, type ServedCall } from "./server.js";
import { Slot } from "./slot.js";
import { uptime, type WireCall } from "./wire.js";

const folder = mkdtempSync(join(tmpdir(), "weir-serve-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

// The launcher as the bundle has it, and in place of Node.js a script that tells that it was started, and with what.
const launcher = join(folder, "weir");
const script = readFileSync(join(packageFolder, "scripts/launcher.sh"), "utf8");
writeFileSync(launcher, script.replace("@VERSION@", VERSION));
const instead = join(folder, "instead");
writeFileSync(instead, "#!/bin/sh\nprintf 'in process: '\ncat\nexit 3\n");
chmodSync(instead, 0o755);

let states = 0;
/** A state directory and a BPF filesystem's place of their own: nothing on the machine is touched. */
function place(): { stateDirectory: string; bpffs: string } {
  const stateDirectory = join(folder, `state-${states++}`);
  mkdirSync(stateDirectory);
  return { stateDirectory, bpffs: folder };
}

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

const inProcess = (input: string): Outcome => ({ status: 3, stdout: `in process: ${input}`, stderr: "" });
const done: Outcome = { status: 0, stdout: "", stderr: "" };

async function call(
  { stateDirectory, bpffs }: { stateDirectory: string; bpffs: string },
  env: NodeJS.ProcessEnv,
  input = "",
): Promise<Outcome> {
  const child = spawn("/bin/sh", [launcher], {
    env: {
      PATH: process.env.PATH,
      WEIR_STATE_DIRECTORY: stateDirectory,
      WEIR_BPFFS: bpffs,
      WEIR_NODE: instead,
      CNI_CONTAINERID: "pod1",
      CNI_IFNAME: "eth0",
      CNI_PATH: "/opt/cni/bin",
      ...env,
    },
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const outcome = { status: null as number | null, stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (outcome.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (outcome.stderr += text));
  [outcome.status] = (await once(child, "close")) as [number];
  return outcome;
}

const readSome = async (fd: number, buffer: Buffer): Promise<number> =>
  (await promisify(read)(fd, buffer, 0, buffer.length, null)).bytesRead;

/** A call of which nothing is known, so that nothing is to be done. */
const del = { CNI_COMMAND: "DEL", CNI_NETNS: "" };
const configuration = '{"cniVersion":"1.0.0","name":"net","type":"weir"}';

test("without a server the plugin does the work itself, with its input as it came", async () => {
  for (const input of ["", configuration, `${"x".repeat(100_000)}%s\\0`])
    assert.equal(await call(place(), del, input), inProcess(input));
});

test("a server answers as the plugin would, errors included, and tells of each call", async () => {
  const options = place();
  const served: ServedCall[] = [];
  const server = CallServer.listen(options, (one) => served.push(one));
  try {
    assert.is(statSync(server.path).mode & 0o777, 0o700);
    assert.equal(await call(options, del, configuration), done);
    const add = { CNI_COMMAND: "ADD", CNI_NETNS: "" };
    const wrong = await call(options, add, configuration);
    assert.is(wrong.status, 1);
    assert.is(JSON.parse(wrong.stdout).code, 4);
    assert.is(wrong.stderr, `weir: ${JSON.parse(wrong.stdout).msg}\n`);
  } finally {
    await server.close();
  }
  assert.equal(
    served.map(({ command, id, problem }) => [command, id, problem]),
    [
      ["DEL", "pod1/eth0", undefined],
      ["ADD", "pod1/eth0", "CNI_NETNS must be set in the environment for ADD"],
    ],
  );
  assert.equal(readdirSync(options.stateDirectory), []);
  assert.equal(await call(options, del), inProcess(""));
});

test("what the server says arrives as it is, whatever is in it", async () => {
  const options = place();
  const server = CallServer.listen(options);
  try {
    const odd = `%s \\n $(id) \`id\` 'é' "`;
    const { stdout } = await call(options, { ...del, CNI_IFNAME: odd });
    assert.match(JSON.parse(stdout).msg, `CNI_IFNAME is ${JSON.stringify(odd)}`);
  } finally {
    await server.close();
  }
});

test("a call that the server must not answer is left to the plugin", async () => {
  const options = place();
  const served: ServedCall[] = [];
  const server = CallServer.listen(options, (one) => served.push(one));
  try {
    const long = "x".repeat(20_000);
    assert.equal(await call(options, del, long), inProcess(long), "too long for a pipe");
    const elsewhere = { ...del, CNI_NETNS: "/proc/1/ns/net" };
    assert.equal(await call(options, elsewhere, "1"), inProcess("1"), "a path of another process");
    const override = { CNI_COMMAND: "CHECK", CNI_NETNS: folder, CNI_NETNS_OVERRIDE: "1" };
    assert.equal(await call(options, override, "2"), inProcess("2"), "an override");
    const blind = { ...options, bpffs: join(folder, "no-such-bpffs") };
    assert.equal(await call(blind, del, "3"), inProcess("3"), "another BPF filesystem");
    assert.equal(await call(options, { CNI_COMMAND: "VERSION" }, "4"), inProcess("4"), "another command");
    assert.equal(served, []);
    const unseen = { ...del, CNI_NETNS: folder };
    assert.equal(await call(options, unseen, "5"), inProcess("5"), "another mount namespace");
    assert.match(served[0]?.problem ?? "", /left to the plugin: there is no network namespace at/);
  } finally {
    await server.close();
  }
});

test("a call that has waited too long is left to the plugin", async () => {
  const options = place();
  let server: CallServer | undefined;
  const served = new Promise<ServedCall>((resolve) => {
    server = CallServer.listen(options, resolve);
  });
  try {
    const slot = join(options.stateDirectory, `server-${VERSION}`, "slot-0");
    writeFileSync(join(slot, "taken"), "");
    writeFileSync(join(slot, "call"), ["0.1", "DEL", "pod1", "", "eth0", "", "/opt", "", ""].join("\0"));
    assert.match((await served).problem ?? "", /left to the plugin: it came [\d.]+ s late/);
  } finally {
    await server?.close();
  }
});

test("where a server died, the plugin does not wait for it", async () => {
  const options = place();
  const program = `
    const { CallServer } = await import(${JSON.stringify(new URL("./server.js", import.meta.url).href)});
    CallServer.listen(${JSON.stringify(options)});
    process.kill(process.pid, "SIGKILL");
  `;
  const dying = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "inherit" });
  await once(dying, "close");
  assert.ok(existsSync(join(options.stateDirectory, `server-${VERSION}`, "slot-0")));
  assert.equal(await call(options, del, "x"), inProcess("x"));
  // The next one clears up what is left of it.
  const marks = () => readdirSync(folder).filter((name) => name.startsWith("weir-serving-"));
  const server = CallServer.listen(options);
  assert.equal(await call(options, del), done);
  assert.is(marks().length, 1);
  await server.close();
  assert.equal(marks(), []);
  assert.equal(readdirSync(options.stateDirectory), []);
});

test("a second server takes over, and the first one's end does not disturb it", async () => {
  const options = place();
  const [first, second]: ServedCall[][] = [[], []];
  const one = CallServer.listen(options, (call) => first!.push(call));
  const slot = join(one.path, "slot-0");
  writeFileSync(join(slot, "taken"), "");
  const [asking, hearing] = ["call", "reply"].map((name) => openSync(join(slot, name), "r+"));
  const two = CallServer.listen(options, (call) => second!.push(call));
  assert.equal(await call(options, del), done);
  // Who found the first one before still gets its answer.
  writeSync(asking!, [uptime(), "DEL", "pod2", "", "eth0", "", "/opt", "", ""].join("\0"));
  const reply = Buffer.alloc(100);
  assert.is(reply.toString("utf8", 0, await readSome(hearing!, reply)), "0\n\nend");
  for (const fd of [asking!, hearing!]) closeSync(fd);
  await one.close();
  assert.equal(await call(options, del), done);
  await two.close();
  assert.equal([first!.length, second!.length], [1, 2]);
});

test("a hundred calls at once are all answered", async () => {
  const options = place();
  let served = 0;
  const server = CallServer.listen(options, () => served++);
  try {
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => call(options, del)));
    const itself = outcomes.filter(({ status }) => status === 3).length;
    for (const outcome of outcomes) assert.equal(outcome, outcome.status === 3 ? inProcess("") : done);
    assert.is(served + itself, 100);
    assert.ok(served > 0);
  } finally {
    await server.close();
  }
});

test("a slot is abandoned when it stays taken without a call", async () => {
  const calls: (WireCall | undefined)[] = [];
  const path = join(folder, "slot");
  const slot = new Slot(path, (call) => calls.push(call));
  assert.equal([slot.isAbandoned(), slot.isAbandoned()], [false, false]);
  writeFileSync(join(path, "taken"), "");
  assert.equal([slot.isAbandoned(), slot.isAbandoned()], [false, true]);
  slot.discard();
  assert.not.ok(existsSync(path));
  assert.equal(calls, []);
});

test.run();
