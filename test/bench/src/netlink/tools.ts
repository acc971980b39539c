import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { routeAddress, timed } from "./side.js";

/** ip(8) and tc(8): processes that are started anew each time, as people and scripts use them. */
export class Tools {
  readonly #folder: string;

  /** @param folder where files of commands go */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** As `Peer.measure`. */
  async measure(command: string, count: number, argument = ""): Promise<number[]> {
    const numbers = argument.split(" ").map(Number);
    const [program, ...args] = this.#commandLine(command, numbers);
    return Array.from({ length: count }, () => timed(() => run(program!, args)));
  }

  #commandLine(command: string, [first = 0, second = 0, third = 0]: number[]): string[] {
    switch (command) {
      case "routes":
        return ["ip", "-4", "route", "show"];
      case "links":
        return ["ip", "-s", "-d", "link", "show"];
      case "link":
        return ["ip", "-batch", this.#file(Array.from({ length: second }, () => `link show dev if${first}`))];
      case "add":
      case "addBatched": {
        const line = (_: unknown, number: number) => `route add ${routeAddress(number)}/32 dev if${first}`;
        return ["ip", "-batch", this.#file(Array.from({ length: second }, line))];
      }
      case "tc":
      case "tcBatched": {
        const lines = (_: unknown, number: number) => {
          const device = `if${first + number * third}`;
          return `qdisc add dev ${device} clsact\nfilter add dev ${device} egress prio 1 protocol ip u32 match ip dst 10.0.0.0/8 flowid 1:1`;
        };
        return ["tc", "-batch", this.#file(Array.from({ length: second }, lines))];
      }
      default:
        throw new Error(`ip has no part in "${command}"`);
    }
  }

  #file(lines: readonly string[]): string {
    const path = join(this.#folder, "commands");
    writeFileSync(path, `${lines.join("\n")}\n`);
    return path;
  }
}

function run(program: string, args: readonly string[]): void {
  const nowhere = openSync("/dev/null", "w");
  try {
    const { status, error, stderr } = spawnSync(program, args, { stdio: ["ignore", nowhere, "pipe"] });
    if (status !== 0) throw error ?? new Error(`${program} ${args.join(" ")}: ${stderr}`);
  } finally {
    closeSync(nowhere);
  }
}
