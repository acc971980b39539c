import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, relative, resolve } from "node:path";
import { CommandError, type ExitCode, exitCode, UsageError } from "../errors.js";
import { readObject, reason } from "../input.js";
import type { Terminal } from "../terminal.js";
import { generateModule, MARK } from "./module.js";
import { typeName } from "./names.js";

/** Options of `weir-bpf gen`. */
export interface GenOptions {
  readonly json?: boolean;
  /** The file to write; standard output without it. */
  readonly output?: string;
  /** The name of the class; from the file's name without it. */
  readonly name?: string;
  /** Read the object from beside the module when it runs, instead of holding its bytes. */
  readonly external?: boolean;
}

/** `weir-bpf gen FILE`: a typed TypeScript module for an object. Takes no privilege. */
export function gen(file: string, options: GenOptions, terminal: Terminal): ExitCode {
  const { output, external } = options;
  if (file === "-" && (options.name === undefined || external))
    throw new UsageError("an object from standard input takes --name, and cannot be --external");
  const { bytes, object } = readObject(file);
  const base = file === "-" ? "standard input" : basename(file);
  const className = typeName(options.name ?? base.replace(/(\.bpf|\.tmp)?\.o$/, ""));
  const path = relative(output === undefined ? "." : dirname(resolve(output)), resolve(file));
  const source = external ? { path: path.startsWith(".") ? path : `./${path}` } : { embedded: bytes };
  const module = generateModule(object, base, className, source);
  if (output !== undefined) write(output, module.source);
  if (options.json) {
    const { source: text, ...rest } = module;
    terminal.printJson({ ...rest, output: output ?? null, ...(output === undefined && { source: text }) });
  } else if (output === undefined) terminal.print(module.source);
  return exitCode.OK;
}

/** Replaces nothing but what this command has written. */
function write(path: string, source: string): void {
  try {
    if (existsSync(path) && !readFileSync(path, "utf8").startsWith(MARK)) {
      throw new CommandError(
        `${path} exists and was not written by weir-bpf gen: remove it, or choose another file`,
      );
    }
    writeFileSync(`${path}.tmp`, source);
    renameSync(`${path}.tmp`, path);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`cannot write ${path}: ${reason(error)}`, { cause: error });
  }
}
