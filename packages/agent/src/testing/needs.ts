import { Rtnetlink } from "@weir/netlink";
import { NetworkNamespace } from "@weir/syscall";

/** Whether pods can be shaped here. In the kernel VM they must be, so there a test runs and fails. */
export function canShape(): boolean {
  if (process.env.WEIR_VM === "1") return true;
  if (process.getuid?.() !== 0) return refuse("root");
  using namespace = NetworkNamespace.createAnonymous();
  using rt = Rtnetlink.open({ netns: namespace });
  try {
    rt.qdiscs.replace({ index: 1, parent: "root", kind: "fq" });
    return true;
  } catch {
    return refuse("sch_fq");
  }
}

function refuse(what: string): false {
  console.log(`skipped here, for want of ${what}; the kernel VM runs these tests`);
  return false;
}
