import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { keyOf, type Pod } from "../pods/pod.js";
import { TestApiServer } from "../testing/api-server.js";
import { until } from "../testing/until.js";
import { Backoff } from "./backoff.js";
import { PodWatch, type PodWatchOptions } from "./pod-watch.js";

interface State {
  api: TestApiServer;
  watch: PodWatch;
  told: string[];
  lists: number;
}

const tests = suite<State>("the pods of a node");

function begin(state: State, more: Partial<PodWatchOptions> = {}): void {
  state.told = [];
  state.lists = 0;
  state.watch = new PodWatch({
    client: state.api.client,
    nodeName: "node-1",
    log: pino({ level: "silent" }),
    backoff: new Backoff(1, 5),
    listener: {
      present: (pod: Pod) => state.told.push(`${keyOf(pod)} ${JSON.stringify(pod.annotations)}`),
      gone: (pod: Pod) => state.told.push(`${keyOf(pod)} gone`),
      listed: () => {
        state.lists++;
      },
    },
    ...more,
  });
  void state.watch.run();
}

const rate = (egress: string) => ({ "kubernetes.io/egress-bandwidth": egress });
const last = ({ told }: State) => told.at(-1);

tests.before.each(async (state) => {
  state.api = await TestApiServer.start();
});
tests.after.each(async ({ api, watch }) => {
  watch.close();
  await api.stop();
});

tests("are listed page by page, of this node alone, and then watched with bookmarks", async (state) => {
  for (let index = 0; index < 250; index++) state.api.put(`p${index}`);
  begin(state);
  await until(() => state.watch.connected);
  assert.is(state.watch.pods.size, 250);
  assert.is(state.lists, 1);
  const [first, second, third, watch] = state.api.requests;
  assert.equal(
    [first, second, third].map((request) => request?.query.get("continue")),
    [null, "100", "200"],
  );
  for (const request of state.api.requests) {
    assert.is(request.query.get("fieldSelector"), "spec.nodeName=node-1");
  }
  assert.is(watch?.query.get("allowWatchBookmarks"), "true");
  const seconds = Number(watch?.query.get("timeoutSeconds"));
  assert.ok(seconds >= 240 && seconds <= 360);
});

tests("are told of when they come, change and go", async (state) => {
  begin(state);
  await until(() => state.watch.connected);
  state.api.put("a", rate("1M"));
  state.api.put("a", rate("2M"));
  state.api.delete("a");
  await until(() => state.told.length === 3);
  assert.equal(state.told, [
    'default/a {"kubernetes.io/egress-bandwidth":"1M"}',
    'default/a {"kubernetes.io/egress-bandwidth":"2M"}',
    "default/a gone",
  ]);
});

tests("are watched on from the last event or bookmark when a watch ends, without a list", async (state) => {
  begin(state);
  await until(() => state.watch.connected);
  state.api.put("a");
  state.api.bookmark();
  await until(() => state.told.length === 1);
  const { length } = state.api.requests;
  state.api.endWatches();
  await until(() => state.api.requests.length > length && state.watch.connected);
  const again = state.api.requests.at(-1);
  assert.is(again?.query.get("watch"), "true");
  assert.is(again?.query.get("resourceVersion"), "102");
  assert.is(state.lists, 1);
  state.api.put("b");
  await until(() => state.watch.pods.has("default/b"));
});

tests("are listed again after 410, and what has gone meanwhile is told", async (state) => {
  state.api.put("a");
  state.api.put("b", rate("1M"));
  begin(state);
  await until(() => state.watch.connected);
  // Both happen while no watch is open, and are forgotten by the server.
  state.api.refuse = 503;
  state.api.break();
  await until(() => !state.watch.connected);
  state.api.delete("a");
  state.api.put("b", rate("2M"));
  state.api.compact();
  state.api.refuse = undefined;
  await until(() => state.lists === 2);
  assert.not(state.watch.pods.has("default/a"));
  assert.ok(state.told.includes("default/a gone"));
  assert.is(last(state), 'default/b {"kubernetes.io/egress-bandwidth":"2M"}');
  const lists = state.api.requests.filter(({ query }) => !query.has("watch"));
  assert.equal(
    lists.filter(({ query }) => query.has("limit")).map(({ query }) => query.get("resourceVersion")),
    ["0", null],
    "the second list must not come from a cache that may be too old",
  );
});

tests("are kept while the server is away, refuses, or speaks nonsense", async (state) => {
  state.api.put("a", rate("1M"));
  begin(state);
  await until(() => state.watch.connected);
  for (const status of [401, 403, 429, 500, 503]) {
    state.api.refuse = status;
    const { length } = state.api.requests;
    state.api.break();
    await until(() => state.api.requests.length > length + 2);
    assert.not(state.watch.connected);
    assert.ok(state.watch.pods.has("default/a"));
  }
  state.api.refuse = undefined;
  await until(() => state.watch.connected);
  // It may be back too soon to be seen away; that it asked again is seen at any time.
  const { length } = state.api.requests;
  state.api.write('{"type":"MODIFIED","object":{"metad\n');
  await until(() => state.api.requests.length > length);
  await until(() => state.watch.connected);
  const { port } = state.api;
  await state.api.stop();
  await until(() => !state.watch.connected);
  assert.ok(state.watch.pods.has("default/a"));
  state.api = await TestApiServer.start(port, 200);
  state.api.put("c", rate("3M"));
  await until(() => state.watch.connected && state.watch.pods.has("default/c"));
});

tests("are watched anew where a connection falls silent", async (state) => {
  state.api.put("a");
  begin(state, { silenceMs: 50 });
  await until(() => state.watch.connected);
  state.api.silent = true;
  state.api.endWatches();
  const { length } = state.api.requests;
  await until(() => state.api.requests.length > length + 2);
  state.api.silent = false;
  state.api.put("b");
  await until(() => state.watch.pods.has("default/b"));
});

tests(
  "are watched again soon where watches worked that were cut, and later where none does",
  async (state) => {
    const cut = async (times: number) => {
      for (let time = 0; time < times; time++) {
        await until(() => state.watch.connected && state.api.watchers > 0);
        await sleep(20);
        const { length } = state.api.requests;
        state.api.break();
        await until(() => state.api.requests.length > length);
      }
      await until(() => state.watch.connected);
    };
    const backoff = new Backoff(1, 5);
    begin(state, { backoff, stableMs: 10 });
    await cut(5);
    assert.is(backoff.failures, 1);
    state.watch.close();
    const another = new Backoff(1, 5);
    begin(state, { backoff: another, stableMs: 60_000 });
    await cut(5);
    assert.is(another.failures, 5);
    state.api.put("a");
    await until(() => state.watch.pods.has("default/a"));
    await cut(1);
    assert.is(another.failures, 1);
  },
);

tests("of the same name are two where the uid is another", async (state) => {
  state.api.put("a", {}, { uid: "one" });
  begin(state);
  await until(() => state.watch.connected);
  state.api.put("a", rate("1M"), { uid: "two" });
  await until(() => state.told.length === 3);
  assert.equal(state.told.slice(1), ["default/a gone", 'default/a {"kubernetes.io/egress-bandwidth":"1M"}']);
});

tests.run();
