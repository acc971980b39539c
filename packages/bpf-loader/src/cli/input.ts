import { readFileSync, readSync } from "node:fs";
import { BpfObject, Btf } from "../index.js";
import { CommandError, UsageError } from "./errors.js";

/** Reads and parses an object file. Throws {@link CommandError}, which names the file. */
export function readObject(path: string): { bytes: Uint8Array; object: BpfObject } {
  const bytes = readFile(path);
  try {
    return { bytes, object: BpfObject.parse(bytes) };
  } catch (error) {
    throw new CommandError(`${path === "-" ? "standard input" : path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Reads a file of BTF, such as /sys/kernel/btf/vmlinux. Throws {@link CommandError}. */
export function readBtf(path: string): Btf {
  const bytes = readFile(path);
  try {
    return Btf.parse(bytes);
  } catch (error) {
    throw new CommandError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** The bytes of a file, "-" for standard input. Throws {@link CommandError}. */
export function readFile(path: string): Uint8Array {
  try {
    return path === "-" ? readStandardInput() : new Uint8Array(readFileSync(path));
  } catch (error) {
    throw new CommandError(`cannot read ${path}: ${reason(error)}`, { cause: error });
  }
}

/** Bytes to ask for at a time. */
const CHUNK = 64 << 10;

function readStandardInput(): Uint8Array {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(CHUNK);
    try {
      const length = readSync(0, chunk);
      if (length === 0) return new Uint8Array(Buffer.concat(chunks));
      chunks.push(chunk.subarray(0, length));
    } catch (error) {
      // A pipe that its other end made non-blocking says EAGAIN; there is nothing else to do meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/**
 * Bytes given on the command line: hexadecimal digits, with spaces, colons or 0x between them as tools print them, or
 * `@FILE` for those of a file. Throws {@link UsageError}, or {@link CommandError} for the file.
 */
export function parseBytes(text: string): Uint8Array {
  if (text.startsWith("@")) return readFile(text.slice(1));
  const digits = text.replace(/0x/gi, " ").replace(/[\s:,]+/g, "");
  if (!/^(?:[0-9a-f]{2})*$/i.test(digits)) {
    throw new UsageError(
      `"${shorten(text)}" is not hexadecimal: give two digits a byte, such as 0a1b, or @FILE for the bytes of a file`,
    );
  }
  return new Uint8Array(Buffer.from(digits, "hex"));
}

/** What went wrong with a file, without the call and the path that Node.js adds. */
export function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return "no such file";
    case "EISDIR":
      return "it is a folder";
    case "EACCES":
      return "permission denied";
    default:
      return message.replace(/^[A-Z]+: /, "").replace(/, \w+( '.*)?$/, "");
  }
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}
