// Runs compiled uvu tests: node scripts/suite.mjs PATTERN FOLDER... Its last line says how many passed, failed, skipped.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { root } from "./setup.mjs";

const [pattern, ...folders] = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: 0 };

for (const folder of folders) {
  if (!existsSync(join(root, folder))) continue;
  const { status, output } = await uvu(folder);
  const count = (name) => Number(new RegExp(`^\\s*${name}:\\s+(\\d+)`, "m").exec(output)?.[1] ?? 0);
  const [all, passed, skipped] = [count("Total"), count("Passed"), count("Skipped")];
  total.passed += passed;
  total.skipped += skipped;
  // A process that ended without a summary failed as a whole, whatever passed before.
  total.failed += Math.max(all - passed, status === 0 ? 0 : 1);
}

process.stdout.write(`suite: ${JSON.stringify(total)}\n`);
process.exitCode = total.failed === 0 ? 0 : 1;

function uvu(folder) {
  return new Promise((resolve) => {
    const env = { ...process.env };
    delete env.NODE_EXTRA_CA_CERTS;
    const args = ["node_modules/uvu/bin.js", "--no-color", folder, pattern];
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    process.stdout.write(`\n${folder}\n`);
    child.stdout.on("data", (text) => {
      output += text;
      process.stdout.write(text);
    });
    child.on("close", (status) => resolve({ status, output: stripVTControlCharacters(output) }));
  });
}
