import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errno, SystemError } from "@weir/syscall";

/** Where the tracing filesystem is mounted; undefined if it is not. */
function tracefs(): string | undefined {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const found = mounts.map((line) => line.split(" ")).filter(([, , type]) => type === "tracefs");
  // Spaces and the like stand as octal numbers.
  return found[0]?.[1]?.replaceAll(/\\(\d{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Reads a file of the tracing filesystem. Throws SystemError that says what is missing. */
export function readTracefs(path: string, action: string): string {
  // Below debugfs it appears in no list of mounts until somebody has looked there.
  const folders = [tracefs(), "/sys/kernel/tracing", "/sys/kernel/debug/tracing"].filter(
    (folder) => folder !== undefined,
  );
  let last: NodeJS.ErrnoException | undefined;
  for (const folder of folders) {
    try {
      return readFileSync(join(folder, path), "utf8");
    } catch (error) {
      last = error as NodeJS.ErrnoException;
    }
  }
  const mounted = tracefs() !== undefined;
  throw new SystemError({
    errno: last?.errno === undefined ? errno.ENOENT! : Math.abs(last.errno),
    syscall: "open",
    action,
    hint: mounted
      ? `${path} is not in the tracing filesystem: the kernel does not have it, or it belongs to root.`
      : 'The tracing filesystem is not mounted; mount it, as with "mount -t tracefs tracefs /sys/kernel/tracing".',
    cause: last,
  });
}
