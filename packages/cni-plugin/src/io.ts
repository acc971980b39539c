import { fstatSync, readSync, writeSync } from "node:fs";

const MAX_INPUT_BYTES = 4 * 1024 * 1024;

/**
 * All of standard input as text; "" where it is a terminal, at which nobody is going to type JSON.
 * @throws RangeError beyond 4 MiB, and what read(2) says
 */
export function readStandardInput(): string {
  // With bigint: Node 20's realpathSync looks at what the last fstat without it found, and after that of a pipe it
  // no longer resolves symbolic links, so that modules which are imported later would load from wrong paths.
  if (fstatSync(0, { bigint: true }).isCharacterDevice()) return "";
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(64 * 1024);
    const count = retry(() => readSync(0, chunk, 0, chunk.length, null));
    if (count === 0) break;
    total += count;
    if (total > MAX_INPUT_BYTES) throw new RangeError("standard input holds more than 4 MiB");
    chunks.push(chunk.subarray(0, count));
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Writes all of a text to a descriptor before it returns, whatever kind of file that is. */
export function writeAll(fd: 1 | 2, text: string): void {
  let rest = Buffer.from(text, "utf8");
  while (rest.length > 0) {
    const bytes = rest;
    rest = rest.subarray(retry(() => writeSync(fd, bytes)));
  }
}

/** A pipe that its other end made non-blocking says EAGAIN; there is nothing else to do meanwhile. */
function retry(call: () => number): number {
  for (;;) {
    try {
      return call();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN" && code !== "EINTR") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
