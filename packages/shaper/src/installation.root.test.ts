import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BpfMap, BpfObject, BpfProgram } from "@weir/bpf-loader";
import { mountBpffs, unmount } from "@weir/syscall";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Datapath, shapeInstallable } from "./datapath.js";
import type { ShaperError } from "./errors.js";
import { install, installedVersion, isInstalled } from "./installation.js";
import { hasAtomics } from "./program-loader.js";

const bpffs = mkdtempSync(join(tmpdir(), "weir-installation-"));
const folder = join(bpffs, "weir");
const SHAPE = shapeInstallable;
const marker = `shape_v${SHAPE.version}`;

test.before(() => mountBpffs(bpffs));
test.after(() => {
  unmount(bpffs);
  rmSync(bpffs, { recursive: true });
});
test.before.each(() => rmSync(folder, { recursive: true, force: true }));

/** Pins the first version that there ever was, as it was pinned then, with a limit, a clock and counters in entry 6. */
function installFirst(): number {
  mkdirSync(folder);
  const object = BpfObject.parse(readFileSync(new URL("../fixtures/weir-first.bpf.o", import.meta.url)));
  const name = hasAtomics() ? "weir_shape" : "weir_shape_locked";
  using loaded = object.load({ programs: [name], pinPath: folder });
  const program = loaded.program(name);
  program.pin(join(folder, "shape"));
  loaded.map("limits").set(6, { bits_per_second: 8_000n, horizon_ns: 7n, burst_ns: 5n, owner: 77n });
  const clock = new BigUint64Array([123_456n, 0n]);
  loaded.map("clocks").raw.set(new Uint8Array([6, 0, 0, 0]), new Uint8Array(clock.buffer));
  const counters = loaded.map("counters");
  const each = { packets: 3n, bytes: 4000n, delayed: 2n, dropped: 1n, delay_ns: 99n };
  counters.set(
    6,
    (counters.get(6) as unknown[]).map(() => each),
  );
  return program.info.id;
}

function pinnedProgram(): number {
  using program = BpfProgram.open(join(folder, "shape"));
  return program.info.id;
}

test("a version is installed with its mark, and is found by it", () => {
  assert.is(installedVersion(folder, SHAPE), undefined);
  Datapath.load(bpffs, folder).close();
  assert.ok(isInstalled(folder, SHAPE));
  assert.is(installedVersion(folder, SHAPE), SHAPE.version);
  assert.equal(
    readdirSync(folder).filter((name) => name.startsWith("shape")),
    ["shape", marker],
  );
});

test("an earlier version's state goes on in the new one, though its maps were laid out otherwise", () => {
  const before = installFirst();
  assert.is(installedVersion(folder, SHAPE), 0);
  assert.is(Datapath.open(folder), undefined);
  const swapped: number[] = [];
  install(folder, SHAPE, (program) => swapped.push(program.info.id));
  assert.is.not(pinnedProgram(), before);
  assert.equal(swapped, [pinnedProgram()]);
  using datapath = Datapath.open(folder)!;
  const { bitsPerSecond, horizonNs, burstNs, owner } = datapath.limit(6);
  assert.equal([bitsPerSecond, horizonNs, burstNs, owner], [8_000n, 7n, 5n, 77n]);
  const { bytes, packets, dropped, delayNs } = datapath.counters(6);
  const cpus = packets / 3n;
  assert.ok(cpus >= 1n);
  assert.equal([bytes, dropped, delayNs], [4000n * cpus, cpus, 99n * cpus]);
  using clocks = BpfMap.open(join(folder, "clocks"));
  assert.is((clocks.get(6) as { next_ns: bigint }).next_ns, 123_456n);
});

test("maps that are laid out alike are kept, not copied", () => {
  Datapath.load(bpffs, folder).close();
  const id = () => {
    using map = BpfMap.open(join(folder, "counters"));
    return map.info.id;
  };
  const before = [id(), pinnedProgram()];
  install(folder, { ...SHAPE, version: SHAPE.version + 1 }, () => {});
  assert.is(id(), before[0]);
  assert.is.not(pinnedProgram(), before[1]);
});

test("an earlier version refuses to take a later one's place, and to touch what it left half installed", () => {
  const later = { ...SHAPE, version: SHAPE.version + 7 };
  install(folder, later, () => {});
  const refused = () => {
    const before = [readdirSync(folder), pinnedProgram()];
    try {
      Datapath.load(bpffs, folder);
      assert.unreachable();
    } catch (error) {
      assert.is((error as ShaperError).code, "STATE");
      assert.match(
        (error as Error).message,
        new RegExp(`version ${later.version} .* has version ${SHAPE.version}`),
      );
    }
    assert.equal([readdirSync(folder), pinnedProgram()], before);
  };
  refused();
  rmSync(folder, { recursive: true });
  Datapath.load(bpffs, folder).close();
  assert.throws(() =>
    install(folder, later, () => {
      throw new Error("killed");
    }),
  );
  refused();
});

test("an installation that was cut short is finished, or begun anew where it had not got far", () => {
  const before = installFirst();
  mkdirSync(join(folder, "shape_next"));
  {
    using left = BpfMap.create({ name: "left", type: "array", keySize: 4, valueSize: 8, maxEntries: 4 });
    left.pin(join(folder, "shape_next/limits"));
  }
  assert.throws(() =>
    install(folder, SHAPE, () => {
      throw new Error("killed");
    }),
  );
  assert.not.ok(isInstalled(folder, SHAPE));
  assert.is(Datapath.open(folder), undefined);
  let swaps = 0;
  install(folder, SHAPE, () => swaps++);
  assert.is(swaps, 1);
  assert.is.not(pinnedProgram(), before);
  using datapath = Datapath.open(folder)!;
  assert.is(datapath.limit(6).owner, 77n);
  assert.not.ok(readdirSync(folder).includes("shape_next"));
});

test.run();
