// Runs compiled uvu tests: node scripts/suite.mjs PATTERN FOLDER... Its last line says how many passed, failed, skipped,
// and which files failed at first and passed when they ran once more, alone.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { root } from "./setup.mjs";

const [pattern, ...folders] = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0, again: [] };

for (const folder of folders) {
  if (!existsSync(join(root, folder))) continue;
  process.stdout.write(`\n${folder}\n`);
  const { status, output } = await uvu(folder, pattern);
  const count = (name) => Number(new RegExp(`^\\s*${name}:\\s+(\\d+)`, "m").exec(output)?.[1] ?? 0);
  const all = count("Total");
  total.passed += count("Passed");
  total.skipped += count("Skipped");
  // A process that ended without a summary failed as a whole, whatever passed before.
  total.failed += Math.max(all - count("Passed"), status === 0 ? 0 : 1);
  for (const [file, failures] of all > 0 ? failuresOf(output) : []) {
    process.stdout.write(`\nonce more: ${folder}/${file}\n`);
    if ((await uvu(folder, exactly(file))).status !== 0) continue;
    total.passed += failures;
    total.failed -= failures;
    total.again.push(`${folder}/${file}`);
  }
}

process.stdout.write(`suite: ${JSON.stringify(total)}\n`);
process.exitCode = total.failed === 0 ? 0 : 1;

/** How many tests failed in each file that had such. */
function failuresOf(output) {
  const failures = new Map();
  let file;
  for (const line of output.split("\n")) {
    if (/^\S+\.test\.js$/.test(line)) file = line;
    const [, passed, all] = /\s\((\d+) \/ (\d+)\)$/.exec(line) ?? [];
    if (file && passed !== all) failures.set(file, (failures.get(file) ?? 0) + Number(all) - Number(passed));
  }
  return failures;
}

/** The pattern of one file. */
function exactly(file) {
  return `^${file.replace(/[^\w/-]/g, "\\$&")}$`;
}

function uvu(folder, files) {
  return new Promise((resolve) => {
    const env = { ...process.env };
    delete env.NODE_EXTRA_CA_CERTS;
    const args = ["node_modules/uvu/bin.js", "--no-color", folder, files];
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (text) => {
      output += text;
      process.stdout.write(text);
    });
    child.on("close", (status) => resolve({ status, output: stripVTControlCharacters(output) }));
  });
}
