// The kernel's words in C++20 on a processor, for tests: a group is THREADS threads that meet at a barrier, and groups
// take turns. Compiled with -ffp-contract=off, and -fno-strict-aliasing as a room holds integers too.
#include <barrier>
#include <bit>
typedef unsigned int uint;
typedef unsigned long ulong;
#define KERNEL static void
#define LOCAL
#define GLOBAL
#define INLINE static inline
#define LOOP_UNROLL
// Both order all memory: which words a barrier orders is told apart in OpenCL only.
#if THREADS > 1
static thread_local int me;
static std::barrier<> meeting(THREADS);
#define ME me
#define BARRIER() meeting.arrive_and_wait()
#define FENCE() meeting.arrive_and_wait()
#else
#define ME 0
#define BARRIER()
#define FENCE()
#endif
static int group;
#define GROUP group
// Relaxed, as on a card: they order nothing else.
#define CLAIM(place) __atomic_fetch_add(place, 1u, __ATOMIC_RELAXED)
#define FLAG(place) __atomic_fetch_or(place, 1u, __ATOMIC_RELAXED)
#define HIGH_PRODUCT(a, b) ((ulong)((unsigned __int128)(a) * (b) >> 64))
#if DOUBLE
typedef double real;
typedef ulong word;
#define FMA(a, b, c) __builtin_fma(a, b, c)
#define ROOT(a) __builtin_sqrt(a)
#else
typedef float real;
typedef uint word;
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#define ROOT(a) __builtin_sqrtf(a)
#endif
#define DIVIDE(a, b) ((a) / (b))
#define BITS(z) std::bit_cast<word>((real)(z))
#define FROM_BITS(z) std::bit_cast<real>((word)(z))
struct real4 {
    real x, y, z, w;
};
#define LOAD4(p) load4(p)
#define STORE4(p, v) store4(p, v)
static inline real4 load4(const real *p) { return {p[0], p[1], p[2], p[3]}; }
static inline void store4(real *p, real4 v) { p[0] = v.x, p[1] = v.y, p[2] = v.z, p[3] = v.w; }
// Outside of the kernel, where its caller can fill them: a group must not count on what it finds there.
#define ROOMS
static real room[ROOM_SIZE];
static uint common[4];
