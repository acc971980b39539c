import { test } from "uvu";
import * as assert from "uvu/assert";
import { allowLargeBuffers } from "../lab/iperf.js";
import { Lab, UPLINK } from "../lab/lab.js";
import { neverAhead, traffic } from "../lab/traffic.js";
import { CONTAINERDS, Containerd, fetchContainerd } from "./containerd.js";
import { conflists, fetchNewerPlugins, installPlugins } from "./plugins.js";
import { few, runsAll } from "./prepare.js";
import { rate, shapedCount, shaping } from "./shaping.js";

const LIMIT = 20_000_000;
const load = { seconds: 2, limit: LIMIT };
const bandwidth = (egress?: string, ingress?: string) => ({
  ...(egress ? { "kubernetes.io/egress-bandwidth": egress } : {}),
  ...(ingress ? { "kubernetes.io/ingress-bandwidth": ingress } : {}),
});
for (const { version, suite } of CONTAINERDS) {
  if (!runsAll && !few.containerd.includes(version)) continue;
  test(`containerd ${version} makes pods on ipvlan and on a bridge that are shaped as annotated, and removes them`, async () => {
    allowLargeBuffers();
    const programs = await fetchContainerd(suite);
    await using lab = Lab.create({ mode: "l2", folder: "/run/weir-clients/lab" });
    const [one, two] = lab.nodes;
    const far = await lab.addPod("far", two);
    // From 2.1 on containerd asks the plugins of a 1.1.0 conflist for their STATUS, which older ones do not know.
    const newer = version >= "2";
    await using containerd = await Containerd.start({
      netns: one.netns,
      folder: "/run/weir-clients/containerd",
      programs,
      plugins: installPlugins("/run/weir-clients/bin", newer ? await fetchNewerPlugins() : undefined),
      networks: conflists({ uplink: UPLINK, cniVersion: newer ? "1.1.0" : "1.0.0" }),
    });
    const { cri } = containerd;
    assert.match(await cri.version(), new RegExp(`^containerd v?${version}`));
    assert.is(await cri.networkProblem(), "");

    const both = await cri.runPod("both", bandwidth("20M", "20M"), "ipvlan");
    assert.equal(shaping(both.id), { limits: { egress: rate(LIMIT), ingress: rate(LIMIT) }, problems: [] });
    neverAhead(await traffic({ name: "both", ...both }, far, "tcp", load), LIMIT);
    neverAhead(await traffic(far, { name: "both", ...both }, "tcp", load), LIMIT);

    const egress = await cri.runPod("egress", bandwidth("1Gi"), "ipvlan");
    assert.equal(shaping(egress.id), { limits: { egress: rate(1 << 30) }, problems: [] });

    const bridged = await cri.runPod("bridged", bandwidth("20M", "100Ki"), "bridge");
    assert.equal(shaping(bridged.id), {
      limits: { egress: rate(LIMIT), ingress: rate(102_400) },
      problems: [],
    });
    const free = await cri.runPod("free", {}, "bridge");
    assert.is(shapedCount(), 3);
    neverAhead(await traffic({ name: "bridged", ...bridged }, { name: "free", ...free }, "tcp", load), LIMIT);

    // containerd lets one petabit pass, which is beyond what Kubernetes allows; what the plugin says reaches the user.
    let refusal = "";
    await cri.runPod("refused", bandwidth("1P"), "ipvlan").catch(({ message }: Error) => {
      refusal = message;
    });
    assert.match(refusal, /egressRate is 1000000000000000, but must be a whole number of bits per second/);
    assert.is(shapedCount(), 3);

    for (const { id } of [both, egress, bridged, free]) await cri.removePod(id);
    assert.is(shapedCount(), 0);
  });
}

test.run();
