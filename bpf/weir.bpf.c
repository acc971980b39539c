// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Stamps each packet with its earliest departure time (EDT); the fq qdisc behind it holds the packet until then.
 *
 * One program serves every attachment of a node. It runs as a direct-action filter at a device's clsact egress, and the
 * filter's classid, which cls_bpf copies into skb->tc_classid before it runs the program (net/sched/cls_bpf.c), is the
 * index of the attachment's entry in each of the maps.
 *
 * The limit is kept by the pod's clock, which every packet moves on by its time on the wire. The flows of the pod share
 * it fairly: each has a clock of its own, which runs at the limit divided by the number of flows that have a queue.
 * A flow that uses less than its share is never behind, and its packets pass in front of what others have queued; one
 * that wants more waits for its own clock, and its packets are marked or dropped when that runs far ahead. See
 * docs/how-shaping-works.md.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "limits.h"

#define NSEC_PER_SEC 1000000000ULL
#define SETS 32768 /* of flows, which all attachments share: 2 MiB; a power of two */
#define WAYS 4     /* flows of a set: as many as a cache line holds */
#define TICKS 64   /* slots of the wheel on which active flows are counted; a power of two */
#define RETRIES 4

#define TURN_BITS 52
#define TURN_UNIT_SHIFT 6
#define TURN_UNIT (1 << TURN_UNIT_SHIFT)
#define MAX_SHARERS 4095
#define LAST_KNOWN_SHIFT 40 /* 18 minutes; half of what a flow's last departure can tell */

/* A departure time that the socket asked for (TCP pacing, SO_TXTIME) is believed up to this far ahead. */
#define MAX_WISH_NS (2 * NSEC_PER_SEC)

/* What CPUs race for. */
struct clock {
	__u64 next_ns;    /* when all that was let through will have left, at the limit's rate */
	__u64 pass_ns;    /* the same for what passed in front of others, at half the limit's rate */
	__u64 tick;       /* the wheel's slots before this tick have been emptied */
	__s64 active;     /* flows that have a queue: the sum of the wheel's slots */
	__s32 wheel[TICKS]; /* how many flows' clocks end in a tick */
	__u32 tick_shift; /* which the wheel was filled with */
	struct bpf_spin_lock lock; /* used before Linux 5.12, which brought 64-bit compare-and-swap */
	__u64 stranger_ns; /* the last departure of a packet whose flow had no place */
	__u64 counted;     /* what an uplink counts of it: see count_claim() */
	__u64 latest_ns;   /* the last turn of all packets', by their flows' clocks */
};

struct flow {
	__u64 turn;    /* when all that the flow has sent would have left at its share of the limit; see turn_of() */
	__u32 tag;     /* whose it is: the attachment's index, and what the place does not say of the hash */
	__u32 last;    /* the departure of its last packet in units of 1024 ns, which the next one must not overtake */
};

struct flow_set {
	struct flow ways[WAYS];
};

struct counters {
	__u64 packets;
	__u64 bytes;    /* as on the wire: link-layer headers, and the headers of every segment of a GSO packet */
	__u64 delayed;
	__u64 dropped;
	__u64 delay_ns; /* the sum over all packets */
	__u64 marked;
	__u64 passed;   /* packets that left before others that had been queued earlier */
	__u64 exempt;   /* packets that the limit is not for, which no other field counts */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct clock);
	__uint(max_entries, MAX_ENTRIES);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} clocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct counters);
	__uint(max_entries, MAX_ENTRIES);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

/*
 * One table for all attachments. A table for each would have to be put into a map of maps when a pod is added, and the
 * kernel waits for a grace period of RCU after that, for 10 ms and more (kernel/bpf/syscall.c, maybe_wait_bpf_programs).
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct flow_set);
	__uint(max_entries, SETS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} flows SEC(".maps");

/* Whether bpf_skb_set_tstamp is there (Linux 5.18); set before the program is loaded. */
const volatile __u8 typed_timestamps = 0;

struct packet {
	__u64 now;
	__u64 cost;     /* the packet's time on the wire, at the limit's rate */
	__u64 earliest; /* how far back credit after idle reaches */
	__u64 quantum;  /* the limit's quantum_ns */
	__u64 pass;     /* the limit's pass_ns */
	__u64 fair;     /* its cost at the pod's share of its uplink */
	__u64 part;     /* how much of that share the pod's limit lets it use, in units of 1/65536 */
};

struct verdict {
	__u64 departure; /* 0: drop */
	__u64 wait_ns;   /* how long for its own flow's turn */
	__u64 share_ns;  /* what the packet costs its flow */
	__u32 passed;
};

/*
 * A difference of times, or 0 where it is negative. Without a branch, like is_zero() below: the verifier looks at all
 * that follows once for each way that leads there.
 */
static __always_inline __u64 positive(__u64 difference)
{
	__u64 sign = difference >> 63;

	asm volatile("" : "+r"(sign)); /* the compiler would make a branch of it */
	return difference & (sign - 1);
}

static __always_inline __u64 later(__u64 a, __u64 b)
{
	return a + positive(b - a);
}

static __always_inline __u64 earlier(__u64 a, __u64 b)
{
	return a - positive(a - b);
}

/*
 * Each of these is atomic, except where the caller holds the lock: that is for kernels whose verifier knows no atomic
 * operation that gives the old value.
 */
static __always_inline void add32(__s32 *to, __s32 value, int locked)
{
	if (locked)
		*to += value;
	else
		__sync_fetch_and_add(to, value);
}

static __always_inline void add64(__s64 *to, __s64 value, int locked)
{
	if (locked)
		*to += value;
	else
		__sync_fetch_and_add(to, value);
}

static __always_inline __s32 take32(__s32 *from, int locked)
{
	__s32 value;

	if (!locked)
		return __sync_lock_test_and_set(from, 0);
	value = *from;
	*from = 0;
	return value;
}

static __always_inline __s64 take64(__s64 *from, int locked)
{
	__s64 value;

	if (!locked)
		return __sync_lock_test_and_set(from, 0);
	value = *from;
	*from = 0;
	return value;
}

static __always_inline int swap64(__u64 *where, __u64 old, __u64 new, int locked)
{
	if (!locked)
		return __sync_val_compare_and_swap(where, old, new) == old;
	*where = new;
	return 1;
}

static __always_inline __u64 read64(__u64 *from)
{
	return *(volatile __u64 *)from;
}

/* Moves a clock on by a packet; the time before which all others will have left. */
static __always_inline __u64 charge(__u64 *next_ns, __u64 earliest, __u64 cost, int locked)
{
	for (int i = 0; i < RETRIES; i++) {
		__u64 next = read64(next_ns);
		__u64 slot = later(next, earliest);

		if (swap64(next_ns, next, slot + cost, locked))
			return slot;
		if (locked)
			break;
	}
	/* Others won every round: the packet is charged all the same, so that the limit holds. */
	if (!locked)
		return __sync_fetch_and_add(next_ns, cost);
	return 0;
}

/* Takes flows whose clocks have run out since the last packet off the wheel. */
static __always_inline void turn_wheel(struct clock *clock, __u64 tick, __u32 tick_shift, int locked)
{
	__u64 from = read64(&clock->tick);
	int restart = clock->tick_shift != tick_shift;
	__u64 count = tick - from;
	__s64 over = 0;

	if (!restart && tick <= from)
		return;
	if (!swap64(&clock->tick, from, tick, locked))
		return;
	clock->tick_shift = tick_shift;
	if (restart || count > TICKS)
		count = TICKS;
	/* Always to the end, which is seldom: the verifier would look at all that follows once for each way out. */
	for (__u32 i = 0; i < TICKS; i++)
		if (i < count)
			over += take32(&clock->wheel[(from + i) & (TICKS - 1)], locked);
	add64(&clock->active, -over, locked);
}

/* Sees to it that a flow is counted until its clock runs out. */
static __always_inline void count_flow(struct clock *clock, __u64 was, __u64 is, int counted, int locked)
{
	if (counted) {
		if (was == is)
			return;
		add32(&clock->wheel[was & (TICKS - 1)], -1, locked);
	} else {
		add64(&clock->active, 1, locked);
	}
	add32(&clock->wheel[is & (TICKS - 1)], 1, locked);
}

/* 1 for zero, else 0, without a branch: the verifier looks at all that follows once for each way that leads there. */
static __always_inline __u32 is_zero(__u32 value)
{
	__u64 wide = value;

	asm volatile("" : "+r"(wide)); /* the compiler would make a branch of it */
	return (wide - 1) >> 63;
}

/*
 * A flow's clock, in one word so that CPUs race for all of it: the time, in units of 64 ns, and in the upper 12 bits
 * among how many flows it was computed. No clock has none.
 */
static __always_inline __u64 turn_of(__u64 time, __u64 flows)
{
	return earlier(flows, MAX_SHARERS) << TURN_BITS | time >> TURN_UNIT_SHIFT;
}

static __always_inline __u64 time_of(__u64 turn)
{
	return (turn & ((1ULL << TURN_BITS) - 1)) << TURN_UNIT_SHIFT;
}

static __always_inline __u64 sharers_of(__u64 turn)
{
	return turn >> TURN_BITS;
}

/* Keeps a departure: one to come is rounded up, so that nothing can overtake it. */
static __always_inline void keep_last(struct flow *flow, __u64 departure, __u64 now)
{
	flow->last = (departure > now ? departure + 1023 : now) >> 10;
}

/* The departure of a flow's last packet; 0 where that is so long ago that its 32 bits might look like a time to come. */
static __always_inline __u64 last_of(struct flow *flow, __u64 turn, __u64 now)
{
	__u32 unit = now >> 10;
	__u64 known = is_zero(positive(now - time_of(turn)) >> LAST_KNOWN_SHIFT) | is_zero(sharers_of(turn));

	return (now + ((__s64)(__s32)(flow->last - unit)) * 1024) & -known;
}

/* The number of the lowest bit that is set in four bits. */
static __always_inline __u32 lowest_bit(__u32 bits)
{
	return 0x12131210u >> (2 * bits) & (WAYS - 1); /* a table of sixteen times two bits */
}

/* Finds a flow's clock, or gives it one whose flow has nothing under way any more. */
static __always_inline struct flow *find_flow(struct __sk_buff *skb, __u32 index, __u32 generation,
					      struct clock *clock, __u64 now, int locked)
{
	__u32 hash = bpf_get_hash_recalc(skb) ^ (index * 0x9e3779b1U) ^ (generation * 0x85ebca6bU);
	__u32 place = hash & (SETS - 1);
	__u32 tag = index << 20 | hash >> 12;
	__u32 ours = 0, over = 0;
	__u32 old;
	struct flow_set *set = bpf_map_lookup_elem(&flows, &place);
	struct flow *flow;

	if (!set)
		return 0;
#pragma unroll
	for (int i = 0; i < WAYS; i++)
		ours |= is_zero(set->ways[i].tag ^ tag) << i;
	if (ours)
		return &set->ways[lowest_bit(ours)];
#pragma unroll
	for (int i = 0; i < WAYS; i++)
		over |= (__u32)((time_of(set->ways[i].turn) - now - 1) >> 63) << i;
	if (!over)
		return 0;
	flow = &set->ways[lowest_bit(over)];
	old = flow->tag;
	if (locked)
		flow->tag = tag;
	else if (__sync_val_compare_and_swap(&flow->tag, old, tag) != old)
		return 0;
	/* Not counted on the wheel, even if the flow that had the place is, perhaps on another's wheel. */
	flow->turn = 0;
	keep_last(flow, read64(&clock->stranger_ns), now);
	return flow;
}

/* Whether what passes in front of others is little enough. */
static __always_inline int may_pass(struct clock *clock, const struct packet *packet, int locked)
{
	__u64 earliest = packet->now > packet->pass ? packet->now - packet->pass : 1;
	__u64 old = read64(&clock->pass_ns);
	__u64 slot = later(old, earliest);

	return slot <= packet->now && swap64(&clock->pass_ns, old, slot + 2 * packet->cost, locked);
}

/* When a packet leaves. */
static __always_inline struct verdict schedule(struct clock *clock, struct flow *flow, const struct limit *limit,
					       const struct packet *packet, int locked)
{
	__u64 now = packet->now, cost = packet->cost, tick = now >> limit->tick_shift;
	__u64 slot = later(read64(&clock->next_ns), packet->earliest);
	__u64 turn, fair, lead, start, credit, own, end, departure, wait, longest, active, latest, near, floor, reach, next;
	struct verdict verdict = {};
	int counted, quiet;

	if (!flow) {
		/* More flows are under way than there are places: those that have none stand in one queue. */
		if (slot > now + limit->horizon_ns)
			return verdict;
		verdict.departure = later(charge(&clock->next_ns, packet->earliest, cost, locked), now);
		verdict.wait_ns = verdict.departure - now;
		clock->stranger_ns = verdict.departure;
		return verdict;
	}

	turn_wheel(clock, tick, limit->tick_shift, locked);
	turn = read64(&flow->turn);
	fair = time_of(turn);
	/* A flow that is new has no clock yet, which the first tick since the machine's start would take for one that runs. */
	counted = (sharers_of(turn) != 0) & (fair >> limit->tick_shift >= tick);
	active = clock->active > 0 ? clock->active : 0;
	if (!counted || !active)
		active++;
	verdict.share_ns = cost * active;
	latest = read64(&clock->latest_ns);
	own = now;
	/*
	 * What the flow has queued takes as many turns as it did, and they are longer where more flows take them: so it pays
	 * itself for what it booked while there were fewer. All that came before it is the longest that it waits.
	 */
	lead = positive(fair - now);
	start = fair - lead + earlier(lead * active / later(sharers_of(turn), 1), later(lead, positive(slot - now)));

	if (slot > now) {
		/*
		 * There is a queue. Were the flows served bit by bit in turns, the packet would begin at `start` and end a
		 * share later; it leaves so that it ends then. A flow that has been quiet begins with credit for a packet,
		 * so that it passes in front of what waits.
		 */
		credit = packet->quantum * active;
		start = later(start, now > credit ? now - credit : 1);
		quiet = start <= now + credit;
		/* It need not wait any longer than for all that came before it: the wire is not idle while packets wait. */
		departure = earlier(later(start + verdict.share_ns - cost, now), slot);
		/*
		 * Two packets are nobody's queue, however slow the flow's turns are; three are. More would keep many flows'
		 * first packets for longer than TCP waits before it sends them again (TCP_RTO_MIN, 200 ms).
		 */
		wait = start > now ? start - now : 0;
		longest = later(limit->horizon_ns, 3 * active * later(cost, 2 * packet->quantum) / 2);
		/*
		 * Whose turn is the last of all leaves when the pod's clock says that all others have; so does who is half a round
		 * before it, where much would leave too early. Thus what passed in front, and what was booked while there were
		 * fewer flows, is made up for.
		 */
		own = departure;
		near = verdict.share_ns / 2 & -(__u64)(slot - own > limit->horizon_ns / 4);
		departure += (slot - departure) & -(__u64)((own + near >= latest) & !quiet);
		/* Nor do those that wait leave long before the clock says so, as they would when many flows join at once. */
		floor = slot - 2 * limit->horizon_ns;
		/* A quiet flow's small packet is no such one: it passes, though its turn ends a moment from now. */
		verdict.passed = (departure == now) |
			((positive(floor - departure) != 0) & quiet & (cost < 2 * packet->quantum));
		if (verdict.passed && !may_pass(clock, packet, locked)) {
			verdict.passed = 0;
			if (departure == now) {
				departure = slot;
				wait = slot - now;
				longest = limit->horizon_ns;
			}
		}
		if (wait > longest)
			return verdict;
		/*
		 * So what leaves in any time is bounded however many flows there are, which is what the guard relies on:
		 * packages/shaper/src/guard/guard.ts.
		 */
		departure += positive(floor - departure) & ((__u64)verdict.passed - 1);
		end = earlier(start + verdict.share_ns, slot + cost + verdict.share_ns);
	} else {
		/* Nobody waits: nor does this packet, whatever its flow has had, and nobody minds what it takes. */
		departure = now;
		end = earlier(later(start, now) + verdict.share_ns, later(slot + cost, now));
	}
	/* Nor is the wheel endless: where turns are too far apart for it, the flows' packets leave in their order. */
	reach = now + ((__u64)(TICKS - 2) << limit->tick_shift);
	departure += positive(slot - departure) & -(__u64)(end > reach);
	charge(&clock->next_ns, packet->earliest, cost, locked);

	departure = later(departure, last_of(flow, turn, now));
	keep_last(flow, departure, now);
	clock->latest_ns = later(latest, own);
	verdict.departure = departure;
	verdict.wait_ns = departure - now;

	/* The place is the flow's at least until its last packet has left. */
	end = later(end, departure);
	next = turn_of(earlier(end, reach) + TURN_UNIT - 1, active);
	if (swap64(&flow->turn, turn, next, locked))
		count_flow(clock, fair >> limit->tick_shift, time_of(next) >> limit->tick_shift, counted, locked);
	return verdict;
}

#include "uplink.h"

static __always_inline int shape(struct __sk_buff *skb, int locked)
{
	__u32 index = skb->tc_classid;
	struct limit *limit = bpf_map_lookup_elem(&limits, &index);
	struct clock *clock = bpf_map_lookup_elem(&clocks, &index);
	struct counters *count = bpf_map_lookup_elem(&counters, &index);
	struct flow *flow;
	struct packet packet;
	struct verdict verdict;
	__u64 rate, wish;

	if (!limit || !clock || !count)
		return TC_ACT_UNSPEC;
	rate = limit->bits_per_second;
	if (!rate)
		return TC_ACT_UNSPEC;
	if (is_exempt(skb, limit)) {
		count->exempt++;
		return TC_ACT_UNSPEC;
	}

	packet.now = bpf_ktime_get_ns();
	flow = find_flow(skb, index, limit->generation, clock, packet.now, locked);
	/* Rounded up: a limit is never exceeded by what division loses. */
	packet.cost = ((__u64)skb->wire_len * 8 * NSEC_PER_SEC + rate - 1) / rate;
	packet.earliest = packet.now > limit->burst_ns ? packet.now - limit->burst_ns : 1;
	packet.quantum = limit->quantum_ns;
	packet.pass = limit->pass_ns;
	packet.fair = packet.part = packet.cost;
	if (limit->uplink)
		find_share(limit, &packet);
	if (locked)
		bpf_spin_lock(&clock->lock);
	verdict = schedule(clock, flow, limit, &packet, locked);
	if (locked)
		bpf_spin_unlock(&clock->lock);
	if (!verdict.departure) {
		count->dropped++;
		return TC_ACT_SHOT;
	}
	if (limit->uplink)
		use_share(limit, clock, &packet, skb->wire_len, locked);

	if (verdict.wait_ns) {
		count->delayed++;
		count->delay_ns += verdict.wait_ns;
	}
	count->passed += verdict.passed;
	count->packets++;
	count->bytes += skb->wire_len;
	if (limit->mark_ns && verdict.wait_ns > later(limit->mark_ns, verdict.share_ns))
		count->marked += bpf_skb_ecn_set_ce(skb);

	/* The slot is charged even where the packet's own socket wants to send it later. */
	wish = skb->tstamp;
	if (wish > verdict.departure && wish < packet.now + MAX_WISH_NS)
		verdict.departure = wish;

	/*
	 * A departure time of a known type survives the way through other devices, and is not taken for the time of
	 * arrival by a socket that asks for receive timestamps. The helper knows IPv4 and IPv6 alone.
	 */
	if (!locked && typed_timestamps &&
	    bpf_skb_set_tstamp(skb, verdict.departure, BPF_SKB_TSTAMP_DELIVERY_MONO) == 0)
		return TC_ACT_UNSPEC;
	skb->tstamp = verdict.departure;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int weir_shape(struct __sk_buff *skb)
{
	return shape(skb, 0);
}

/* For kernels without 64-bit compare-and-swap: 5.10 and 5.11. */
SEC("tc")
int weir_shape_locked(struct __sk_buff *skb)
{
	return shape(skb, 1);
}

char LICENSE[] SEC("license") = "GPL";
