/** Tools that trace the kernel by CO-RE: each object is loaded by libbpf and by this project. */
import { BpfObject } from "@weir/bpf-loader";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertRefused, compareWithLibbpf } from "./compare.js";
import { objectPackages, objectsOf } from "./packages.js";

const test = suite("objects of libbpf-tools");

let loaded = 0;
for (const { title, bytes } of await objectsOf(objectPackages.tools)) {
  test(`${title} becomes what libbpf makes of it`, () => {
    const object = BpfObject.parse(bytes());
    if (compareWithLibbpf(bytes(), () => assertRefused(object))) loaded++;
  });
}

// Without kprobes some do not load, and on kernels without BTF of their own none.
test("libbpf could load most of them", () => assert.ok(loaded > 25));

test.run();
