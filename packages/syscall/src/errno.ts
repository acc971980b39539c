import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";

/** Linux error numbers that Node's own table leaves out: include/uapi/asm-generic/errno.h and include/linux/errno.h. */
const beyondNode: Record<string, [number, string]> = {
  ENOTBLK: [15, "block device required"],
  ECHRNG: [44, "channel number out of range"],
  ENODATA: [61, "no data available"],
  ETIME: [62, "timer expired"],
  EBADFD: [77, "file descriptor in bad state"],
  EUSERS: [87, "too many users"],
  ESHUTDOWN: [108, "cannot send after transport endpoint shutdown"],
  ESTALE: [116, "stale file handle"],
  EUCLEAN: [117, "structure needs cleaning"],
  ENOKEY: [126, "required key not available"],
  EOWNERDEAD: [130, "owner died"],
  ENOTRECOVERABLE: [131, "state not recoverable"],
  ERFKILL: [132, "operation not possible due to RF-kill"],
  ENOTSUPP: [524, "operation is not supported by the kernel"],
};

/** Error numbers by name, as Linux defines them: `errno.EPERM` is 1. */
export const errno: Readonly<Record<string, number>> = Object.freeze({
  ...constants.errno,
  ...Object.fromEntries(Object.entries(beyondNode).map(([name, [number]]) => [name, number])),
});

const names = new Map<number, string>();
const texts = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) {
  // EAGAIN and EOPNOTSUPP share their numbers with EWOULDBLOCK and ENOTSUP: the first name is the kernel's.
  if (name !== "EWOULDBLOCK" && name !== "ENOTSUP") names.set(number, name);
}
for (const [negative, [, text]] of getSystemErrorMap()) texts.set(-negative, text);
for (const [name, [number, text]] of Object.entries(beyondNode)) {
  names.set(number, name);
  if (!texts.has(number)) texts.set(number, text);
}

/**
 * The symbolic name of an error number.
 * @param number a positive error number
 * @returns its name ("EPERM"), or "errno 999" where Linux has none
 */
export function errnoName(number: number): string {
  return names.get(number) ?? `errno ${number}`;
}

/**
 * The text that describes an error number, in lower case and without a full stop.
 * @param number a positive error number
 */
export function errnoText(number: number): string {
  return texts.get(number) ?? "unknown error";
}
