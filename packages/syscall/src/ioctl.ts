import type { Fd } from "./fd.js";
import { check, libc } from "./libc.js";
import type { Struct } from "./struct.js";

/**
 * ioctl(2) with a struct, or without an argument.
 * @param request the request number
 * @param argument the struct that the kernel reads or fills; null where the request takes none
 * @param action what is being done, as it reads after "could not"
 * @returns the call's result
 */
export function ioctl(fd: Fd, request: number, argument: Struct | null, action: string): number {
  return check(libc.ioctl(fd.number, request, argument?.bytes ?? null), "ioctl", action);
}
