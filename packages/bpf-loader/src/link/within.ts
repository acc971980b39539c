import { NetworkNamespace } from "@weir/syscall";

/** A network namespace by path or open. */
export type NetnsReference = string | NetworkNamespace;

/** Runs synchronous work inside a namespace; where none is given, in the current one. */
export function within<T>(netns: NetnsReference | undefined, work: () => T): T {
  if (netns === undefined) return work();
  if (netns instanceof NetworkNamespace) return netns.run(work);
  using opened = NetworkNamespace.open(netns);
  return opened.run(work);
}
