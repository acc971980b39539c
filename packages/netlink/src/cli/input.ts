import { readSync } from "node:fs";
import { CommandError, UsageError } from "./errors.js";

/**
 * Bytes as tools print them: hexadecimal digits with spaces, newlines, colons, commas, 0x or \x between them.
 * Throws {@link UsageError} where the text is something else.
 * @param source what the text is, for the error
 */
export function parseHex(text: string, source: string): Uint8Array {
  const digits = text
    .replace(/(?:0x|\\x)([0-9a-f])(?![0-9a-f])/gi, "0$1")
    .replace(/0x|\\x/gi, " ")
    .replace(/[\s:,;"']+/g, "");
  const stray = /[^0-9a-f]/i.exec(digits)?.[0];
  if (stray !== undefined)
    throw new UsageError(
      `${source} is not hexadecimal: it holds ${JSON.stringify(stray)}; give two digits a byte, such as 0a1b, "0a 1b", 0a:1b or 0x0a 0x1b`,
    );
  if (digits === "")
    throw new UsageError(`${source} holds no bytes: give two hexadecimal digits a byte, such as 0a1b`);
  if (digits.length % 2 === 1)
    throw new UsageError(
      `${source} has ${digits.length} hexadecimal digits, an odd number: give two digits a byte, such as 0a1b`,
    );
  return new Uint8Array(Buffer.from(digits, "hex"));
}

/** All of standard input as text. Throws {@link CommandError}. */
export function readStandardInput(): string {
  if (process.stdin.isTTY)
    throw new UsageError(
      "there are no bytes: give them as arguments, or pipe them into standard input, such as `weir-nl decode < file`",
    );
  try {
    return readAll(0).toString("latin1");
  } catch (error) {
    throw new CommandError(
      `cannot read standard input (${(error as NodeJS.ErrnoException).code}): give the bytes as arguments`,
      { cause: error },
    );
  }
}

/** Bytes to ask for at a time. */
const CHUNK = 64 << 10;

function readAll(fd: number): Buffer {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(CHUNK);
    try {
      const length = readSync(fd, chunk);
      if (length === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, length));
    } catch (error) {
      // A pipe that its other end made non-blocking says EAGAIN; there is nothing else to do meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
