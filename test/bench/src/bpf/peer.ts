import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Peer } from "../peer.js";

/** Compiles libbpf.c into that folder, and starts it. Takes gcc and libbpf-dev. */
export function startLibbpf(folder: string): Peer {
  const program = join(folder, "libbpf");
  const source = fileURLToPath(new URL("../../src/bpf/libbpf.c", import.meta.url));
  execFileSync("gcc", ["-O2", "-Wall", "-Werror", "-o", program, source, "-lbpf"], { stdio: "inherit" });
  return new Peer("libbpf", program);
}
