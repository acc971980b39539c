import { parseArguments, UsageError, usage } from "./arguments.js";
import { VmError } from "./errors.js";
import { prepareKernel } from "./prepare.js";
import { runInVm } from "./run.js";

/** As timeout(1) has it; 125 is what it and container runtimes give for their own failures. */
const TIMED_OUT = 124;
const FAILED = 125;

for (const stream of [process.stdout, process.stderr]) {
  // Nobody reads any more: QEMU ends with this process.
  stream.on("error", () => process.exit(FAILED));
}
process.exitCode = await main(process.argv.slice(2)).catch(report);

async function main(args: readonly string[]): Promise<number> {
  const options = parseArguments(args);
  if (options === "help") {
    process.stdout.write(usage);
    return 0;
  }
  // What takes long is said in any case; --quiet silences what is in the cache.
  const kernel = await prepareKernel(options.kernel, { progress: say });
  const { quiet, prepare, showConsole, ...rest } = options;
  if (prepare) return 0;
  const { exitStatus } = await runInVm({
    ...rest,
    kernel,
    ...(showConsole ? { console: process.stderr } : {}),
    stdout: process.stdout,
    stderr: process.stderr,
    forwardSignals: true,
    ...(quiet ? {} : { progress: say }),
  });
  return exitStatus;
}

function say(message: string): void {
  process.stderr.write(`vm: ${message}\n`);
}

function report(error: unknown): number {
  if (error instanceof UsageError) {
    say(error.message);
    process.stderr.write(`\n${usage}`);
    return FAILED;
  }
  if (!(error instanceof VmError)) throw error;
  if (error.console && error.code === "GUEST_FAILED") {
    process.stderr.write(`${error.console}\n`);
  }
  say(error.message);
  return error.code === "TIMEOUT" ? TIMED_OUT : FAILED;
}
