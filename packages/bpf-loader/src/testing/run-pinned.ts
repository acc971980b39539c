import { workerData } from "node:worker_threads";
import { BpfProgram } from "../index.js";

// A thread that runs a pinned program again and again, while the main thread reads what it writes.
const { path, rounds } = workerData as { path: string; rounds: number };
using program = BpfProgram.open(path);
for (let round = 0; round < rounds; round++) program.testRun({ data: new Uint8Array(64) });
