/**
 * Every instruction of versions 1 to 4, as bytes and text. `llvm-objdump -d --mcpu=v4` of LLVM 19 gave the text, but for
 * these: its hexadecimal numbers are decimal here, and narrow loads and stores name the whole register, as LLVM 14 and
 * the verifier do. Load-acquire and store-release are younger; their text is from the tests of LLVM 20.
 */
export const instructionSet: readonly (readonly [bytes: string, text: string])[] = `
18010000050000000000000003000000 r1 = 12884901893 ll
18010000ffffffff00000000ffffffff r1 = -1 ll
18010000000000000000000000000080 r1 = -9223372036854775808 ll
18110000050000000000000000000000 ld_pseudo\tr1, 1, 5
18210000050000000000000008000000 ld_pseudo\tr1, 2, 5
18310000070000000000000000000000 ld_pseudo\tr1, 3, 7
18410000090000000000000000000000 ld_pseudo\tr1, 4, 9
18510000010000000000000000000000 ld_pseudo\tr1, 5, 1
18610000010000000000000004000000 ld_pseudo\tr1, 6, 1
04090000f9ffffff w9 += -7
0506fbff00000000 goto -5
0606000003000000 gotol +3
07090000f9ffffff r9 += -7
0c29000000000000 w9 += w2
0f29000000000000 r9 += r2
14090000f9ffffff w9 -= -7
1506fbff03000000 if r6 == 3 goto -5
1606fbff03000000 if w6 == 3 goto -5
17090000f9ffffff r9 -= -7
1c29000000000000 w9 -= w2
1d76fbff00000000 if r6 == r7 goto -5
1e76fbff00000000 if w6 == w7 goto -5
1f29000000000000 r9 -= r2
200000000e000000 r0 = *(u32 *)skb[14]
24090000f9ffffff w9 *= -7
2506fbff03000000 if r6 > 3 goto -5
2606fbff03000000 if w6 > 3 goto -5
27090000f9ffffff r9 *= -7
280000000e000000 r0 = *(u16 *)skb[14]
2c29000000000000 w9 *= w2
2d76fbff00000000 if r6 > r7 goto -5
2e76fbff00000000 if w6 > w7 goto -5
2f29000000000000 r9 *= r2
300000000e000000 r0 = *(u8 *)skb[14]
34090000f9ffffff w9 /= -7
34090100f9ffffff w9 s/= -7
3506fbff03000000 if r6 >= 3 goto -5
3606fbff03000000 if w6 >= 3 goto -5
37090000f9ffffff r9 /= -7
37090100f9ffffff r9 s/= -7
3c29000000000000 w9 /= w2
3c29010000000000 w9 s/= w2
3d76fbff00000000 if r6 >= r7 goto -5
3e76fbff00000000 if w6 >= w7 goto -5
3f29000000000000 r9 /= r2
3f29010000000000 r9 s/= r2
4030000000000000 r0 = *(u32 *)skb[r3]
44090000f9ffffff w9 |= -7
4506fbff03000000 if r6 & 3 goto -5
4606fbff03000000 if w6 & 3 goto -5
47090000f9ffffff r9 |= -7
4830000000000000 r0 = *(u16 *)skb[r3]
4c29000000000000 w9 |= w2
4d76fbff00000000 if r6 & r7 goto -5
4e76fbff00000000 if w6 & w7 goto -5
4f29000000000000 r9 |= r2
5030000000000000 r0 = *(u8 *)skb[r3]
54090000f9ffffff w9 &= -7
5506fbff03000000 if r6 != 3 goto -5
5606fbff03000000 if w6 != 3 goto -5
57090000f9ffffff r9 &= -7
5c29000000000000 w9 &= w2
5d76fbff00000000 if r6 != r7 goto -5
5e76fbff00000000 if w6 != w7 goto -5
5f29000000000000 r9 &= r2
6121fbff00000000 r1 = *(u32 *)(r2 - 5)
613a080000000000 r10 = *(u32 *)(r3 + 8)
6201fbfff7ffffff *(u32 *)(r1 - 5) = -9
620a080005000000 *(u32 *)(r10 + 8) = 5
6321fbff00000000 *(u32 *)(r1 - 5) = r2
633a080000000000 *(u32 *)(r10 + 8) = r3
64090000f9ffffff w9 <<= -7
6506fbff03000000 if r6 s> 3 goto -5
6606fbff03000000 if w6 s> 3 goto -5
67090000f9ffffff r9 <<= -7
6921fbff00000000 r1 = *(u16 *)(r2 - 5)
693a080000000000 r10 = *(u16 *)(r3 + 8)
6a01fbfff7ffffff *(u16 *)(r1 - 5) = -9
6a0a080005000000 *(u16 *)(r10 + 8) = 5
6b21fbff00000000 *(u16 *)(r1 - 5) = r2
6b3a080000000000 *(u16 *)(r10 + 8) = r3
6c29000000000000 w9 <<= w2
6d76fbff00000000 if r6 s> r7 goto -5
6e76fbff00000000 if w6 s> w7 goto -5
6f29000000000000 r9 <<= r2
7121fbff00000000 r1 = *(u8 *)(r2 - 5)
713a080000000000 r10 = *(u8 *)(r3 + 8)
7201fbfff7ffffff *(u8 *)(r1 - 5) = -9
720a080005000000 *(u8 *)(r10 + 8) = 5
7321fbff00000000 *(u8 *)(r1 - 5) = r2
733a080000000000 *(u8 *)(r10 + 8) = r3
74090000f9ffffff w9 >>= -7
7506fbff03000000 if r6 s>= 3 goto -5
7606fbff03000000 if w6 s>= 3 goto -5
77090000f9ffffff r9 >>= -7
7921fbff00000000 r1 = *(u64 *)(r2 - 5)
793a080000000000 r10 = *(u64 *)(r3 + 8)
7a01fbfff7ffffff *(u64 *)(r1 - 5) = -9
7a0a080005000000 *(u64 *)(r10 + 8) = 5
7b21fbff00000000 *(u64 *)(r1 - 5) = r2
7b3a080000000000 *(u64 *)(r10 + 8) = r3
7c29000000000000 w9 >>= w2
7d76fbff00000000 if r6 s>= r7 goto -5
7e76fbff00000000 if w6 s>= w7 goto -5
7f29000000000000 r9 >>= r2
8121fbff00000000 r1 = *(s32 *)(r2 - 5)
813a080000000000 r10 = *(s32 *)(r3 + 8)
8404000000000000 w4 = -w4
8506000003000000 call 3
8704000000000000 r4 = -r4
8921fbff00000000 r1 = *(s16 *)(r2 - 5)
893a080000000000 r10 = *(s16 *)(r3 + 8)
8d76000000000000 callx r6
9121fbff00000000 r1 = *(s8 *)(r2 - 5)
913a080000000000 r10 = *(s8 *)(r3 + 8)
94090000f9ffffff w9 %= -7
94090100f9ffffff w9 s%= -7
9506000000000000 exit
97090000f9ffffff r9 %= -7
97090100f9ffffff r9 s%= -7
9c29000000000000 w9 %= w2
9c29010000000000 w9 s%= w2
9f29000000000000 r9 %= r2
9f29010000000000 r9 s%= r2
a4090000f9ffffff w9 ^= -7
a506fbff03000000 if r6 < 3 goto -5
a606fbff03000000 if w6 < 3 goto -5
a7090000f9ffffff r9 ^= -7
ac29000000000000 w9 ^= w2
ad76fbff00000000 if r6 < r7 goto -5
ae76fbff00000000 if w6 < w7 goto -5
af29000000000000 r9 ^= r2
b4090000f9ffffff w9 = -7
b506fbff03000000 if r6 <= 3 goto -5
b606fbff03000000 if w6 <= 3 goto -5
b7090000f9ffffff r9 = -7
bc29000000000000 w9 = w2
bc29080000000000 w9 = (s8)w2
bc29100000000000 w9 = (s16)w2
bd76fbff00000000 if r6 <= r7 goto -5
be76fbff00000000 if w6 <= w7 goto -5
bf29000000000000 r9 = r2
bf29080000000000 r9 = (s8)r2
bf29100000000000 r9 = (s16)r2
bf29200000000000 r9 = (s32)r2
bf21010000000100 r1 = addr_space_cast(r2, 1, 0)
c4090000f9ffffff w9 s>>= -7
c506fbff03000000 if r6 s< 3 goto -5
c606fbff03000000 if w6 s< 3 goto -5
c7090000f9ffffff r9 s>>= -7
cc29000000000000 w9 s>>= w2
cd76fbff00000000 if r6 s< r7 goto -5
ce76fbff00000000 if w6 s< w7 goto -5
cf29000000000000 r9 s>>= r2
d403000010000000 r3 = le16 r3
d403000020000000 r3 = le32 r3
d403000040000000 r3 = le64 r3
d506fbff03000000 if r6 s<= 3 goto -5
d606fbff03000000 if w6 s<= 3 goto -5
d703000010000000 r3 = bswap16 r3
d703000020000000 r3 = bswap32 r3
d703000040000000 r3 = bswap64 r3
dc03000010000000 r3 = be16 r3
dc03000020000000 r3 = be32 r3
dc03000040000000 r3 = be64 r3
dd76fbff00000000 if r6 s<= r7 goto -5
de76fbff00000000 if w6 s<= w7 goto -5
e506fbff03000000 may_goto -5
c321fcff00000000 lock *(u32 *)(r1 - 4) += r2
c321fcff01000000 w2 = atomic_fetch_add((u32 *)(r1 - 4), w2)
c321fcff40000000 lock *(u32 *)(r1 - 4) |= r2
c321fcff41000000 w2 = atomic_fetch_or((u32 *)(r1 - 4), w2)
c321fcff50000000 lock *(u32 *)(r1 - 4) &= r2
c321fcff51000000 w2 = atomic_fetch_and((u32 *)(r1 - 4), w2)
c321fcffa0000000 lock *(u32 *)(r1 - 4) ^= r2
c321fcffa1000000 w2 = atomic_fetch_xor((u32 *)(r1 - 4), w2)
c321fcffe1000000 w2 = xchg32_32(r1 - 4, w2)
c321fcfff1000000 w0 = cmpxchg32_32(r1 - 4, w0, w2)
db21fcff00000000 lock *(u64 *)(r1 - 4) += r2
db21fcff01000000 r2 = atomic_fetch_add((u64 *)(r1 - 4), r2)
db21fcff40000000 lock *(u64 *)(r1 - 4) |= r2
db21fcff41000000 r2 = atomic_fetch_or((u64 *)(r1 - 4), r2)
db21fcff50000000 lock *(u64 *)(r1 - 4) &= r2
db21fcff51000000 r2 = atomic_fetch_and((u64 *)(r1 - 4), r2)
db21fcffa0000000 lock *(u64 *)(r1 - 4) ^= r2
db21fcffa1000000 r2 = atomic_fetch_xor((u64 *)(r1 - 4), r2)
db21fcffe1000000 r2 = xchg_64(r1 - 4, r2)
db21fcfff1000000 r0 = cmpxchg_64(r1 - 4, r0, r2)
85100000ffffffff call -1
85200000ffffffff call -1
85000000d3000000 call 211
c321fcff00010000 w1 = load_acquire((u32 *)(r2 - 4))
db21080000010000 r1 = load_acquire((u64 *)(r2 + 8))
d321000000010000 w1 = load_acquire((u8 *)(r2 + 0))
db21fcff10010000 store_release((u64 *)(r1 - 4), r2)
`
  .trim()
  .split("\n")
  .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]);
