/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Shares an uplink among the pods that send through it: by weight, and with a rate that is guaranteed to each. A part
 * of weir.bpf.c; docs/sharing-an-uplink.md says what it computes and why.
 *
 * Nothing is queued here. While the uplink is behind, a packet costs its pod the time that it takes at the pod's share,
 * where that is less than the pod's limit; all else (whose turn it is within the pod, what is marked and what is
 * dropped) follows from that cost as it does from the limit's.
 */

#define UPLINKS 128 /* an entry for each direction of 63 uplinks; entry 0 is none */
#define BRIEF 4     /* ticks of which brief claims are kept; a power of two */

/* What an idle uplink lets pass before it counts as behind. */
#define UPLINK_CREDIT_NS (1ULL << 20)

/* Beyond this the uplink's clock is further ahead than the queues explain, and what goes by weight slows down. */
#define UPLINK_LEAD_NS (1ULL << 27)
#define UPLINK_LEAD_MAX_NS (1ULL << 32)
#define UPLINK_CATCH_UP_SHIFT 25 /* at each 34 ms more by as much again */

#define MIN_SHARE 100ULL /* bits per second */
#define MAX_PASS_NS (1ULL << 33)

/* Ratios are in units of 1/8192, parts of a claim in units of 1/65536. */
#define RATIO_SHIFT 13
#define PART_SHIFT 16
#define WHOLE (1ULL << PART_SHIFT)
#define PART_MASK (2 * WHOLE - 1)
#define BRIEF_CLAIM (1ULL << 31)

/* A claim's units: guaranteed rates in units of 8192 bit/s, weights in units of 1/64. */
#define GUARANTEE_SHIFT 13
#define WEIGHT_SHIFT 6

/* What user space decides. */
struct uplink {
	__u64 bits_per_second; /* 0: the entry is not in use */
	__u32 tick_shift;      /* a tick of the wheel is 1 << tick_shift nanoseconds; more than PART_SHIFT */
	__u32 reserved;
};

/* What CPUs race for. */
struct uplink_clock {
	__u64 next_ns;      /* when all that was let through would have left, at the uplink's rate */
	__u64 tick;         /* the wheel's slots before this tick have been emptied */
	__s64 active;       /* the claims of pods with a queue beyond this tick: the sum of the wheel's slots */
	__s64 brief[BRIEF]; /* the claims of others, of each tick; that of the next is empty */
	__s64 wheel[TICKS]; /* the claims that end with a tick */
	__u32 tick_shift;   /* which the wheel was filled with */
	struct bpf_spin_lock lock;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct uplink);
	__uint(max_entries, UPLINKS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} uplinks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct uplink_clock);
	__uint(max_entries, UPLINKS);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} uplink_clocks SEC(".maps");

/*
 * Guaranteed rate and weight in one number, so that one atomic operation moves both: sums of claims are the claims of
 * sums, whatever is added first.
 */
static __always_inline __s64 claim(const struct limit *limit, __u64 part, __u64 rounding)
{
	__u64 guarantee = (limit->guarantee >> GUARANTEE_SHIFT) * part + rounding;
	__u64 weight = ((__u64)limit->weight << WEIGHT_SHIFT) * part + rounding;

	return (guarantee >> PART_SHIFT << 32) + (weight >> PART_SHIFT);
}

/* What a sum of claims says of weights, which is below 0 for a moment when CPUs race; or 0 then. */
static __always_inline __u64 weights_of(__s64 claims)
{
	__s64 weights = (__s32)claims;

	return weights & ~(weights >> 63);
}

/* What a sum of claims guarantees, in bits per second. */
static __always_inline __u64 guarantees_of(__s64 claims)
{
	__s64 units = (claims - (__s32)claims) >> 32;

	return (units & ~(units >> 63)) << GUARANTEE_SHIFT;
}

/*
 * What a pod may use of the uplink: its guarantee, and its part by weight of what all guarantees in use leave. What is
 * left never counts as nothing, so that nobody starves.
 */
static __always_inline __u64 share_rate(const struct limit *limit, const struct uplink *uplink,
					struct uplink_clock *clock, __u64 now, __u64 ahead)
{
	__u64 capacity = uplink->bits_per_second, weight = (__u64)limit->weight << WEIGHT_SHIFT;
	__u64 tick = now >> uplink->tick_shift;
	/* A window of a tick's length slides over what this tick and the one before it have seen. */
	__u64 before = WHOLE - (now >> (uplink->tick_shift - PART_SHIFT) & (WHOLE - 1));
	__s64 last = read64((__u64 *)&clock->brief[(tick - 1) & (BRIEF - 1)]);
	__s64 claims = read64((__u64 *)&clock->active) + read64((__u64 *)&clock->brief[tick & (BRIEF - 1)]);
	__u64 weights = weights_of(claims) + (weights_of(last) * before >> PART_SHIFT);
	__u64 guarantees = guarantees_of(claims) + (guarantees_of(last) >> PART_SHIFT) * before;
	__u64 rest = later(positive(capacity - guarantees), capacity >> 6);
	__u64 excess = earlier(positive(ahead - UPLINK_LEAD_NS), UPLINK_LEAD_MAX_NS);

	weights = later(weights, weight);
	weights += weights * excess >> UPLINK_CATCH_UP_SHIFT;
	return later(earlier(limit->guarantee + rest * weight / (weights | !weights), capacity), MIN_SHARE);
}

/*
 * Has a packet cost what it takes at its pod's share, where the uplink is behind and that is more than at the pod's
 * limit. Without a branch: the verifier would look at all that follows once more.
 */
static __always_inline void find_share(const struct limit *limit, struct packet *packet)
{
	__u32 index = limit->uplink;
	struct uplink *uplink = bpf_map_lookup_elem(&uplinks, &index);
	struct uplink_clock *clock = bpf_map_lookup_elem(&uplink_clocks, &index);
	__u64 ahead, behind, ratio, stretch;

	if (!uplink || !clock || !uplink->bits_per_second)
		return;
	ahead = positive(read64(&clock->next_ns) - packet->now);
	behind = (__s64)-ahead >> 63;
	asm volatile("" : "+r"(behind)); /* the compiler would make a branch of it */

	ratio = (limit->bits_per_second << RATIO_SHIFT) / share_rate(limit, uplink, clock, packet->now, ahead);
	packet->fair = (packet->cost * ratio + (1 << RATIO_SHIFT) - 1) >> RATIO_SHIFT;
	/* Of few steps, so that it seldom changes. */
	packet->part = earlier(((earlier(ratio, 1 << RATIO_SHIFT) >> 6) + 1) << 9, WHOLE);

	stretch = (1 << RATIO_SHIFT) + (positive(ratio - (1 << RATIO_SHIFT)) & behind);
	packet->cost += positive(packet->fair - packet->cost) & behind;
	packet->quantum = packet->quantum * stretch >> RATIO_SHIFT;
	packet->pass = earlier(packet->pass, MAX_PASS_NS) * earlier(stretch, 1ULL << 30) >> RATIO_SHIFT;
	/* Who comes back from idle has no credit for the time in which others used what it left. */
	packet->earliest += positive(packet->now - packet->earliest) & behind;
}

/* Takes claims whose pods have had no queue since the last packet off the wheel. */
static __always_inline void turn_uplink(struct uplink_clock *clock, __u64 tick, __u32 tick_shift, int locked)
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
	for (__u32 i = 1; i <= BRIEF; i++)
		if (i <= count)
			take64(&clock->brief[(from + 1 + i) & (BRIEF - 1)], locked);
	for (__u32 i = 0; i < TICKS; i++)
		if (i < count)
			over += take64(&clock->wheel[(from + i) & (TICKS - 1)], locked);
	add64(&clock->active, -over, locked);
}

/*
 * Sees to it that a pod's claim counts for as long as it has a queue. The pod keeps what counts: in the upper half the
 * tick with which its claim ends, in the lower the part that is claimed.
 *
 * A queue that is shorter than a tick would count for too long on the wheel. It counts in its tick, by its length, until
 * the tick has seen a whole claim or the queue becomes longer.
 */
static __always_inline void count_claim(struct uplink_clock *clock, __u32 tick_shift, const struct limit *limit,
					struct clock *pod, const struct packet *packet, int locked)
{
	__u64 now = packet->now, end = read64(&pod->next_ns), queue = positive(end - now);
	__u64 tick = now >> tick_shift, until, part;
	__u64 state = read64(&pod->counted), new;
	__s64 *brief = &clock->brief[tick & (BRIEF - 1)];
	__u32 was = state >> 32, counted = state & PART_MASK;
	int is_brief = (state & BRIEF_CLAIM) != 0;
	/* Who has claimed nothing yet has no tick, which the first one since the start of the machine would take for its own. */
	int known = (state != 0) & (is_brief ? was == (__u32)tick : was - (__u32)tick < TICKS);

	if (queue >> tick_shift == 0) {
		if (!queue || (known && !is_brief))
			return;
		part = earlier(packet->fair << PART_SHIFT >> tick_shift, WHOLE - (known ? counted : 0));
		if (!part)
			return;
		new = tick << 32 | BRIEF_CLAIM | ((known ? counted : 0) + part);
		/* Where another CPU was faster, this packet counts all the same. */
		swap64(&pod->counted, state, new, locked);
		/* The time's last bits decide how it is rounded: on the whole, nothing is lost. */
		add64(brief, claim(limit, part, now & (WHOLE - 1)), locked);
		return;
	}

	until = earlier(end >> tick_shift, tick + TICKS - 2);
	new = until << 32 | packet->part;
	if (known && new == state)
		return;
	if (!swap64(&pod->counted, state, new, locked))
		return;
	if (known && is_brief) {
		add64(brief, -claim(limit, counted, WHOLE / 2), locked);
	} else if (known) {
		add64(&clock->wheel[was & (TICKS - 1)], -claim(limit, counted, WHOLE - 1), locked);
		add64(&clock->active, -claim(limit, counted, WHOLE - 1), locked);
	}
	add64(&clock->active, claim(limit, packet->part, WHOLE - 1), locked);
	add64(&clock->wheel[until & (TICKS - 1)], claim(limit, packet->part, WHOLE - 1), locked);
}

/* Charges the uplink for a packet that its pod let through. */
static __always_inline void use_share(const struct limit *limit, struct clock *pod, const struct packet *packet,
				      __u64 wire_len, int locked)
{
	__u32 index = limit->uplink;
	struct uplink *uplink = bpf_map_lookup_elem(&uplinks, &index);
	struct uplink_clock *clock = bpf_map_lookup_elem(&uplink_clocks, &index);
	__u64 capacity, cost;
	__u32 tick_shift;

	if (!uplink || !clock)
		return;
	capacity = uplink->bits_per_second;
	tick_shift = uplink->tick_shift;
	if (!capacity)
		return;
	cost = (wire_len * 8 * NSEC_PER_SEC + capacity - 1) / capacity;
	if (locked)
		bpf_spin_lock(&clock->lock);
	turn_uplink(clock, packet->now >> tick_shift, tick_shift, locked);
	charge(&clock->next_ns, packet->now > UPLINK_CREDIT_NS ? packet->now - UPLINK_CREDIT_NS : 1, cost, locked);
	count_claim(clock, tick_shift, limit, pod, packet, locked);
	if (locked)
		bpf_spin_unlock(&clock->lock);
}
