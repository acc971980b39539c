import { test } from "uvu";
import * as assert from "uvu/assert";
import { podOf } from "./environment.js";

test("the pod is the one that CNI_ARGS names", () => {
  assert.equal(
    podOf(
      "IgnoreUnknown=1;K8S_POD_NAMESPACE=web;K8S_POD_NAME=shop-0;K8S_POD_INFRA_CONTAINER_ID=ab12;K8S_POD_UID=7d3c-1",
    ),
    { namespace: "web", name: "shop-0", uid: "7d3c-1" },
  );
});

test("a runtime that does not say the uid still says the pod", () => {
  assert.equal(podOf("K8S_POD_NAMESPACE=web;K8S_POD_NAME=shop-0"), { namespace: "web", name: "shop-0" });
});

test("variables that stand there twice, as Multus writes them, count once", () => {
  assert.equal(podOf("K8S_POD_NAME=a;K8S_POD_NAMESPACE=n;K8S_POD_NAME=b;K8S_POD_NAMESPACE=m"), {
    namespace: "n",
    name: "a",
  });
});

test("what is no pod's name is none", () => {
  for (const args of [
    undefined,
    "",
    ";;=;",
    "K8S_POD_NAME=a",
    "K8S_POD_NAMESPACE=web;K8S_POD_NAME=../../etc",
    `K8S_POD_NAMESPACE=web;K8S_POD_NAME=${"a".repeat(254)}`,
  ]) {
    assert.is(podOf(args), undefined, args);
  }
});

test.run();
