import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseArguments, UsageError } from "./arguments.js";

test("everything after -- is the command's, options too", () => {
  const options = parseArguments(["--kernel", "6.12", "--", "sh", "-c", "exit 3", "--", "--help"]);
  assert.not.equal(options, "help");
  if (options === "help") return;
  assert.is(options.kernel, "6.12");
  assert.equal(options.command, ["sh", "-c", "exit 3", "--", "--help"]);
  assert.is(options.bpffs, true);
  assert.is("timeoutMs" in options, false);
});

test("limits, shares and variables are read", () => {
  const options = parseArguments([
    ...["--timeout", "1.5", "--memory", "4096", "--cpus", "4"],
    ...["--share", "/a", "--share", "/b", "--env", "X=1=2", "--env", "EMPTY="],
    ...["--nic", "vmxnet3", "--nic", "virtio"],
    ...["--virtual-time", "--no-bpffs", "--console", "--quiet", "--", "true"],
  ]);
  assert.equal(options, {
    kernel: "6.1",
    command: ["true"],
    timeoutMs: 1500,
    memoryMiB: 4096,
    cpus: 4,
    virtualTime: true,
    shares: ["/a", "/b"],
    env: { X: "1=2", EMPTY: "" },
    bpffs: false,
    nics: ["vmxnet3", "virtio"],
    showConsole: true,
    quiet: true,
    prepare: false,
  });
});

test("--help and --prepare want no command", () => {
  assert.is(parseArguments(["--help"]), "help");
  const options = parseArguments(["--prepare", "--kernel", "5.10"]);
  assert.ok(options !== "help" && options.prepare);
});

test("a command line that makes no sense is refused with what is wrong", () => {
  const refusals: [string[], RegExp][] = [
    [[], /no COMMAND/],
    [["--kernel", "6.1", "--"], /no COMMAND/],
    [["--kernel", "6.1", "true"], /write -- before the command/],
    [["--frobnicate", "--", "true"], /--frobnicate/],
    [["--kernel"], /--kernel/],
    [["--timeout", "soon", "--", "true"], /--timeout takes a positive number/],
    [["--timeout", "0", "--", "true"], /--timeout/],
    [["--timeout", "-5", "--", "true"], /--timeout/],
    [["--memory", "1.5", "--", "true"], /--memory/],
    [["--cpus", "1e9", "--", "true"], /--cpus/],
    [["--env", "1X=2", "--", "true"], /NAME=VALUE/],
    [["--env", "X", "--", "true"], /NAME=VALUE/],
    [["--nic", "virtio", "--", "true"], /--nic must be given twice/],
    [["--nic", "virtio", "--nic", "ne2000", "--", "true"], /virtio, vmxnet3, igb, not "ne2000"/],
  ];
  for (const [args, message] of refusals) {
    assert.throws(
      () => parseArguments(args),
      (error: unknown) => error instanceof UsageError && message.test(error.message),
      args.join(" "),
    );
  }
});

test.run();
