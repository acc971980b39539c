export { ApiServer } from "./api/api-server.js";
export { CertificateAuthority, type KeyPair, type Subject } from "./api/certificates.js";
export { Etcd } from "./api/etcd.js";
export { type Faults, TcpProxy } from "./api/tcp-proxy.js";
export { Cluster, type ClusterOptions, type Identity, startCluster } from "./cluster.js";
export { Daemon, type DaemonOptions } from "./process/daemon.js";
export { ProgramFailed, type RunOptions, runProgram } from "./process/run.js";
export { type ClusterPrograms, fetchAndBuild } from "./programs/index.js";
export { prepareClusterTests } from "./programs/prepare.js";
