import { test } from "uvu";
import * as assert from "uvu/assert";
import { ShaperError } from "./errors.js";
import { MAX_SUBNETS, sameSubnets, validateSubnets } from "./subnets.js";

function refusal(work: () => void): string {
  try {
    work();
  } catch (error) {
    assert.instance(error, ShaperError);
    assert.is((error as ShaperError).code, "INVALID_LIMIT");
    return `${(error as ShaperError).message} ${(error as ShaperError).remedy ?? ""}`;
  }
  throw new Error("it was accepted");
}

test("prefixes of both families are accepted, in one kind of list", () => {
  for (const subnet of ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "fd00::/8", "::/0", "2001:db8::1/128"]) {
    validateSubnets({ shapedSubnets: [subnet] });
    validateSubnets({ unshapedSubnets: [subnet], shapedSubnets: [] });
  }
  validateSubnets({});
  assert.match(
    refusal(() => validateSubnets({ shapedSubnets: ["10.0.0.0/8"], unshapedSubnets: ["fd00::/8"] })),
    /exclude each other/,
  );
});

test("what is no prefix is refused with the list's name and the text", () => {
  for (const text of [
    "10.0.0.0",
    "10.0.0/8",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "a/8",
  ]) {
    const message = refusal(() => validateSubnets({ unshapedSubnets: ["10.0.0.0/8", text] }));
    assert.ok(message.includes(`"${text}" in unshapedSubnets is no subnet`), message);
    assert.match(message, /such as 10\.0\.0\.0\/8/);
  }
  const many = Array.from({ length: MAX_SUBNETS + 1 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  assert.match(
    refusal(() => validateSubnets({ shapedSubnets: many })),
    /shapedSubnets has 1025/,
  );
  validateSubnets({ shapedSubnets: many.slice(1) });
});

test("lists are the same when they name the same subnets in the same way", () => {
  assert.ok(sameSubnets({}, { shapedSubnets: [] }));
  assert.ok(sameSubnets({ unshapedSubnets: ["10.0.0.0/8"] }, { unshapedSubnets: ["10.0.0.0/8"] }));
  assert.not.ok(sameSubnets({ unshapedSubnets: ["10.0.0.0/8"] }, { shapedSubnets: ["10.0.0.0/8"] }));
  assert.not.ok(sameSubnets({ unshapedSubnets: ["10.0.0.0/8"] }, { unshapedSubnets: ["10.0.0.0/9"] }));
});

test.run();
