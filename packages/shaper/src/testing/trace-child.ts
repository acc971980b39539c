import { Trace } from "../trace/trace.js";

// Traces an attachment until it is killed, and says when it has begun.
const [id = "", stateDirectory = ""] = process.argv.slice(2);
Trace.open(id, { stateDirectory });
process.stdout.write("tracing\n");
setInterval(() => {}, 1000);
