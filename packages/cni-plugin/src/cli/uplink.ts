import { type Direction, Shaper, type Uplink, type UplinkRates } from "@weir/shaper";
import type { Printable } from "../json.js";
import { formatRate } from "../units.js";
import type { Context } from "./commands.js";
import { CommandError, type ExitCode, exitCode } from "./errors.js";
import { type Column, formatTable } from "./table.js";

const columns: readonly Column[] = [
  { title: "UPLINK", shorten: { from: "middle", to: 12 } },
  { title: "DIRECTION" },
  { title: "CARRIES", right: true },
  { title: "GUARANTEED", right: true },
  { title: "ATTACHMENTS", right: true },
];

/** `weir uplink set`. */
export function setUplink(name: string, rates: UplinkRates, { terminal, options, json }: Context): ExitCode {
  using shaper = Shaper.open(options);
  shaper.setUplink(name, rates);
  const uplink = shaper.listUplinks().find((one) => one.name === name);
  if (json) terminal.printJson(uplinkJson(uplink!));
  else terminal.print(`${name}: ${describe(rates)}`);
  return exitCode.OK;
}

/** `weir uplink remove`. */
export function removeUplink(name: string, { terminal, options, json }: Context): ExitCode {
  using shaper = Shaper.open(options);
  if (!shaper.removeUplink(name)) {
    throw new CommandError(`there is no uplink ${JSON.stringify(name)}`, "`weir uplink list` lists them.");
  }
  if (json) terminal.printJson({ name, removed: true });
  else terminal.print(`${name}: not shared any more`);
  return exitCode.OK;
}

/** `weir uplink list`. */
export function listUplinks({ terminal, options, json }: Context): ExitCode {
  using shaper = Shaper.open(options);
  const uplinks = shaper.listUplinks();
  if (json) {
    terminal.printJson(uplinks.map(uplinkJson));
    return exitCode.OK;
  }
  if (uplinks.length === 0) {
    terminal.print("no uplink is shared on this node");
    return exitCode.OK;
  }
  const rows = uplinks.flatMap((uplink) => {
    const { name, ingressBitsPerSecond, guaranteedBitsPerSecond: guaranteed, attachments } = uplink;
    const row = (direction: Direction, capacity: bigint) => [
      { text: name, style: terminal.style.bold },
      direction,
      formatRate(capacity),
      formatRate(guaranteed[direction]),
      String(attachments.length),
    ];
    const egress = row("egress", uplink.bitsPerSecond);
    return ingressBitsPerSecond === undefined ? [egress] : [egress, row("ingress", ingressBitsPerSecond)];
  });
  terminal.print(formatTable(columns, rows, terminal.columns));
  return exitCode.OK;
}

function uplinkJson(uplink: Uplink): Printable {
  return uplink as unknown as Printable;
}

function describe({ bitsPerSecond, ingressBitsPerSecond }: UplinkRates): string {
  const ingress = ingressBitsPerSecond === undefined ? "" : `, ingress ${formatRate(ingressBitsPerSecond)}`;
  return `egress ${formatRate(bitsPerSecond)}${ingress}`;
}
