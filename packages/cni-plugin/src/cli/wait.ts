import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** Ends after a time, or at once when told to. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => {});
}

/** Comes with the name of the first SIGINT, SIGTERM or SIGHUP; the next one ends the process. */
export async function firstSignal(): Promise<NodeJS.Signals> {
  using signalled = untilSignalled();
  const { signal } = signalled;
  await once(signal, "abort");
  return signal.reason as NodeJS.Signals;
}

/** A signal of SIGINT, SIGTERM and SIGHUP, which then no longer end the process; disposing it gives them back. */
export function untilSignalled(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const abort = (name: NodeJS.Signals) => controller.abort(name);
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, abort);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const name of names) process.off(name, abort);
    },
  };
}
