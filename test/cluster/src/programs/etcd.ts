import { join } from "node:path";
import { fetchPackages, type Progress } from "@weir/test-vm";

/** Fetches Debian's etcd. @returns the program's path */
export async function fetchEtcd(progress: Progress = () => {}): Promise<string> {
  return join(await fetchPackages("bookworm", ["etcd-server"], { progress }), "usr/bin/etcd");
}
