import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { podOf } from "../pods/pod.js";
import { TestApiServer } from "../testing/api-server.js";
import { until } from "../testing/until.js";
import { EventWriter } from "./events.js";

const log = pino({ level: "silent" });
const pod = podOf({ metadata: { namespace: "default", name: "shop", uid: "7d3c" } })!;
const wrong = {
  annotation: "kubernetes.io/egress-bandwidth",
  value: "100Mbps",
  message: '"100Mbps" is no quantity of bits per second',
};

const tests = suite<{ api: TestApiServer; writer: EventWriter }>("an event about a wrong annotation");
tests.before.each(async (state) => {
  state.api = await TestApiServer.start();
  state.writer = new EventWriter(state.api.client, "node-1", log);
});
tests.after.each(async ({ api, writer }) => {
  writer.close();
  await api.stop();
});

tests("is written once for each value", async ({ api, writer }) => {
  assert.is(writer.warn(pod, wrong), true);
  assert.is(writer.warn(pod, wrong), false);
  await until(() => api.events.size === 1);
  const [event] = api.events.values();
  assert.is(event?.reason, "InvalidBandwidth");
  assert.is(event?.involvedObject.uid, "7d3c");
  assert.match(event?.message ?? "", /kubernetes.io\/egress-bandwidth.*100Mbps/);
  assert.is(writer.warn(pod, { ...wrong, value: "1Q" }), true);
  await until(() => api.events.size === 2);
});

tests("is not written twice by an agent that was started anew", async ({ api, writer }) => {
  writer.warn(pod, wrong);
  await until(() => api.events.size === 1);
  const second = new EventWriter(api.client, "node-1", log);
  second.warn(pod, wrong);
  await until(() => api.patched.length === 1);
  assert.is(api.events.size, 1);
  second.close();
});

tests(
  "is tried again while the server is away, and given up where it is refused",
  async ({ api, writer }) => {
    api.refuse = 403;
    writer.warn(pod, wrong);
    await until(() => api.requests.length === 1);
    api.refuse = 503;
    writer.warn(pod, { ...wrong, value: "2Q" });
    await until(() => api.requests.length === 2);
    api.refuse = undefined;
    await until(() => api.events.size === 1);
    assert.is(api.requests.length, 3);
  },
);

tests.run();
