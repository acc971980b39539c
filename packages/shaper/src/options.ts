import type { GuardOptions } from "./guard/options.js";

/** Where systemd mounts the BPF filesystem. */
export const DEFAULT_BPFFS = "/sys/fs/bpf";

/** Where weir keeps its state: a folder that does not survive a reboot, as what the state speaks of does not either. */
export const DEFAULT_STATE_DIRECTORY = "/run/weir";

/** Where a shaper keeps its state. */
export interface ShaperOptions {
  /** Where the BPF filesystem is mounted; default {@link DEFAULT_BPFFS}. */
  bpffs?: string;
  /** The folder of records and of the lock; default {@link DEFAULT_STATE_DIRECTORY}. It must not survive a reboot. */
  stateDirectory?: string;
  /** How long to wait for another process that is changing an attachment; default 10,000. */
  lockTimeoutMs?: number;
  /**
   * Whether what a pod sends is also policed on the host's side of its device, where the pod cannot get round it, and
   * what becomes of packets from sources that the guard does not know. By default that stays as it is, and a new
   * attachment is guarded wherever that is possible; where a guard is asked for and cannot be had, `apply` fails.
   */
  guard?: boolean | GuardOptions;
  /**
   * Whether packets are stamped by links that the host holds, where the kernel has tcx (Linux 6.6), so that a pod with
   * CAP_NET_ADMIN cannot take them off its device; by default that stays as it is, and new attachments get filters. It
   * takes `apply` a grace period of RCU (10 to 30 ms) for each direction; {@link Shaper.hold} can do it later.
   */
  hold?: boolean;
}
