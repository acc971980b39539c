import { spawnSync } from "node:child_process";

/** Has the kernel load a module, where it has modules; what is built in is there already. */
export function loadModule(name: string): void {
  spawnSync("modprobe", ["-q", name]);
}
