import { test } from "uvu";
import * as assert from "uvu/assert";
import { Executables, type Outcome } from "./testing/executables.js";

const executables = new Executables();
test.before(() => executables.build());
test.after(() => executables.remove());

/** Runs both forms of the executable and hands each outcome to the check. */
function weir(args: string[], check: (outcome: Outcome) => void): void {
  for (const command of executables.all.values()) check(executables.run(command, { args }));
}

test("help and version go to standard output", () => {
  for (const args of [
    ["--help"],
    ["apply", "--help"],
    ["status", "-h"],
    ["doctor", "--help"],
    ["gc", "--help"],
    ["serve", "--help"],
    ["top", "--help"],
    ["install", "--help"],
    ["uninstall", "--help"],
  ]) {
    weir(args, ({ status, stdout, stderr }) => {
      assert.is(status, 0);
      assert.match(stdout, /^Usage: weir/);
      assert.match(stdout, /Examples:/);
      assert.is(stderr, "");
    });
  }
  weir(["--version"], ({ status, stdout }) => {
    assert.is(status, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

test("what is mistyped ends with exit code 2 and says what is wrong", () => {
  const place = ["--netns", "blue", "--device", "eth0"];
  const cases: [string[], RegExp][] = [
    [[], /Usage: weir/],
    [["frobnicate"], /^weir: unknown command 'frobnicate'/],
    [["status", "--frobnicate"], /^weir: unknown option '--frobnicate'/],
    [["apply", "--device", "eth0"], /--netns/],
    [["apply", ...place], /^weir: name a limit: --egress, --ingress or both/],
    [
      ["apply", ...place, "--egress", "0"],
      /--egress.*'0' is invalid.*at least 1 kbit\/s and less than 1 Pbit\/s/,
    ],
    [["apply", ...place, "--egress", "-5"], /'-5' is invalid/],
    [["apply", ...place, "--egress", "1"], /'1' is invalid/],
    [["apply", ...place, "--ingress", "1P"], /'1P' is invalid/],
    [["apply", ...place, "--egress", "100Mbps"], /"100Mbps" is no quantity/],
    [
      ["apply", ...place, "--egress", "1M", "--ingress-burst", "1k"],
      /--ingress-burst takes --ingress beside it/,
    ],
    [["apply", ...place, "--egress", "1M", "--egress-burst", "0"], /more than 0 bits/],
    [["apply", ...place, "--egress", "1M", "--horizon", "0"], /milliseconds from 1 to 60000/],
    [["apply", ...place, "--egress", "1M", "--mark", "5ms"], /milliseconds from 0 to 60000/],
    [["status", "--interval", "-1"], /number of seconds from 0\.1 to 3600/],
    [["top", "--interval", "0"], /number of seconds from 0\.1/],
    [["top", "--count", "0"], /whole number from 1 on/],
    [["remove"], /name either a pod or an id, or both --netns and --device/],
    [["remove", "--netns", "blue"], /name either a pod or an id, or both/],
    [["remove", "a/b", ...place], /name either a pod or an id, or both/],
  ];
  for (const [args, message] of cases) {
    weir(args, ({ status, stdout, stderr }) => {
      assert.is(status, 2, args.join(" "));
      assert.is(stdout, "");
      assert.match(stderr, message);
    });
  }
});

test("a namespace that does not exist is one sentence and exit code 1", () => {
  weir(
    ["apply", "--netns", "no-such-namespace", "--device", "eth0", "--egress", "1M"],
    ({ status, stderr }) => {
      assert.is(status, 1);
      assert.match(
        stderr,
        /^weir: there is no network namespace at \/run\/netns\/no-such-namespace\. [^\n]*\n$/,
      );
    },
  );
});

test("an id that nothing is known of is one sentence and exit code 1", () => {
  for (const args of [
    ["remove", "no/such"],
    ["status", "no/such"],
    ["status", "no/such", "--json"],
  ]) {
    weir(args, ({ status, stdout, stderr }) => {
      assert.is(status, 1);
      assert.is(stdout, "");
      assert.match(stderr, /^weir: nothing is shaped under the id or pod name "no\/such"\. [^\n]*\n$/);
    });
  }
});

test("status of a node that shapes nothing says so, as JSON too", () => {
  weir(["status"], ({ status, stdout }) => {
    assert.is(status, 0);
    assert.is(stdout, "nothing is shaped on this node\n");
  });
  weir(["status", "--json"], ({ stdout }) => assert.equal(JSON.parse(stdout), []));
});

test("top without a terminal is one sentence, and as JSON prints lines", () => {
  weir(["top"], ({ status, stderr }) => {
    assert.is(status, 1);
    assert.match(stderr, /^weir: weir top needs a terminal\. [^\n]*\n$/);
  });
  weir(["top", "--json", "--interval", "0.1", "--count", "2"], ({ status, stdout }) => {
    assert.is(status, 0);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(
      lines.map((line) => JSON.parse(line).attachments),
      [[], []],
    );
  });
});

test("doctor names every requirement, and its exit code says whether one is missing", () => {
  interface Report {
    ok: boolean;
    requirements: { name: string; ok: boolean; required: boolean; remedy?: string }[];
  }
  let report: Report | undefined;
  weir(["doctor", "--json"], ({ status, stdout }) => {
    report = JSON.parse(stdout) as Report;
    assert.ok(report.requirements.length > 0);
    const missing = report.requirements.filter(({ ok, required }) => required && !ok);
    assert.is(report.ok, missing.length === 0);
    assert.is(status, report.ok ? 0 : 1);
    for (const { remedy } of missing) assert.type(remedy, "string");
  });
  weir(["doctor"], ({ status, stdout }) => {
    for (const { name } of report!.requirements) assert.ok(stdout.includes(name), name);
    assert.match(stdout, report!.ok ? /This node can shape pods\./ : /This node cannot shape pods: /);
    assert.is(status, report!.ok ? 0 : 1);
    assert.not.ok(stdout.includes("\u001b"));
  });
});

test.run();
