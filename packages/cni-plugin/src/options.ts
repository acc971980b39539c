import type { ShaperOptions } from "@weir/shaper";

/** Where state lies: /run/weir and /sys/fs/bpf, unless WEIR_STATE_DIRECTORY and WEIR_BPFFS say otherwise. */
export function shaperOptions(env: NodeJS.ProcessEnv): ShaperOptions {
  return {
    ...(env.WEIR_STATE_DIRECTORY ? { stateDirectory: env.WEIR_STATE_DIRECTORY } : {}),
    ...(env.WEIR_BPFFS ? { bpffs: env.WEIR_BPFFS } : {}),
  };
}
