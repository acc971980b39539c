import { createInterface } from "node:readline";

/** What a side can do: does it once and gives what it measured, nanoseconds unless it says otherwise. */
export type Commands = Readonly<Record<string, (...numbers: number[]) => number | Promise<number>>>;

/** Serves a {@link Commands} to the process that started this one; see `Peer`. */
export async function serve(commands: Commands): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const [command = "", count, ...rest] = line.trim().split(" ");
    const results: number[] = [];
    for (let i = 0; i < Number(count); i++) results.push(await commands[command]!(...rest.map(Number)));
    process.stdout.write(`${results.join(" ")}\n`);
  }
}

/** How long some work takes, in nanoseconds. */
export function timed(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start);
}

/** As {@link timed}, for work that waits. */
export async function timedAsync(work: () => Promise<void>): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start);
}

/** Says which count is wrong, so that nobody is measured who does less. */
export function expectCount(what: string, count: number, expected: number): void {
  if (count < expected) throw new Error(`${count} ${what} in place of ${expected}`);
}

/** The address of the route of that number: 10.0.0.0 and up. */
export function routeAddress(number: number): string {
  return `10.${(number >> 16) & 0xff}.${(number >> 8) & 0xff}.${number & 0xff}`;
}
