import type { Fd } from "./fd.js";
import { check, libc, rawIoctlValue } from "./libc.js";
import type { Struct } from "./struct.js";

/**
 * ioctl(2) with a struct, with a number, or without an argument.
 * @param request the request number
 * @param argument the struct that the kernel reads or fills, the number that it takes in place of a pointer
 *   (PERF_EVENT_IOC_SET_BPF), or null where the request takes none
 * @param action what is being done, as it reads after "could not"
 * @param hint what to try when it fails
 * @returns the call's result
 */
export function ioctl(
  fd: Fd,
  request: number,
  argument: Struct | number | null,
  action: string,
  hint?: string,
): number {
  const result =
    typeof argument === "number"
      ? rawIoctlValue(fd.number, request, argument)
      : libc.ioctl(fd.number, request, argument?.bytes ?? null);
  return check(result, "ioctl", action, hint);
}
