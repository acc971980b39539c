import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { inspectInstallation } from "./check.js";

const folder = mkdtempSync(join(tmpdir(), "weir-check-"));
const [binDir, confDir] = [join(folder, "bin"), join(folder, "net.d")];
test.before(() => mkdirSync(binDir));
test.after(() => rmSync(folder, { recursive: true }));
test.before.each(() => {
  rmSync(confDir, { recursive: true, force: true });
  mkdirSync(confDir);
});

const conflist = (...plugins: object[]) =>
  writeFileSync(
    join(confDir, "10-pods.conflist"),
    JSON.stringify({ cniVersion: "1.0.0", name: "pods", plugins: [{ type: "ipvlan" }, ...plugins] }),
  );
const found = () =>
  inspectInstallation({ binDir, confDir }).map(({ fault, message }) => [fault, message] as const);
const weir = { type: "weir", capabilities: { bandwidth: true } };

test("a node without weir in a network is no fault", () => {
  conflist();
  assert.match(found()[0]![1], /^no network in .* has weir in its chain/);
  assert.is(found()[0]![0], false);
  assert.is(found().length, 1);
});

test("a network that names weir needs the executable", () => {
  conflist(weir);
  assert.equal(
    found().map(([fault]) => fault),
    [true],
  );
  assert.match(found()[0]![1], /bin\/weir is missing, but .*10-pods\.conflist has weir in its chain/);
  writeFileSync(join(binDir, "weir"), "");
  assert.equal(found(), []);
});

test("an entry without the capability, and a second shaper, are faults", () => {
  writeFileSync(join(binDir, "weir"), "");
  conflist({ type: "weir" }, { type: "bandwidth" });
  assert.equal(
    found().map(([fault]) => fault),
    [true, true],
  );
  assert.match(found()[0]![1], /lacks "capabilities"/);
  assert.match(found()[1]![1], /reference "bandwidth" plugin/);
});

test("what cannot be read is named", () => {
  writeFileSync(join(confDir, "99-broken.conf"), "{");
  assert.match(found().at(-1)![1], /^not looked at: .*99-broken\.conf is no JSON/);
  assert.is(found().at(-1)![0], false);
});

test.run();
