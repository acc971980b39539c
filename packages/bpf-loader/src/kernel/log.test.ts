import { errno } from "@weir/syscall";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withLog } from "./log.js";

const test = suite("withLog");
const EINVAL = -errno.EINVAL!;
const ENOSPC = -errno.ENOSPC!;

/** A call that fails with EACCES and writes a log, as a kernel with a limit for the buffer does. */
function kernel(log: string, limit: number, sizes: number[]) {
  return (buffer: Uint8Array) => {
    sizes.push(buffer.length);
    if (buffer.length > limit) return EINVAL;
    const bytes = new TextEncoder().encode(log).subarray(0, buffer.length - 1);
    buffer.set(bytes);
    return bytes.length < log.length ? ENOSPC : -errno.EACCES!;
  };
}

test("a short log takes one call", () => {
  const sizes: number[] = [];
  const { result, log } = withLog(kernel("R1 !read_ok\n", 0x3fff_ffff, sizes));
  assert.equal([result, log, sizes], [-errno.EACCES!, "R1 !read_ok\n", [65_536]]);
});

test("the size that the kernel tells is the next", () => {
  const sizes: number[] = [];
  const long = "x".repeat(3_000_000);
  const { log } = withLog(kernel(long, 0x3fff_ffff, sizes), () => long.length + 1);
  assert.equal([log.length, sizes], [3_000_000, [65_536, 3_000_001]]);
});

test("a kernel with a lower limit gets its largest buffer, and a log that is too long is cut", () => {
  const sizes: number[] = [];
  const { result, log } = withLog(kernel("y".repeat(20_000_000), 0xff_ffff, sizes));
  assert.equal([result, log.length], [ENOSPC, 0xff_fffe]);
  assert.equal(sizes, [65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 16_777_215]);
});

test("an error that has nothing to do with the buffer is passed on", () => {
  const sizes: number[] = [];
  const { result } = withLog((buffer) => {
    sizes.push(buffer.length);
    return EINVAL;
  });
  assert.equal([result, sizes], [EINVAL, [65_536]]);
});

test.run();
