// npm run vm -- --kernel 6.1 -- COMMAND: runs a command under another kernel.
import { main, prepareCheckout, requireDebianPackages, run } from "./setup.mjs";

await main(async (args) => {
  await prepareCheckout();
  const { requiredPackages } = await import("../test/vm/dist/index.js");
  await requireDebianPackages(requiredPackages);
  return run(process.execPath, ["test/vm/dist/cli.js", ...args]);
});
