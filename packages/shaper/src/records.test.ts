import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type AttachmentRecord, RecordStore } from "./records.js";

const folder = mkdtempSync(join(tmpdir(), "weir-records-"));
test.after(() => rmSync(folder, { recursive: true }));
const store = new RecordStore(folder);

const record: AttachmentRecord = {
  id: "0123abc/eth0",
  netns: "/run/netns/blue",
  device: "eth0",
  ifindex: 7,
  namespace: "4:4026532208",
  aggregate: "0123abc",
  slot: 3,
  limits: {
    egress: { bitsPerSecond: 2n ** 60n, burstBits: 5n, horizonMs: 20, markMs: 0.5 },
    unshapedSubnets: ["fd00::/8"],
  },
  state: "active",
  found: { clsact: false, root: { kind: "fq_codel", handle: 0x8001_0000, options: "AAEC" } },
  createdAtMs: 1_767_225_600_000,
};

test("a record reads back as it was written, 64-bit numbers included", () => {
  store.write(record);
  assert.equal(store.read(record.id), record);
  assert.equal(store.readAll(), { records: [record], damaged: [] });
  store.remove(record.id);
  store.remove(record.id);
  assert.is(store.read(record.id), undefined);
});

test("an id never leaves the folder, whatever it holds", () => {
  for (const id of ["../../etc/passwd", "..", ".", "a/b", "*", "a%2Fb"]) {
    store.write({ ...record, id });
    assert.is(store.read(id)?.id, id);
  }
  assert.equal(readdirSync(folder), ["attachments"]);
  assert.is(store.readAll().records.length, 6);
  for (const { id } of store.readAll().records) store.remove(id);
});

test("a damaged record is named, and does not hide the others", () => {
  store.write(record);
  for (const [name, text] of [
    ["cut", '{"version":1,"id":"x"'],
    ["empty", ""],
    ["other", '{"version":2}'],
    ["null", "null"],
    ["fields", '{"version":1,"id":"x"}'],
  ]) {
    writeFileSync(join(folder, `attachments/${name}.json`), text!);
  }
  const { records, damaged } = store.readAll();
  assert.is(records.length, 1);
  assert.is(damaged.length, 5);
  assert.throws(
    () => store.read("cut"),
    (error: { code: string; message: string }) =>
      error.code === "STATE" && error.message.includes("cut.json"),
  );
  for (const { file } of damaged) store.removeFile(file);
  store.remove(record.id);
});

test("a record that must be there is an error where it is not", () => {
  store.write(record);
  assert.equal(store.get(record.id), record);
  store.remove(record.id);
  const refuses = (id: string, code: string) =>
    assert.throws(
      () => store.get(id),
      (error: { code: string }) => error.code === code,
    );
  refuses(record.id, "NOT_FOUND");
  refuses("a b", "INVALID_ATTACHMENT");
});

test("a store that was never written to is empty", () => {
  const empty = new RecordStore(join(folder, "nowhere"));
  assert.equal(empty.readAll(), { records: [], damaged: [] });
  assert.equal(empty.leftovers(), []);
  assert.not.ok(existsSync(join(folder, "nowhere")));
});

test("a folder that cannot be made is an error that says so", () => {
  writeFileSync(join(folder, "file"), "");
  assert.throws(() => new RecordStore(join(folder, "file")).write(record), /EEXIST|ENOTDIR|could not write/);
});

test.run();
