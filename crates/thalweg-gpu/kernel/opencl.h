// The kernel's words in OpenCL C 1.2.
#pragma OPENCL FP_CONTRACT OFF
#define KERNEL __kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void
#define LOCAL __local
#define GLOBAL __global
#define INLINE static inline
#define LOOP_UNROLL
#if FAR_SIZE > 0
#define BARRIER() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#else
#define BARRIER() barrier(CLK_LOCAL_MEM_FENCE)
#endif
#define FENCE() barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define ME ((int)get_local_id(0))
#define GROUP ((int)get_group_id(0))
#define CLAIM(place) atomic_inc(place)
#define FLAG(place) atomic_or(place, 1u)
#define HIGH_PRODUCT(a, b) mul_hi(a, b)
#define FMA(a, b, c) fma(a, b, c)
#define DIVIDE(a, b) ((a) / (b))
#define ROOT(a) sqrt(a)
#define ROOMS                                                                                                         \
    __local real room[ROOM_SIZE] __attribute__((aligned(32)));                                                        \
    __local uint common[4];
#if DOUBLE
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
typedef double real;
typedef double4 real4;
typedef ulong word;
#define BITS(z) as_ulong(z)
#define FROM_BITS(z) as_double((ulong)(z))
#else
typedef float real;
typedef float4 real4;
typedef uint word;
#define BITS(z) as_uint(z)
#define FROM_BITS(z) as_float((uint)(z))
#endif
#define LOAD4(p) vload4(0, p)
#define STORE4(p, v) vstore4(v, 0, p)
