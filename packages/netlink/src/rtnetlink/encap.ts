import { ipAddress } from "../schema/address.js";
import { attributes } from "../schema/attributes.js";
import { binary, type Codec, lazy, once, u8, u16, u16be, u32 } from "../schema/codec.js";
import { enumeration } from "../schema/names.js";
import { subMessage } from "../schema/sub-message.js";
import { string } from "../schema/text.js";

/** One label of an MPLS stack: RFC 3032. */
export interface MplsLabel {
  /** 0 to 1048575. */
  readonly label: number;
  readonly trafficClass: number;
  readonly bottomOfStack: boolean;
  readonly ttl: number;
}

/** A stack of labels, outermost first. Encoding takes plain numbers too. */
export const mplsLabels: Codec<MplsLabel[], readonly (MplsLabel | number)[]> = {
  decode: (input, start, end) => {
    if (end === start || (end - start) % 4 !== 0) return undefined;
    return Array.from({ length: (end - start) / 4 }, (_, index) => {
      const word = input.view.getUint32(start + index * 4, false);
      return {
        label: word >>> 12,
        trafficClass: (word >>> 9) & 7,
        bottomOfStack: (word & 0x100) !== 0,
        ttl: word & 0xff,
      };
    });
  },
  encode: (output, labels) => {
    for (const [index, one] of labels.entries()) {
      const { label, trafficClass, bottomOfStack, ttl } =
        typeof one === "number"
          ? { label: one, trafficClass: 0, bottomOfStack: index === labels.length - 1, ttl: 0 }
          : one;
      const at = output.reserve(4);
      const word = label * 4096 + ((trafficClass & 7) << 9) + (bottomOfStack ? 0x100 : 0) + (ttl & 0xff);
      output.view.setUint32(at, word, false);
    }
  },
};

const u64be: Codec<bigint, bigint | number> = {
  decode: (input, start, end) => (end - start === 8 ? input.view.getBigUint64(start, false) : undefined),
  encode: (output, value) => output.view.setBigUint64(output.reserve(8), BigInt(value), false),
};

const mpls = once(() =>
  attributes({ labels: [1, "MPLS_IPTUNNEL_DST", mplsLabels], ttl: [2, "MPLS_IPTUNNEL_TTL", u8] }),
);

const ip = once(() =>
  attributes({
    id: [1, "LWTUNNEL_IP_ID", u64be],
    destination: [2, "LWTUNNEL_IP_DST", ipAddress],
    source: [3, "LWTUNNEL_IP_SRC", ipAddress],
    ttl: [4, "LWTUNNEL_IP_TTL", u8],
    tos: [5, "LWTUNNEL_IP_TOS", u8],
    flags: [6, "LWTUNNEL_IP_FLAGS", u16be],
    options: [8, "LWTUNNEL_IP_OPTS", binary],
  }),
);

const ip6 = once(() =>
  attributes({
    id: [1, "LWTUNNEL_IP6_ID", u64be],
    destination: [2, "LWTUNNEL_IP6_DST", ipAddress],
    source: [3, "LWTUNNEL_IP6_SRC", ipAddress],
    hopLimit: [4, "LWTUNNEL_IP6_HOPLIMIT", u8],
    trafficClass: [5, "LWTUNNEL_IP6_TC", u8],
    flags: [6, "LWTUNNEL_IP6_FLAGS", u16be],
    options: [8, "LWTUNNEL_IP6_OPTS", binary],
  }),
);

const seg6 = once(() =>
  attributes({ header: [1, "SEG6_IPTUNNEL_SRH", binary], source: [2, "SEG6_IPTUNNEL_SRC", ipAddress] }),
);

const bpfProgram = once(() =>
  attributes({ fd: [1, "LWT_BPF_PROG_FD", u32], name: [2, "LWT_BPF_PROG_NAME", string] }),
);
const bpf = once(() =>
  attributes({
    in: [1, "LWT_BPF_IN", lazy(bpfProgram)],
    out: [2, "LWT_BPF_OUT", lazy(bpfProgram)],
    transmit: [3, "LWT_BPF_XMIT", lazy(bpfProgram)],
    headroom: [4, "LWT_BPF_XMIT_HEADROOM", u32],
  }),
);

const xfrm = once(() => attributes({ id: [1, "LWT_XFRM_IF_ID", u32], link: [2, "LWT_XFRM_LINK", u32] }));

/** The attribute sets above, for those who check them against the kernel's headers. */
export const encapSets = { mpls, ip, ip6, seg6, bpf, bpfProgram, xfrm };

/** What a route wraps packets in: enum lwtunnel_encap_types of include/uapi/linux/lwtunnel.h. */
export const encapType = enumeration(u16, {
  none: 0,
  mpls: 1,
  ip: 2,
  ila: 3,
  ip6: 4,
  seg6: 5,
  bpf: 6,
  seg6Local: 7,
  rpl: 8,
  ioam6: 9,
  xfrm: 10,
});

/** The wrapping's parameters; bytes for those that are not declared here. */
export const encap = subMessage("encapType", {
  mpls: lazy(mpls),
  ip: lazy(ip),
  ip6: lazy(ip6),
  seg6: lazy(seg6),
  bpf: lazy(bpf),
  xfrm: lazy(xfrm),
});
