// npm run demo: two ipvlan pods on two nodes, on a real kernel, before and after the limit.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  folder,
  main,
  prepareCheckout,
  requireRoot,
  requireVmPackages,
  root,
  run,
  SetupError,
} from "./setup.mjs";

const USAGE = `Usage: npm run demo [-- OPTIONS]

  --kernel VERSION  the kernel to boot: 5.10, 6.1 (default), 6.12, forky
  --limit QUANTITY  each pod's limit, as Kubernetes writes it (default 100M)
  --mode MODE       ipvlan's mode: l2 (default) or l3
  --help            this text

It writes demo/report.svg and demo/report.json.`;

await main(async (args) => {
  const options = parse(args);
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  requireRoot("The demo boots a kernel and installs what that needs; it");
  await prepareCheckout();
  const { parseQuantity, validateLimits } = await import("../packages/shaper/dist/index.js");
  const limit = readLimit(options.limit, parseQuantity, validateLimits);
  const { KERNELS } = await import("../test/vm/dist/index.js");
  if (!KERNELS.some(({ name, suite }) => [name, suite].includes(options.kernel))) {
    throw new SetupError(
      `There is no kernel "${options.kernel}": ${KERNELS.map(({ name }) => name).join(", ")}.`,
    );
  }
  await requireVmPackages();

  const output = folder("demo");
  const report = join(output, "report.json");
  // Whatever fails from here on must not leave an older run's figures.
  rmSync(report, { force: true });
  const vm = ["test/vm/dist/cli.js", "--kernel", options.kernel, "--timeout", "600", "--share", output, "--"];
  const guest = [
    "test/e2e/dist/demo/guest.js",
    "--limit",
    String(limit),
    "--mode",
    options.mode,
    "--output",
    report,
  ];
  const status = await run(process.execPath, [...vm, process.execPath, ...guest]);
  if (status !== 0)
    throw new SetupError(`The demo failed in the VM with status ${status}; what it said is above.`);

  const { chart, table } = await import("../test/e2e/dist/index.js");
  const measured = JSON.parse(readFileSync(report, "utf8"));
  const picture = join(output, "report.svg");
  writeFileSync(picture, chart(measured));
  console.log(`\n${table(measured)}\n\nPicture: ${relative(picture)}\nFigures: ${relative(report)}`);
  return 0;
});

function parse(args) {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        kernel: { type: "string", default: "6.1" },
        limit: { type: "string", default: "100M" },
        mode: { type: "string", default: "l2" },
        help: { type: "boolean" },
      },
    }));
  } catch (error) {
    throw new SetupError(`${error.message}\n\n${USAGE}`);
  }
  if (!["l2", "l3"].includes(values.mode)) {
    throw new SetupError(
      `--mode ${values.mode}: it is l2 or l3 (weir does not limit the ingress of L3S).\n\n${USAGE}`,
    );
  }
  return values;
}

function readLimit(text, parseQuantity, validateLimits) {
  try {
    const bitsPerSecond = parseQuantity(text);
    validateLimits({ egress: { bitsPerSecond } });
    return bitsPerSecond;
  } catch (error) {
    throw new SetupError(`--limit: ${error.message}${error.remedy ? `. ${error.remedy}` : ""}`);
  }
}

function relative(path) {
  return path.slice(root.length + 1);
}
