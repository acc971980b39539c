import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VmError } from "./errors.js";
import { extractVmlinux, findPayload } from "./vmlinux.js";

const elf = Buffer.concat([Buffer.from("\x7fELF", "latin1"), Buffer.alloc(5000, 7)]);

/** A bzImage as Documentation/arch/x86/boot.rst has it, around `payload`. */
function bzImage(payload: Buffer, setupSectors = 4): Buffer {
  const offset = 100;
  const start = ((setupSectors || 4) + 1) * 512 + offset;
  const image = Buffer.alloc(start + payload.length + 4 + 300, 0xcc);
  image.writeUInt8(setupSectors, 0x1f1);
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt16LE(0x20f, 0x206);
  image.writeUInt32LE(offset, 0x248);
  image.writeUInt32LE(payload.length + 4, 0x24c);
  payload.copy(image, start);
  return image;
}

function compressed(program: string, args: string[], data: Buffer): Buffer {
  const { stdout, status, stderr } = spawnSync(program, args, { input: data });
  assert.is(status, 0, stderr.toString());
  return stdout;
}

test("the kernel comes out of an image packed with xz (5.10, 6.1) or zstd (6.12)", async () => {
  const xz = compressed("xz", ["-c", "--check=crc32"], elf);
  assert.equal(Buffer.from(await extractVmlinux(bzImage(xz))), elf);
  const zstd = compressed("zstd", ["-qc"], elf);
  assert.equal(Buffer.from(await extractVmlinux(bzImage(zstd, 39))), elf);
});

test("a count of 0 setup sectors stands for 4", () => {
  const xz = compressed("xz", ["-c"], elf);
  assert.equal(Buffer.from(findPayload(bzImage(xz, 0)).data), xz);
});

test("what is no kernel image is refused", async () => {
  const good = bzImage(compressed("xz", ["-c"], elf));
  const refusals: [string, Buffer, RegExp][] = [
    ["empty", Buffer.alloc(0), /boot header/],
    ["no magic", Buffer.alloc(4096), /boot header/],
    ["cut short", good.subarray(0, 2700), /cut short/],
    ["unknown packing", bzImage(Buffer.from("\x1f\x8bgzip or so", "latin1")), /unknown way/],
    ["damaged", bzImage(compressed("xz", ["-c"], elf).fill(0, 20, 40)), /cannot be unpacked/],
    ["not an ELF file inside", bzImage(compressed("xz", ["-c"], Buffer.from("hello"))), /ELF/],
  ];
  for (const [name, image, message] of refusals) {
    try {
      await extractVmlinux(image);
      assert.unreachable(name);
    } catch (error) {
      assert.instance(error, VmError, name);
      assert.match((error as VmError).message, message);
    }
  }
});

test.run();
