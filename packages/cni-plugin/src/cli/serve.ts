import { CallServer, type ServedCall } from "../server/server.js";
import type { Context } from "./commands.js";
import { type ExitCode, exitCode } from "./errors.js";
import { firstSignal } from "./wait.js";

/** `weir serve`: answers the plugin's calls until SIGTERM, SIGINT or SIGHUP, and prints a line for each. */
export async function serve({ terminal, options, json }: Context): Promise<ExitCode> {
  const ended = firstSignal();
  const server = CallServer.listen(options, (call) => {
    if (json) terminal.printLine({ time: new Date().toISOString(), ...call });
    else terminal.print(line(call));
  });
  if (json) terminal.printLine({ time: new Date().toISOString(), listening: server.path });
  else terminal.print(`listening on ${server.path}`);
  await ended;
  await server.close();
  return exitCode.OK;
}

function line({ command, id, durationMs, problem }: ServedCall): string {
  return `${command.padEnd(5)} ${id} ${durationMs.toFixed(1)} ms${problem === undefined ? "" : `: ${problem}`}`;
}
