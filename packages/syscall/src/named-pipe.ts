import { check, libc } from "./libc.js";
import { cString } from "./struct.js";

/**
 * Makes a named pipe, mkfifo(3), which Node.js cannot.
 * @param mode permissions, of which the process's umask is taken off
 * @throws SystemError EEXIST where there is something at the path, ENOENT without its folder
 */
export function makeNamedPipe(path: string, mode = 0o600): void {
  check(libc.mkfifo(cString(path), mode), "mkfifo", `make the named pipe ${path}`);
}
