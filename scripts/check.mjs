// npm run check: what CI looks at besides the tests: format and lint, BPF objects, packages ready for npm.
import { readdirSync } from "node:fs";
import { main, prepareCheckout, run } from "./setup.mjs";

await main(async () => {
  await prepareCheckout();
  const bin = (name) => `node_modules/.bin/${name}`;
  const checks = [
    [bin("biome"), ["check", "."]],
    [process.execPath, ["scripts/bpf.mjs", "--check"]],
    ["packages/elf/fixtures/build.sh", ["--check"]],
    ["packages/bpf-loader/fixtures/build.sh", ["--check"]],
  ];
  for (const name of readdirSync("packages")) {
    checks.push([bin("publint"), ["--strict", "--pack", "false", `packages/${name}`]]);
    checks.push([bin("attw"), ["--pack", `packages/${name}`, "--profile", "esm-only", "--format", "ascii"]]);
  }
  let failures = 0;
  for (const [program, args] of checks) {
    if ((await run(program, args)) === 0) continue;
    console.error(`\`${[program, ...args].join(" ")}\` failed`);
    failures++;
  }
  return failures === 0 ? 0 : 1;
});
