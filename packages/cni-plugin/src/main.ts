#!/usr/bin/env node
import { readStandardInput, writeAll } from "./io.js";

const OLDEST_NODE = 20;

// Nothing but the protocol is loaded here: VERSION and every ADD pay for each module that this file names.
async function main(): Promise<void> {
  const plugin = Boolean(process.env.CNI_COMMAND);
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) return tooOld(plugin);
  if (plugin) {
    const { runPlugin } = await import("./cni/run.js");
    process.exit(await runPlugin({ env: process.env, readInput: readStandardInput, write: writeAll }));
  }
  const { runCommandLine } = await import("./cli/run.js");
  process.exitCode = await runCommandLine(process.argv.slice(2));
}

/** The launcher's error of code 120, for a Node.js that it found but that weir cannot run on. */
function tooOld(plugin: boolean): void {
  const msg = `${process.execPath} is Node.js ${process.versions.node}, but weir needs ${OLDEST_NODE} or later: set WEIR_NODE to the path of one`;
  if (plugin) writeAll(1, `${JSON.stringify({ cniVersion: "1.0.0", code: 120, msg })}\n`);
  writeAll(2, `weir: ${msg}\n`);
  process.exitCode = 1;
}

void main();
