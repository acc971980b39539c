/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What user space decides for each attachment, in maps that weir.bpf.c and guard.bpf.c share: what one of them does not
 * charge for, the other one must not charge for either.
 */

#define MAX_ENTRIES 4096
#define MAX_SUBNETS 65536

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8

/* Tags that are looked past, wherever they are: in the packet, or with its device, which will insert them. */
#define MAX_SUBNET_TAGS 3

/* What user space decides. It is apart from the clock so that a live change never overwrites a running clock. */
struct limit {
	__u64 bits_per_second; /* 0: the entry is not in use */
	__u64 horizon_ns;      /* packets that would wait longer for their own flow's turn are dropped */
	__u64 burst_ns;        /* credit after idle, in time at the limit's rate */
	__u64 mark_ns;         /* packets that wait longer and know ECN are marked; 0: none are */
	__u64 quantum_ns;      /* what a quiet flow may send before its clock counts, in time at the limit's rate */
	__u64 pass_ns;         /* what quiet flows may send in front of others all at once, in time at the limit's rate */
	__u32 tick_shift;      /* a tick of the wheel is 1 << tick_shift nanoseconds */
	__u32 generation;      /* flows of another generation are strangers: raised to forget all of them */
	__u32 uplink;          /* which its packets share; 0: none, and the next two say nothing */
	__u32 weight;          /* what it gets of what the uplink has left */
	__u64 guarantee;       /* what it gets of the uplink whatever others want, in bits per second */
	__u32 subnets;         /* the list of subnets that decides what is shaped; 0: everything is */
	__u32 subnet_mode;     /* SUBNETS_SHAPED, SUBNETS_SOURCE */
	__u64 owner;           /* for user space alone: which attachment the entry belongs to */
};

#define SUBNETS_SHAPED 1 /* only traffic with the list's subnets is shaped; without it, only such traffic is not */
#define SUBNETS_SOURCE 2 /* the other end is the packet's source, as of what a pod receives */

/* Subnets of IPv4 are in the list with the number above, so that ::/0 is no more than all of IPv6. */
struct subnet {
	__u32 prefix_length; /* 32 bits for the list, then those of the address */
	__u32 list;
	__u8 address[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct limit);
	__uint(max_entries, MAX_ENTRIES);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__type(key, struct subnet);
	__type(value, __u32);
	__uint(max_entries, MAX_SUBNETS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} subnets SEC(".maps");

static __always_inline int is_tag(__be16 protocol)
{
	return protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD);
}

/* What a look into the trie found; lists never change, and get no number twice, so that it stays true. */
struct subnet_answer {
	__u64 address[2];
	__u32 list; /* 0: there is none */
	__u32 inside;
};

#define ANSWERS_SHIFT 10

/* The trie is deep where many attachments have lists; a pod's peers are few. Each program has answers of its own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct subnet_answer);
	__uint(max_entries, 1 << ANSWERS_SHIFT);
} subnet_answers SEC(".maps");

static __always_inline int in_list(const struct subnet *subnet)
{
	struct subnet_answer *answer;
	__u64 address[2];
	__u32 place, inside;

	__builtin_memcpy(address, subnet->address, sizeof(address));
	place = ((address[0] + subnet->list) * 0x9e3779b97f4a7c15ULL + address[1] * 0xc2b2ae3d27d4eb4fULL) >>
		(64 - ANSWERS_SHIFT);
	answer = bpf_map_lookup_elem(&subnet_answers, &place);
	if (answer && answer->list == subnet->list && answer->address[0] == address[0] &&
	    answer->address[1] == address[1])
		return answer->inside;
	inside = bpf_map_lookup_elem(&subnets, subnet) != 0;
	if (answer) {
		answer->list = subnet->list;
		answer->address[0] = address[0];
		answer->address[1] = address[1];
		answer->inside = inside;
	}
	return inside;
}

/* A packet's other end, for the list of an IPv6 address; 0 where it is not IP, or its headers are cut short. */
static __always_inline int other_end(struct __sk_buff *skb, int from_source, struct subnet *subnet)
{
	__u8 *data = (__u8 *)(long)skb->data, *end = (__u8 *)(long)skb->data_end;
	__u32 offset = 12, tags;
	__be16 protocol = 0;

	/* As nearly all packets are: without tags, and the headers in one piece. */
	if (data + 54 <= end) {
		protocol = *(__be16 *)(data + 12);
		if (protocol == bpf_htons(ETH_P_IP)) {
			subnet->list++;
			subnet->prefix_length = 64;
			__builtin_memcpy(subnet->address, data + (from_source ? 26 : 30), 4);
			return 1;
		}
		if (protocol == bpf_htons(ETH_P_IPV6)) {
			subnet->prefix_length = 160;
			__builtin_memcpy(subnet->address, data + (from_source ? 22 : 38), 16);
			return 1;
		}
		if (!is_tag(protocol))
			return 0;
	}
#pragma unroll
	for (tags = 0; tags <= MAX_SUBNET_TAGS; tags++) {
		if (bpf_skb_load_bytes(skb, offset, &protocol, sizeof(protocol)))
			return 0;
		offset += 2;
		if (!is_tag(protocol))
			break;
		offset += 2;
	}
	/* Of a tag that the device inserts, or has taken out, nothing is in the data. */
	if (tags + !!skb->vlan_present > MAX_SUBNET_TAGS)
		return 0;
	if (protocol == bpf_htons(ETH_P_IP)) {
		subnet->list++;
		subnet->prefix_length = 64;
		return !bpf_skb_load_bytes(skb, offset + (from_source ? 12 : 16), subnet->address, 4);
	}
	if (protocol == bpf_htons(ETH_P_IPV6)) {
		subnet->prefix_length = 160;
		return !bpf_skb_load_bytes(skb, offset + (from_source ? 8 : 24), subnet->address, 16);
	}
	return 0;
}

/* Whether a packet's other end is in the list of subnets; packets that are not IP are in no subnet. */
static __always_inline int in_subnets(struct __sk_buff *skb, const struct limit *limit)
{
	struct subnet subnet = { .list = limit->subnets };

	return other_end(skb, limit->subnet_mode & SUBNETS_SOURCE, &subnet) && in_list(&subnet);
}

/* Whether a limit is not for a packet. */
static __always_inline int is_exempt(struct __sk_buff *skb, const struct limit *limit)
{
	return limit->subnets && in_subnets(skb, limit) != (limit->subnet_mode & SUBNETS_SHAPED);
}
