// The kernel's words in CUDA C++, for NVRTC with --fmad=false; its defaults are --ftz=false, --prec-div=true and
// --prec-sqrt=true.
typedef unsigned int uint;
typedef unsigned long long ulong;
#define KERNEL extern "C" __global__ void __launch_bounds__(THREADS, GROUPS_A_UNIT)
#define LOCAL
#define GLOBAL
#define INLINE static __device__ __forceinline__
#define LOOP_UNROLL UNROLLED_BY(TERMS_UNROLLED)
#define UNROLLED_BY(count) UNROLLED_AS(unroll count)
#define UNROLLED_AS(text) _Pragma(#text)
#if THREADS == 32
#define BARRIER() __syncwarp()
#define FENCE() __syncwarp()
#else
#define BARRIER() __syncthreads()
#define FENCE() __syncthreads()
#endif
#define ME ((int)threadIdx.x)
#define GROUP ((int)blockIdx.x)
#define CLAIM(place) atomicAdd(place, 1u)
#define FLAG(place) atomicOr(place, 1u)
#define HIGH_PRODUCT(a, b) __umul64hi(a, b)
#define ROOMS                                                                                                         \
    extern __shared__ __align__(16) real room[];                                                                      \
    __shared__ uint common[4];
#if DOUBLE
typedef double real;
typedef ulong word;
struct __align__(16) real4 {
    double x, y, z, w;
};
#define FMA(a, b, c) __fma_rn(a, b, c)
#define DIVIDE(a, b) __ddiv_rn(a, b)
#define ROOT(a) __dsqrt_rn(a)
#define BITS(z) ((ulong)__double_as_longlong(z))
#define FROM_BITS(z) __longlong_as_double((long long)(z))
// Two loads of sixteen bytes, which is how far rows are aligned.
static __device__ __forceinline__ real4 load4(const double *p) {
    const double2 a = *(const double2 *)p, b = *(const double2 *)(p + 2);
    const real4 all = {a.x, a.y, b.x, b.y};
    return all;
}
static __device__ __forceinline__ void store4(double *p, real4 v) {
    *(double2 *)p = make_double2(v.x, v.y);
    *(double2 *)(p + 2) = make_double2(v.z, v.w);
}
#define LOAD4(p) load4(p)
#define STORE4(p, v) store4(p, v)
#else
typedef float real;
typedef uint word;
typedef float4 real4;
#define FMA(a, b, c) __fmaf_rn(a, b, c)
#define DIVIDE(a, b) __fdiv_rn(a, b)
#define ROOT(a) __fsqrt_rn(a)
#define BITS(z) __float_as_uint(z)
#define FROM_BITS(z) __uint_as_float(z)
#define LOAD4(p) (*(const float4 *)(p))
#define STORE4(p, v) (*(float4 *)(p) = (v))
#endif
