export { type Bandwidth, CniNetwork, type CniResult } from "./cni.js";
export { allowLargeBuffers, type IperfResult, IperfServer, inPod, iperf } from "./iperf.js";
export { Lab, type Node, type Pod, UPLINK } from "./lab.js";
export { type Echoes, echoes, ping, quantile } from "./ping.js";
export { AHEAD_BYTES, neverAhead, traffic } from "./traffic.js";
export { bitsEachSecond, counters, type Sample, WireMeter } from "./wire-meter.js";
