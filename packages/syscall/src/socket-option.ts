import { check, int, libc } from "./libc.js";
import { Struct } from "./struct.js";

/**
 * setsockopt(2) on a socket that somebody else owns, such as one of Node's.
 * @param fd the socket's descriptor
 * @param value a C int, or the option's bytes
 * @param action what is being done, as it reads after "could not"
 * @param hint what to try when it fails
 * @throws SystemError
 */
export function setSocketOption(
  fd: number,
  level: number,
  option: number,
  value: number | Uint8Array,
  action: string,
  hint?: string,
): void {
  const bytes = typeof value === "number" ? new Struct(4).i32(0, value).bytes : value;
  check(
    libc.setsockopt(int(fd, "fd"), int(level, "level"), int(option, "option"), bytes, bytes.length),
    "setsockopt",
    action,
    hint,
  );
}
