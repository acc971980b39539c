import { request } from "node:http";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HttpListener } from "./http.js";
import { AgentMetrics } from "./metrics/metrics.js";

const tests = suite<{ listener: HttpListener; ready: string[] }>("the listener");
tests.before.each(async (state) => {
  const metrics = new AgentMetrics("1.2.3");
  metrics.addSampled({
    name: "weir_bytes_total",
    help: "Bytes.",
    type: "counter",
    values: () => [{ labels: { pod: 'a"b' }, value: 5 }],
  });
  state.ready = ["not yet"];
  state.listener = await HttpListener.listen("127.0.0.1", 0, {
    metrics: async () => ({ text: await metrics.registry.metrics(), type: metrics.registry.contentType }),
    healthProblems: () => [],
    readyProblems: () => state.ready,
  });
});
tests.after.each(({ listener }) => listener.close());

function ask(
  listener: HttpListener,
  path: string,
  method = "GET",
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    request({ port: listener.address.port, host: "127.0.0.1", path, method }, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on("error", reject)
      .end();
  });
}

tests("prints metrics for Prometheus", async ({ listener }) => {
  const { status, text } = await ask(listener, "/metrics?x=1");
  assert.is(status, 200);
  assert.ok(text.includes('# TYPE weir_bytes_total counter\nweir_bytes_total{pod="a\\"b"} 5\n'), text);
  assert.ok(text.includes('weir_build_info{version="1.2.3"} 1'));
  assert.ok(text.includes("process_resident_memory_bytes"));
});

tests("says whether it is healthy and ready, and what is missing", async (state) => {
  assert.equal(await ask(state.listener, "/healthz"), { status: 200, text: "ok\n" });
  assert.equal(await ask(state.listener, "/readyz"), { status: 503, text: "not yet\n" });
  state.ready = [];
  assert.equal(await ask(state.listener, "/readyz"), { status: 200, text: "ok\n" });
});

tests("takes nothing but GET and HEAD, and has no other pages", async ({ listener }) => {
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    assert.is((await ask(listener, "/metrics", method)).status, 405);
  }
  assert.equal(await ask(listener, "/healthz", "HEAD"), { status: 200, text: "" });
  assert.is((await ask(listener, "/debug")).status, 404);
});

tests.run();
