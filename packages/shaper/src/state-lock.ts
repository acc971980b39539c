import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { FileLock, SystemError } from "@weir/syscall";
import { ShaperError } from "./errors.js";

/**
 * Locks a state folder, which is made where it is missing, against other processes.
 * @throws ShaperError BUSY, NOT_PERMITTED, STATE
 */
export function lockState(folder: string, timeoutMs: number): FileLock {
  const file = join(folder, "lock");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    return FileLock.acquire(file, { timeoutMs });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (cause instanceof SystemError && code === "EAGAIN") {
      throw new ShaperError("BUSY", `another process has been changing attachments for ${timeoutMs} ms`, {
        remedy: `Try again; if it lasts, see who holds it: fuser -v ${file}`,
        cause,
      });
    }
    if (code === "EACCES" || code === "EPERM") {
      throw new ShaperError("NOT_PERMITTED", `may not write to ${folder}`, { remedy: "Run as root.", cause });
    }
    throw new ShaperError("STATE", `could not prepare the state folder ${folder}: ${message}`, {
      remedy: "Make sure that the folder is writable and not full.",
      cause,
    });
  }
}
