import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { frame } from "../message.js";
import { RtmType } from "../rtnetlink/messages.js";
import { captured } from "../testing/captured.js";
import { decode } from "./decode.js";
import { CommandError } from "./errors.js";
import { parseHex } from "./input.js";
import { toJson } from "./json.js";
import { DeviceNames } from "./names.js";
import { namespacePath } from "./netns.js";
import { formatInline, formatTree } from "./values.js";
import { VERSION } from "./version.js";

const test = suite("weir-nl");

const main = fileURLToPath(new URL("./main.js", import.meta.url));
const types = {
  link: "RTM_NEWLINK",
  address: "RTM_NEWADDR",
  route: "RTM_NEWROUTE",
  qdisc: "RTM_NEWQDISC",
  class: "RTM_NEWTCLASS",
  filter: "RTM_NEWTFILTER",
} as const;

function run(args: readonly string[], input?: string) {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: undefined };
  return spawnSync(process.execPath, [main, ...args], { encoding: "utf8", env, input: input ?? "" });
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const sentence = /^weir-nl: [^\n]+\n$/;

/** All captured messages one after the other, with their headers. */
const wholes = captured.map(({ type, hex }, place) =>
  hexOf(frame(RtmType[types[type]], 2, place + 1, new Uint8Array(Buffer.from(hex, "hex")))),
);

test("captured messages decode, for people and for programs", () => {
  const { stdout, status, stderr } = run(["decode", "--json"], wholes.join("\n"));
  assert.equal([status, stderr], [0, ""]);
  const messages = JSON.parse(stdout);
  assert.is(messages.length, captured.length);
  for (const [place, { type }] of captured.entries()) {
    assert.is(messages[place].name, types[type]);
    assert.equal(messages[place].flagNames, ["NLM_F_MULTI"]);
    assert.is(messages[place].sequence, place + 1);
    assert.ok(Object.keys(messages[place].attributes).length > 0);
  }
  const text = run(["decode", "-"], wholes.join("\n")).stdout;
  assert.is(
    text.match(/^RTM_NEW[A-Z]+ \(\d+\) flags NLM_F_MULTI sequence \d+ port 0$/gm)?.length,
    captured.length,
  );
  assert.not.match(text, /undefined|\[object/);
});

test("reencoding captured messages gives their bytes again", () => {
  const { stdout, status, stderr } = run(["decode", "--reencode"], wholes.join(" "));
  assert.equal([status, stderr], [0, ""]);
  assert.equal(stdout.trim().split("\n"), wholes);
});

test("a payload is decoded by its type, given as a name or a number, and reencoded without a header", () => {
  const payload = "02188000010000000800020001020304";
  for (const type of ["RTM_NEWADDR", "rtm_newaddr", "20", "0x14"]) {
    const message = JSON.parse(run(["decode", "--json", "--type", type, payload]).stdout);
    assert.equal([message.name, message.attributes], ["RTM_NEWADDR", { local: "1.2.3.4" }]);
  }
  assert.is(run(["decode", "--reencode", "--type", "RTM_NEWADDR", payload]).stdout, `${payload}\n`);
  const both = JSON.parse(run(["decode", "--json", "--reencode", "--type", "RTM_NEWADDR", payload]).stdout);
  assert.is(both.reencoded, payload);
});

test("people read names where the bytes have numbers", () => {
  const address = run(["decode", "--type", "RTM_NEWADDR", "0a408000010000000800080080030000"]).stdout;
  assert.match(address, /\n {4}family ipv6\n/);
  assert.match(address, /\n {4}flags permanent\n/);
  const refusal = run([
    "decode",
    "24000000020000010100000000000000",
    "eaffffff",
    "140000001200050301000000",
    "00000000",
  ]);
  assert.match(refusal.stdout, /\n {4}error EINVAL \(-22\)\n/);
  assert.match(
    refusal.stdout,
    /\n {6}type RTM_GETLINK\n {6}flags NLM_F_REQUEST,NLM_F_ACK,NLM_F_ROOT,NLM_F_MATCH\n/,
  );
});

test("attributes without a name are shown with their number and bytes", () => {
  const payload = "0218800001000000 08004d80deadbeef 04004e00";
  const { stdout } = run(["decode", "--type", "RTM_NEWADDR", payload]);
  assert.match(stdout, "\n    #77 nested deadbeef\n    #78 (empty)\n");
  const { attributes } = JSON.parse(run(["decode", "--json", "--type", "RTM_NEWADDR", payload]).stdout);
  assert.equal(attributes.unknown[0], { number: 77, type: 0x804d, bytes: "deadbeef", position: 0 });
  const foreign = run(["decode", "1400000039300000010000000000000001020304"]).stdout;
  assert.match(foreign, /^#12345 flags none sequence 1 port 0\n {2}bytes 01020304\n$/);
});

test("digits may stand as any tool prints them", () => {
  const expected = Uint8Array.of(10, 11, 12);
  for (const text of [
    "0a0B0c",
    " 0a 0b\n0c\n",
    "0x0a, 0x0b, 0x0c",
    "0a:0b:0c",
    "0x0a0b0c",
    "\\x0a\\x0b\\x0c",
    "0xa 0xb 0xc",
  ])
    assert.equal(parseHex(text, "HEX"), expected, text);
});

test("what is no hexadecimal is refused with a sentence and the exit code 2", () => {
  for (const [text, reason] of [
    ["0g", 'it holds "g"'],
    ["123", "has 3 hexadecimal digits, an odd number"],
    ["", "holds no bytes"],
    ["#!/bin/sh", "is not hexadecimal"],
  ] as const) {
    const { status, stdout, stderr } = run(["decode"], text);
    assert.equal([status, stdout], [2, ""], text);
    assert.match(stderr, sentence);
    assert.match(stderr, reason);
  }
  assert.match(run(["decode", "zz"]).stderr, /^weir-nl: HEX is not hexadecimal/);
});

test("messages that are cut short are refused with a sentence and the exit code 1", () => {
  const whole = wholes[0]!;
  for (const cut of [2, 30, 32, 60, whole.length / 2, whole.length - 8].map((length) => length & ~1)) {
    const { status, stdout, stderr } = run(["decode", whole.slice(0, cut)]);
    assert.equal([status, stdout], [1, ""], String(cut));
    assert.match(stderr, sentence);
  }
  const second = run(["decode", whole, whole.slice(0, 40)]);
  assert.match(second.stderr, "message 2 is not whole");
  const payload = run(["decode", "--type", "RTM_NEWLINK", "00"]);
  assert.equal(
    [payload.status, payload.stderr.split(";")[1]],
    [1, " give a whole payload of that type, without the message's header\n"],
  );
  assert.match(
    run(["decode", "--type", "RTM_NEWADDR", "0218800001000000ff000200"]).stderr,
    /local claims 255 bytes/,
  );
});

test("mutated messages are printed, or refused with a sentence", () => {
  const same = (text: string) => text;
  const style = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same };
  let printed = 0;
  const property = fc.property(
    fc.nat(wholes.length - 1),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
    fc.boolean(),
    (which, changes, json) => {
      const bytes = Buffer.from(wholes[which]!, "hex");
      for (const [at, value] of changes) bytes[4 + (at % (bytes.length - 4))] = value;
      let output = "";
      const print = (text: string) => {
        output += `${text}\n`;
      };
      const terminal = { print, complain: () => {}, flush: () => {}, style };
      try {
        assert.is(decode([bytes.toString("hex")], { json, reencode: json }, terminal), 0);
        printed++;
      } catch (error) {
        assert.instance(error, CommandError);
        assert.not.match((error as Error).message, "\n");
        return;
      }
      if (json) JSON.parse(output);
      else assert.not.match(output, /[^\P{Cc}\n]|undefined|\[object/u);
    },
  );
  fc.assert(property, { numRuns: 500 });
  assert.ok(printed > 50);
});

test("the exit code is 2 for a mistyped command", () => {
  for (const args of [
    [],
    ["dumb"],
    ["dump"],
    ["dump", "routes"],
    ["dump", "link", "--table", "main"],
    ["dump", "family", "--dev", "lo"],
    ["dump", "addr", "--family", "ipx"],
    ["dump", "addr", "--family", "bridge"],
    ["dump", "route", "--table", "nonsense"],
    ["dump", "qdisc", "--parent", "nonsense"],
    ["monitor", "weather"],
    ["monitor", "--count", "0"],
    ["decode", "--type", "RTM_NEWNONSENSE", "00"],
    ["decode", "--protocol", "smoke", "00"],
  ]) {
    const { status, stdout, stderr } = run(args);
    assert.equal([status, stdout], [2, ""], args.join(" "));
    assert.not.match(stderr, /\n {4}at /);
  }
});

test("a device or namespace that is not there is one sentence and the exit code 1", () => {
  for (const args of [
    ["dump", "addr", "--dev", "nonesuch0"],
    ["dump", "link", "--master", "nonesuch0"],
    ["dump", "link", "--netns", "nonesuch"],
    ["monitor", "--netns", "/nonexistent/namespace"],
  ]) {
    const { status, stdout, stderr } = run(args);
    assert.equal([status, stdout], [1, ""], args.join(" "));
    assert.match(stderr, sentence);
    assert.match(stderr, /nonesuch|nonexistent/);
  }
});

test("namespaces are named as ip names them, by a path, or by a process", () => {
  assert.equal(["blue", "/run/netns/blue", "./ns", "4194305"].map(namespacePath), [
    "/run/netns/blue",
    "/run/netns/blue",
    "./ns",
    "/proc/4194305/ns/net",
  ]);
});

test("help shows examples, exit codes and how JSON has large numbers, and the version is the package's", () => {
  for (const command of ["dump", "monitor", "decode"]) {
    const { status, stdout } = run([command, "--help"]);
    assert.is(status, 0);
    assert.match(stdout, `Examples:\n  weir-nl ${command}`);
    assert.match(
      stdout.replaceAll("\n", " "),
      "64-bit numbers are JSON numbers up to 2^53 - 1 and strings of digits above",
    );
  }
  assert.match(run(["--help"]).stdout, "Exit codes: 0 done; 1 ");
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  assert.equal([run(["--version"]).stdout, VERSION], [`${version}\n`, version]);
});

test("the executable is one file that needs this package and its dependencies alone", () => {
  const folder = new URL("../../", import.meta.url);
  const script = fileURLToPath(new URL("../../scripts/bundle-command-line.mjs", folder));
  const bundle = spawnSync(process.execPath, [script, "packages/netlink", "weir-nl"], { encoding: "utf8" });
  assert.equal([bundle.status, bundle.stderr], [0, ""]);
  const executable = fileURLToPath(new URL("dist/weir-nl.js", folder));
  const imported = [...readFileSync(executable, "utf8").matchAll(/^import .* from "([^"]+)";$/gm)];
  const names = new Set(imported.map(([, name]) => name!).filter((name) => !name.startsWith("node:")));
  assert.equal([...names].sort(), ["./index.js", "@weir/syscall"]);
  const { stdout, status } = spawnSync(executable, ["decode", wholes[0]!, "--json"], { encoding: "utf8" });
  assert.equal([status, JSON.parse(stdout).name], [0, types[captured[0]!.type]]);
});

test("output into a pipe that is closed early ends without a word", () => {
  const input = wholes.join("").repeat(20);
  for (const option of ["", "--json"]) {
    const command = `"${process.execPath}" "${main}" decode ${option} | head -n 1`;
    const { stdout, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8", input });
    assert.equal([stdout.split("\n").length, stderr], [2, ""]);
  }
});

test("there are no colours in a pipe", () => {
  assert.not.match(run(["decode"], wholes.join("")).stdout, "\u001b");
});

test("JSON keeps 64-bit numbers exactly", () => {
  assert.equal(JSON.parse(toJson({ small: 5n, large: 2n ** 64n - 1n, bytes: Uint8Array.of(255) })), {
    small: 5,
    large: "18446744073709551615",
    bytes: "ff",
  });
});

test("units and names stand with the numbers, and nothing is rounded", () => {
  const devices = new DeviceNames([{ index: 7, name: "eth0" }]);
  const options = {
    rateBitsPerSecond: 100_000_000n,
    peakBitsPerSecond: 1_234_567,
    burstBytes: 1600,
    latencyUs: 25_000,
    slackNs: 10_001,
    flowLimit: 100,
    ecn: true,
    split: false,
    priomap: [1, 2],
    key: { mask: 0xff00_0000, value: 0x0a00_0000 },
  };
  assert.is(
    formatInline(options, { devices, tc: true }),
    "rate 100Mbit peak 1234567bit burst 1600b latency 25ms slack 10001ns flow_limit 100 ecn split false priomap 1,2 key { mask 0xff000000 value 0xa000000 }",
  );
  const object = {
    index: 7,
    table: 254,
    parent: 0xffff_ffff,
    alias: "two words",
    error: -2,
    list: [{ a: 1 }, 2],
  };
  assert.equal(formatTree(object, { devices }, 0), [
    "index eth0",
    "table main",
    "parent 4294967295",
    'alias "two words"',
    "error ENOENT (-2)",
    "list[0]",
    "  a 1",
    "list[1]",
    "  2",
  ]);
  assert.equal(formatTree({ parent: 0xffff_ffff, index: 7 }, { devices, tc: true }, 0), [
    "parent root",
    "index 7",
  ]);
});

test("text from others cannot steer the terminal", () => {
  const payload = "02188000010000000d000300 1b5b324a0a9b317800 000000";
  const { stdout } = run(["decode", "--type", "RTM_NEWADDR", payload]);
  assert.not.match(stdout, /[^\P{Cc}\n]/u);
});

test.run();
