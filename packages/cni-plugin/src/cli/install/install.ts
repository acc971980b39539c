import { Shaper } from "@weir/shaper";
import { createTwoFilesPatch } from "diff";
import type { Context } from "../commands.js";
import { type ExitCode, exitCode } from "../errors.js";
import type { Terminal } from "../terminal.js";
import { ownershipOf, replaceFile } from "./atomic-file.js";
import { hasWeir } from "./conflist.js";
import {
  add,
  type ConflistChange,
  type ConflistChoice,
  chosenConflists,
  planAdding,
  planRemoving,
  removeBackup,
  scanConflists,
  takeOut,
} from "./conflist-files.js";
import {
  copyExecutable,
  installedFiles,
  isCurrent,
  ownSource,
  refuseForeign,
  removeFiles,
} from "./executable.js";

/** What `weir install` and `weir uninstall` are asked for. */
export interface InstallOptions extends ConflistChoice {
  /** The folder of CNI plugins. */
  readonly binDir: string;
  /** Change nothing, print what would change. */
  readonly dryRun: boolean;
}

/** `weir install`: copies the executable, and adds weir to the conflists that were chosen. */
export async function install(given: InstallOptions, { terminal, json }: Context): Promise<ExitCode> {
  const { binDir, confDir, dryRun } = given;
  // All that can be wrong is found before anything changes.
  const source = await ownSource();
  refuseForeign(binDir);
  const changes = chosenConflists(given).map(planAdding);
  const report = dryRun
    ? { path: `${binDir}/weir`, changed: !isCurrent(source, binDir), notCompiled: undefined }
    : copyExecutable(source, binDir);
  const pending = changes.filter(isChange);
  if (!dryRun)
    applyAll(pending, add, (change) => {
      // One that had weir before keeps what was there before that.
      if (!hasWeir(change.conflist)) removeBackup(change);
    });
  const { style } = terminal;
  if (json) {
    const conflists = changes.map((change) => conflistJson(change, dryRun));
    terminal.printJson({ dryRun, executable: { ...report }, conflists });
    return exitCode.OK;
  }
  const would = dryRun ? "would be " : "";
  terminal.print(`${report.path}: ${report.changed ? `${would}installed` : "is this version already"}`);
  if (report.notCompiled) terminal.print(style.yellow(notCompiled(report.notCompiled)));
  for (const change of changes) {
    const { file, network } = change.conflist;
    if (!isChange(change)) terminal.print(`${file}: network ${network} has weir already`);
    else if (dryRun) terminal.print(diff(change, terminal));
    else terminal.print(`${file}: added to network ${network}; what was there before is in ${change.backup}`);
  }
  if (changes.length === 0) {
    const { conflists } = scanConflists(confDir);
    if (!conflists.some(hasWeir))
      terminal.print(
        style.yellow(
          noNetwork(
            confDir,
            conflists.map(({ network }) => network),
          ),
        ),
      );
  }
  return exitCode.OK;
}

/** `weir uninstall`: takes weir out of conflists, and removes the executable where no conflist and no pod needs it. */
export async function uninstall(
  given: InstallOptions & { readonly force: boolean },
  { terminal, options, json }: Context,
): Promise<ExitCode> {
  const { binDir, confDir, dryRun, force } = given;
  const chosen = given.conflist.length + given.network.length > 0;
  const { conflists, problems } = scanConflists(confDir);
  const targets = chosen ? chosenConflists(given) : conflists.filter(hasWeir);
  const changes = targets.map(planRemoving).filter(isChange);
  const rest = conflists.filter((one) => hasWeir(one) && !targets.some(({ file }) => file === one.file));
  const files = rest.length === 0 ? installedFiles(binDir) : [];
  using shaper = Shaper.open(options);
  const shaped = files.length > 0 ? idsOf(shaper) : [];
  const stays = shaped.length > 0 && !force;
  if (!dryRun) {
    applyAll(changes, takeOut);
    for (const change of changes) removeBackup(change);
    if (!stays) {
      for (const id of shaped) shaper.remove(id, { drain: true });
      removeFiles(files);
    }
  }
  if (json) {
    terminal.printJson({
      dryRun,
      conflists: changes.map((change) => conflistJson(change, dryRun)),
      limitsRemoved: stays ? [] : shaped,
      filesRemoved: stays ? [] : files,
      ...(stays ? { stillShaped: shaped } : {}),
      unreadable: problems,
    });
    return stays ? exitCode.FAILED : exitCode.OK;
  }
  const would = dryRun ? "would be " : "";
  for (const change of changes) {
    const { file, network } = change.conflist;
    terminal.print(dryRun ? diff(change, terminal) : `${file}: taken out of network ${network}`);
  }
  for (const problem of problems) terminal.complain(`weir: not looked at: ${problem}`);
  if (stays) {
    terminal.complain(
      `weir: ${files[0]} stays: ${shaped.length} ${shaped.length === 1 ? "attachment is" : "attachments are"} still shaped, and runtimes call it when their pods end. Run this again when they have, or take the limits off now: weir uninstall --force`,
    );
    return exitCode.FAILED;
  }
  for (const id of shaped) terminal.print(`${id}: limits ${would}removed`);
  for (const file of files) terminal.print(`${file}: ${would}removed`);
  for (const { file, network } of rest)
    terminal.print(`${file}: network ${network} still has weir, which stays in ${binDir}`);
  if (changes.length === 0 && files.length === 0 && rest.length === 0)
    terminal.print("weir is not installed here");
  return exitCode.OK;
}

/** Makes all changes or none. @param undone is told of each that was made and taken back */
function applyAll(
  changes: readonly ConflistChange[],
  apply: (change: ConflistChange) => void,
  undone: (change: ConflistChange) => void = () => {},
): void {
  const done: ConflistChange[] = [];
  try {
    for (const change of changes) {
      apply(change);
      done.push(change);
    }
  } catch (error) {
    for (const change of done) {
      const { file, text } = change.conflist;
      replaceFile(file, Buffer.from(text), ownershipOf(file));
      undone(change);
    }
    throw error;
  }
}

function idsOf(shaper: Shaper): string[] {
  return shaper.list().map(({ id }) => id);
}

function isChange({ conflist, text }: ConflistChange): boolean {
  return text !== conflist.text;
}

function conflistJson(change: ConflistChange, dryRun: boolean) {
  const { conflist, text, backup } = change;
  const { file, network } = conflist;
  return { file, network, changed: isChange(change), backup, ...(dryRun ? { text } : {}) };
}

/** What changes in a file, as `diff -u` prints it. */
function diff({ conflist: { file, text: before }, text }: ConflistChange, { style }: Terminal): string {
  const patch = createTwoFilesPatch(file, file, before, text, "", "", { context: 3 });
  return patch
    .split("\n")
    .filter((line) => !/^(Index:|={10,})/.test(line))
    .map((line) => (/^\+/.test(line) ? style.green(line) : /^-/.test(line) ? style.red(line) : line))
    .join("\n")
    .trimEnd();
}

function notCompiled(reason: string): string {
  return `Its code is not compiled for this node, so that a call that no server answers takes longer. The trial for it failed: ${reason}`;
}

function noNetwork(confDir: string, networks: readonly string[]): string {
  const found =
    networks.length === 0
      ? `there is no conflist in ${confDir} yet`
      : `${confDir} has ${networks.length === 1 ? "the network" : "networks"} ${networks.join(", ")}`;
  return `No network uses it yet: add it with \`weir install --network NAME\` or \`--conflist FILE\`; ${found}.`;
}
