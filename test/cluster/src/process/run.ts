import { spawn } from "node:child_process";

/** A program that ended otherwise than with status 0; its message holds the end of what it printed. */
export class ProgramFailed extends Error {
  override readonly name = "ProgramFailed";
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;

  constructor(
    command: readonly string[],
    result: { status: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string },
  ) {
    const how = result.signal ? `was ended by ${result.signal}` : `failed with status ${result.status}`;
    const said = (result.stderr || result.stdout).trim().split("\n").slice(-15).join("\n");
    super(`${command.join(" ").slice(0, 300)} ${how}${said && `:\n${said}`}`);
    this.status = result.status;
    this.stdout = result.stdout;
    this.stderr = result.stderr;
  }
}

/** Options of {@link runProgram}. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** What it reads from its standard input. */
  readonly input?: string;
}

/**
 * Runs a program to its end; it dies with this process.
 * @returns its standard output
 * @throws ProgramFailed when it does not end with status 0
 */
export function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { input, ...rest } = options;
  const command = [program, ...args];
  return new Promise((resolve, reject) => {
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], {
      ...rest,
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name]!.setEncoding("utf8").on("data", (text: string) => {
        output[name] += text;
      });
    }
    // A program that stops reading early says so by its exit status.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
    child.on("error", reject);
    child.on("close", (status, signal) => {
      if (status === 0) resolve(output.stdout);
      else reject(new ProgramFailed(command, { status, signal, ...output }));
    });
  });
}
