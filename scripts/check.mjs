// npm run check: what CI looks at besides the tests: format and lint, BPF objects, packages ready for npm.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { main, prepareCheckout, root } from "./setup.mjs";

await main(async () => {
  await prepareCheckout();
  const bin = (name) => `node_modules/.bin/${name}`;
  const checks = [
    [bin("biome"), ["check", "."]],
    [process.execPath, ["scripts/bpf.mjs", "--check"]],
    ["packages/elf/fixtures/build.sh", ["--check"]],
    ["packages/bpf-loader/fixtures/build.sh", ["--check"]],
    ["test/bench/fixtures/build.sh", ["--check"]],
  ];
  checks.push([process.execPath, ["scripts/api.mjs", "--check"]]);
  checks.push([process.execPath, ["scripts/manifest.mjs", "--check"]]);
  // TypeDoc reads packages with a compiler of its own, which it knows better than the one that builds them.
  for (const name of ["elf", "syscall", "bpf-loader", "netlink", "shaper", "agent"]) {
    const source = [
      "--entryPoints",
      `packages/${name}/src/index.ts`,
      "--tsconfig",
      `packages/${name}/tsconfig.json`,
    ];
    checks.push(["test/docs/node_modules/.bin/typedoc", ["--options", "test/docs/typedoc.json", ...source]]);
  }
  for (const name of readdirSync(join(root, "packages"))) {
    checks.push([bin("publint"), ["--strict", "--pack", "false", `packages/${name}`]]);
    checks.push([bin("attw"), ["--pack", `packages/${name}`, "--profile", "esm-only", "--format", "ascii"]]);
  }
  let failures = 0;
  for (const [program, args] of checks) {
    const command = [program, ...args].join(" ");
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: "utf8" });
    console.log(`${status === 0 ? "ok    " : "FAILED"} ${command}`);
    if (status === 0) continue;
    console.error(`${stdout}${stderr}`);
    failures++;
  }
  return failures === 0 ? 0 : 1;
});
