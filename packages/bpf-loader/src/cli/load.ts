import { writeFileSync } from "node:fs";
import {
  type BpfObject,
  type ProgramSpec,
  type ProgramType,
  type TestRunOptions,
  VerifierError,
} from "../index.js";
import { allMaps } from "../object/bpf-object.js";
import { CommandError, describeError, type ExitCode, exitCode, UsageError } from "./errors.js";
import { parseBytes, readBtf, readObject, reason } from "./input.js";
import { printLoad } from "./load-output.js";
import { PinFolder } from "./pin-folder.js";
import { type LoadResult, loadPrograms } from "./program-loader.js";
import {
  type MapReport,
  type ProgramReport,
  type Report,
  reportMap,
  reportProgram,
  reportVariable,
} from "./report.js";
import { setVariable } from "./set-variable.js";
import type { Terminal } from "./terminal.js";

/** Options of `weir-bpf load`. */
export interface LoadCommandOptions {
  readonly json?: boolean;
  /** Only these, and the maps that they use. */
  readonly program?: readonly string[];
  /** The type of programs whose sections say none. */
  readonly type?: ProgramType;
  /** Variables to give another value: NAME=VALUE. */
  readonly set?: readonly string[];
  /** What programs are to be attached to, in place of what their sections say: NAME=FUNCTION. */
  readonly attachTo?: readonly string[];
  /** Pin what was loaded in this folder. */
  readonly pin?: string;
  /** The program to test-run. */
  readonly run?: string;
  /** The packet and the context of the test run, in hexadecimal or as @FILE. */
  readonly data?: string;
  readonly context?: string;
  readonly repeat?: number;
  /** A file of the kernel's types, in place of the running kernel's own. */
  readonly btf?: string;
  /** The file that the verifier's whole log goes to. */
  readonly log?: string;
  /** The same on standard error. */
  readonly verbose?: boolean;
}

/** What a test run gave, or why it gave nothing. */
export interface RunReport {
  readonly program: string;
  readonly returnValue: number | null;
  readonly durationNs?: number;
  /** The packet afterwards. */
  readonly data?: Uint8Array;
  /** The context afterwards. */
  readonly context?: Uint8Array;
  readonly error?: string;
  readonly [more: string]: unknown;
}

/** A program that was asked for; the numbers are there once it is loaded. */
export interface LoadedProgramReport extends ProgramReport {
  readonly id?: number;
  readonly tag?: string;
  /** In bytes, after the verifier, and as machine code. */
  readonly translatedSize?: number;
  readonly jitedSize?: number;
}

/** A map, with the kernel's id once it is created. */
export interface LoadedMapReport extends MapReport {
  readonly loaded: boolean;
  readonly id: number | null;
}

/** What `load` reports: as `inspect`, with what the kernel made of it. */
export interface LoadReport extends Report {
  readonly programs: readonly LoadedProgramReport[];
  readonly maps: readonly LoadedMapReport[];
  readonly run: RunReport | null;
  /** Why the object as a whole did not load, where that is no program's fault. */
  readonly error: string | null;
  /** The folder that everything was pinned in. */
  readonly pinned: string | null;
}

/** `weir-bpf load FILE`: loads, test-runs, pins, reports, and lets go of what is not pinned. */
export function load(file: string, options: LoadCommandOptions, terminal: Terminal): ExitCode {
  const runOptions = testRunOptions(options);
  const { object } = readObject(file);
  for (const assignment of options.set ?? []) setVariable(object, assignment);
  for (const given of options.attachTo ?? []) setTarget(object, given);
  // Programs that others need may be without a type as well: those that a program array is filled with.
  for (const program of object.programs) program.type ??= options.type;
  const all = options.program === undefined;
  const specs = all ? object.programs.filter((program) => program.autoload) : named(object, options);
  if (options.run !== undefined) requireChosen(object, specs, options.run);
  using pins = preparePins(object, specs, options.pin);

  const logLevel = options.log !== undefined || options.verbose ? 1 : undefined;
  using result = loadPrograms(object, specs, all, {
    ...(pins && { pinPath: pins.path }),
    ...(logLevel !== undefined && { logLevel }),
    ...(options.btf !== undefined && { kernelBtf: readBtf(options.btf) }),
  });
  writeLog(options, specs, result, terminal);
  const run = options.run === undefined ? null : testRun(result, options.run, runOptions);
  const failed = result.errors.size > 0 || result.objectError !== undefined || run?.error !== undefined;
  if (!failed) pins?.pinAll([...result.programs.values(), ...result.maps.values()]);

  const report = makeReport(object, result, run, failed ? undefined : pins);
  if (options.json) terminal.printJson(report);
  else printLoad(file, report, failedPrograms(specs, result), pins !== undefined, terminal);
  if (failed) return exitCode.FAILED;
  pins?.keep();
  return exitCode.OK;
}

/** A program that did not load, and what the verifier had to say last. */
export interface FailedProgram {
  readonly name: string;
  readonly message: string;
  /** The end of the verifier's log; empty where it was not asked. */
  readonly lastLines: readonly string[];
  readonly logLines: number;
}

/** Lines of the verifier's log that are shown of a program that did not load. */
const LAST_LINES = 12;

function failedPrograms(specs: readonly ProgramSpec[], result: LoadResult): FailedProgram[] {
  return specs.flatMap(({ name }) => {
    const error = result.errors.get(name);
    if (!error) return [];
    const lines = result
      .logOf(name)
      .split("\n")
      .filter((line) => line.trim() !== "");
    return [{ name, message: messageOf(error), lastLines: lines.slice(-LAST_LINES), logLines: lines.length }];
  });
}

/** The verifier's last lines stand apart from the sentence; what is known better than they say it is in the sentence. */
function messageOf(error: Error): string {
  if (!(error instanceof VerifierError)) return describeError(error);
  const reason = /\(\w+\): ([\s\S]*)$/.exec(error.message)?.[1] ?? "";
  const repeats = reason.split("; ").every((line) => error.log.includes(line));
  return `the verifier refused it (${error.code})${repeats ? "" : `: ${reason}`}`;
}

function named(object: BpfObject, { program = [] }: LoadCommandOptions): ProgramSpec[] {
  return [...new Set(program)].map((name) => {
    const spec = object.program(name);
    if (spec.type) return spec;
    throw new CommandError(
      `program "${name}" is in section "${spec.section}", which does not say what type it has: add --type, such as --type sched_cls`,
    );
  });
}

function setTarget(object: BpfObject, given: string): void {
  const [, name, target] = /^([^=]+)=(.+)$/.exec(given) ?? [];
  if (name === undefined || target === undefined)
    throw new UsageError(`--attach-to takes NAME=FUNCTION, not "${given}"`);
  const program = object.program(name);
  program.attachTarget = target;
  program.autoload = true;
}

function requireChosen(object: BpfObject, specs: readonly ProgramSpec[], name: string): void {
  const spec = object.program(name);
  if (specs.includes(spec)) return;
  throw new CommandError(`program "${name}" is to be run but not to be loaded: add --program ${name}`);
}

function preparePins(
  object: BpfObject,
  specs: readonly ProgramSpec[],
  folder: string | undefined,
): PinFolder | undefined {
  if (folder === undefined) {
    // Without a folder nothing is pinned, whatever the object asks for: what is loaded ends with this command.
    for (const map of object.maps) map.pinning = "none";
    return undefined;
  }
  const pins = PinFolder.prepare(folder);
  try {
    pins.requireFree(
      specs.map((spec) => spec.name),
      allMaps(object),
    );
    return pins;
  } catch (error) {
    pins[Symbol.dispose]();
    throw error;
  }
}

function testRunOptions({ data, context, repeat }: LoadCommandOptions): TestRunOptions {
  return {
    ...(data !== undefined && { data: parseBytes(data) }),
    ...(context !== undefined && { context: parseBytes(context) }),
    ...(repeat !== undefined && { repeat }),
  };
}

function testRun(result: LoadResult, name: string, options: TestRunOptions): RunReport {
  const program = result.programs.get(name);
  if (!program) return { program: name, returnValue: null, error: `program "${name}" was not loaded` };
  try {
    const { returnValue, durationNs, data, context } = program.testRun(options);
    return {
      program: name,
      returnValue,
      durationNs,
      ...(options.data && { data }),
      ...(options.context && { context }),
    };
  } catch (error) {
    return { program: name, returnValue: null, error: describeError(error) };
  }
}

function makeReport(
  object: BpfObject,
  result: LoadResult,
  run: RunReport | null,
  pins: PinFolder | undefined,
): LoadReport {
  return {
    maps: allMaps(object).map((spec): LoadedMapReport => {
      const info = result.maps.get(spec.name)?.info;
      if (!info) return { ...reportMap(spec), loaded: false, id: null };
      const { type, keySize, valueSize, maxEntries, flags, id } = info;
      const created = { type: type ?? spec.type, keySize, valueSize, maxEntries, flags };
      return { ...reportMap(spec), ...created, loaded: true, id };
    }),
    programs: object.programs.map((spec): LoadedProgramReport => {
      const error = result.errors.get(spec.name);
      const info = result.programs.get(spec.name)?.info;
      const report = { ...reportProgram(spec), error: error ? describeError(error) : null };
      if (!info) return report;
      const { id, tag, translatedSize, jitedSize } = info;
      return { ...report, loaded: true, id, tag, translatedSize, jitedSize };
    }),
    variables: object.variables.map((variable) => reportVariable(variable, object.btf)),
    run,
    error: result.objectError ? describeError(result.objectError) : null,
    pinned: pins?.path ?? null,
  };
}

function writeLog(
  { log, verbose }: LoadCommandOptions,
  specs: readonly ProgramSpec[],
  result: LoadResult,
  terminal: Terminal,
): void {
  if (log === undefined && !verbose) return;
  const text = specs
    .map(
      ({ name }) => `== ${name}: ${result.programs.has(name) ? "loaded" : "refused"}\n${result.logOf(name)}`,
    )
    .join("\n");
  if (verbose) terminal.complain(text);
  if (log === undefined) return;
  try {
    writeFileSync(log, text);
  } catch (error) {
    throw new CommandError(`cannot write the verifier's log to ${log}: ${reason(error)}`, { cause: error });
  }
}
