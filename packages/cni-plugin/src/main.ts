#!/usr/bin/env node
import { readStandardInput, writeAll } from "./io.js";

// Nothing but the protocol is loaded here: VERSION and every ADD pay for each module that this file names.
async function main(): Promise<void> {
  if (process.env.CNI_COMMAND) {
    const { runPlugin } = await import("./cni/run.js");
    process.exit(await runPlugin({ env: process.env, readInput: readStandardInput, write: writeAll }));
  }
  const { runCommandLine } = await import("./cli/run.js");
  process.exitCode = await runCommandLine(process.argv.slice(2));
}

void main();
