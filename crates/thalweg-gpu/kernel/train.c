// Training of one problem, in the subset of C that OpenCL C, CUDA C++ and C++ have in common.
//
// A group of THREADS threads trains one network at a time: its numbers lie in the group's own memory (`room`), or
// where that is too small in a piece of the device's (`far`). Every sum runs in increasing order of its index with one
// fused multiply-add a term, as in the CPU engine: the bits are the same, whatever the tiles.
//
// What depends on the problem is written before this text by source.rs: sizes, constants, where each matrix lies, and
// the products of a step, layer by layer (UP, DOWN). What depends on the language stands in opencl.h, cuda.h, host.h.
//
// A launch makes BUDGET steps a group. A group goes on with the network in its slot, takes the next one from the inbox
// when that has ended, and leaves ends in the outbox.

#define UNROLL _Pragma("unroll")
#define ABOVE(a, b) (((a) + (b) - 1) / (b))
#define FLIP(x, mask) FROM_BITS(BITS(x) ^ (mask))

// ---------------------------------------------------------------------------------------------------- functions

// c[0] + c[1] x + c[2] x^2 + ...
#define POLY(sum, x, c, terms)                                                                                        \
    real sum = c[(terms) - 1];                                                                                        \
    UNROLL for (int i_ = (terms) - 2; i_ >= 0; i_--) sum = FMA(sum, x, c[i_]);

// NaN stays.
INLINE real clamped(real x, real low, real high) { return x < low ? low : x > high ? high : x; }

INLINE real with_sign_of(real x, real sign) {
    return FROM_BITS((BITS(x) & ~SIGN_BIT) | (BITS(sign) & SIGN_BIT));
}

INLINE real absolute(real x) { return FROM_BITS(BITS(x) & ~SIGN_BIT); }

INLINE real exponential(real x0) {
    const real c[] = {EXP};
    const real x = clamped(x0, EXP_LOW, EXP_HIGH);
    const real sum = FMA(x, LOG2_E, MAGIC + TWO_BIAS);
    const real k = sum - (MAGIC + TWO_BIAS);
    const real r = FMA(-k, LN_2_LOW, FMA(-k, LN_2_HIGH, x));
    POLY(q, r, c, EXP_TERMS)
    const real p = FMA(r * r, q, r) + ONE;
    const word bits = BITS(sum), part = bits >> 1;
    return p * FROM_BITS(part << MANTISSA) * FROM_BITS((bits - part) << MANTISSA);
}

INLINE real exponential_minus(real h, real l) {
    const real e = exponential(-h);
    return FMA(-l, e, e);
}

INLINE real tangent(real x0) {
    const real c[] = {TANH};
    const real x = clamped(x0, -TANH_END, TANH_END);
    const real sum = FMA(x, TWO_LOG2_E, MAGIC + BIAS);
    const real k = sum - (MAGIC + BIAS);
    const real r = FMA(-k, HALF_LN_2_HIGH, x);
    POLY(q, r, c, TANH_TERMS)
    const real p = FMA(TWO, r, FMA(r * r, q, k * -LN_2_LOW));
    const real scale = FROM_BITS(BITS(sum) << MANTISSA);
    const real m = FMA(scale, p, scale - ONE);
    return DIVIDE(m, m + TWO);
}

typedef struct {
    real value, slope;
} Pair;

// s = 1/(1 + e^-x) and 1 - s; e^-|x| goes to e.
#define SIGMOID_PARTS(x)                                                                                              \
    const real e = exponential(-absolute(x));                                                                         \
    const real more = DIVIDE(ONE, e + ONE), less = e * more;                                                          \
    const real s = x >= ZERO ? more : less, complement = x >= ZERO ? less : more;

INLINE Pair sigmoid(real x) {
    SIGMOID_PARTS(x)
    const Pair both = {s, s * complement};
    return both;
}

INLINE Pair softplus(real x) {
    const real c[] = {LN_1P};
    SIGMOID_PARTS(x)
    const real w = DIVIDE(e + e, e + TWO);
    const real v = w * w;
    POLY(q, v, c, LN_1P_TERMS)
    const Pair both = {(x > ZERO ? x : ZERO) + FMA(w * v, q, w), s};
    (void)complement;
    return both;
}

INLINE Pair silu(real z) {
    SIGMOID_PARTS(z)
    const real value = (z < EXP_LOW ? EXP_LOW : z) * s;
    const Pair both = {value, s * FMA(clamped(z, EXP_LOW, -EXP_LOW), complement, ONE)};
    return both;
}

INLINE real scaled_complement(real a) {
    const real c[] = {ERFCX};
    const real u = DIVIDE(ONE, a + ERFCX_SHIFT);
    const real t = FMA(-u, TWO_ERFCX_SHIFT, ONE);
    POLY(q, t, c, ERFCX_TERMS)
    return u * q;
}

INLINE Pair error_function(real z) {
    const real c[] = {ERF};
    const real x = clamped(z, -ERFC_END, ERFC_END);
    const real a = absolute(x), square = x * x;
    const real gauss = exponential_minus(square, FMA(x, x, -square));
    POLY(q, square, c, ERF_TERMS)
    const real near_ = x * q;
    const real far_ = with_sign_of(FMA(-gauss, scaled_complement(a), ONE), x);
    const Pair both = {a < ONE ? near_ : far_, gauss * TWO_OVER_ROOT_PI};
    return both;
}

INLINE Pair gelu(real z) {
    const real c[] = {ERF};
    const real x = clamped(z, -GELU_END, GELU_END);
    const real half_ = x * HALF, h = half_ * x;
    const real gauss = exponential_minus(h, FMA(half_, x, -h));
    const real a = absolute(x) * ROOT_HALF;
    const real square = a * a;
    POLY(q, square, c, ERF_TERMS)
    const real near_ = FMA(-(a * HALF), q, HALF);
    const real far_ = gauss * HALF * scaled_complement(a);
    const real tail = a < ONE ? near_ : far_;
    const real normal = x < ZERO ? tail : ONE - tail;
    const real value = (z < -GELU_END ? -GELU_END : z) * normal;
    const Pair both = {value, FMA(clamped(z, -GELU_END, GELU_END), gauss * DENSITY, normal)};
    return both;
}

// sin in value and cos in slope. Beyond SIN_RANGE the group gives the network back: `far_sine`.
INLINE Pair sine(real x) {
    const real cs[] = {SIN}, cc[] = {COS};
    const real sum = FMA(x, TWO_OVER_PI, MAGIC);
    const real k = sum - MAGIC;
    const real r = FMA(-k, HALF_PI_2, FMA(-k, HALF_PI_1, FMA(-k, HALF_PI_0, x)));
    const real v = r * r;
    POLY(ps, v, cs, SIN_TERMS)
    POLY(pc, v, cc, COS_TERMS)
    const real sin_ = FMA(r * v, ps, r);
    const real cos_ = FMA(v * v, pc, FMA(-v, HALF, ONE));
    const word bits = BITS(sum);
    const word odd = bits << (WORD_BITS - 1);
    const word sin_sign = (bits << (WORD_BITS - 2)) & SIGN_BIT;
    const Pair both = {FLIP(odd ? cos_ : sin_, sin_sign), FLIP(odd ? sin_ : cos_, sin_sign ^ odd)};
    return both;
}

INLINE Pair absolute_value(real z) {
    const Pair both = {absolute(z), z == ZERO ? ZERO : with_sign_of(ONE, z)};
    return both;
}

INLINE Pair tangent_and_slope(real z) {
    const real t = tangent(z);
    const Pair both = {t, FMA(-t, t, ONE)};
    return both;
}

INLINE Pair cosine(real z) {
    const Pair both = sine(z);
    const Pair turned = {both.slope, -both.value};
    return turned;
}

#if ACTIVATION_IS_SINE
#define IS_FAR(z) (absolute(z) > SIN_RANGE && absolute(z) <= LARGEST)
#define SET_ACTIVE(z, a, d)                                                                                           \
    if (IS_FAR(z)) far_sine = 1;                                                                                      \
    const Pair both = PHI(z);                                                                                         \
    a = both.value;                                                                                                   \
    d = both.slope;
#elif SLOPE_IS_KEPT
#define SET_ACTIVE(z, a, d)                                                                                           \
    const Pair both = PHI(z);                                                                                         \
    a = both.value;                                                                                                   \
    d = both.slope;
#else
#define SET_ACTIVE(z, a, d) a = PHI(z);
#endif

// ------------------------------------------------------------------------------------------------------ products

#define TERM(e)                                                                                                       \
    UNROLL for (int p = 0; p < A_; p++) UNROLL for (int q = 0; q < B_; q++)                                           \
        acc[p][q] = FMA(u[p].e, v[q].e, acc[p][q]);

// out[r, c] = bias[c] + sum over t of left[r, t] right[c, t]. A tile has A rows and B columns, from one to the next of
// its rows (columns) as many as there are tiles: neighbours read different banks.
#define UP_PRODUCT(A, B, ROWS, COLUMNS, TERMS, LEFT, LS, RIGHT, RS, BIASED, THEN)                                     \
    {                                                                                                                 \
        enum { A_ = A, B_ = B, HIGH = ABOVE(ROWS, A), WIDE = ABOVE(COLUMNS, B) };                                     \
        for (int tile = ME; tile < HIGH * WIDE; tile += THREADS) {                                                    \
            const int row = tile / WIDE, column = tile % WIDE;                                                        \
            real acc[A_][B_];                                                                                         \
            int rows[A_], columns[B_];                                                                                \
            UNROLL for (int p = 0; p < A_; p++) rows[p] = LEAST(row + p * HIGH, (ROWS) - 1, HIGH * A_ == (ROWS));     \
            UNROLL for (int q = 0; q < B_; q++)                                                                       \
                columns[q] = LEAST(column + q * WIDE, (COLUMNS) - 1, WIDE * B_ == (COLUMNS));                         \
            UNROLL for (int q = 0; q < B_; q++) {                                                                     \
                const int c = columns[q];                                                                             \
                const real begin = BIASED;                                                                            \
                UNROLL for (int p = 0; p < A_; p++) acc[p][q] = begin;                                                \
                (void)c;                                                                                              \
            }                                                                                                         \
            real4 u[A_], v[B_];                                                                                       \
            LOOP_UNROLL for (int t = 0; t < (TERMS) / 4 * 4; t += 4) {                                                \
                UNROLL for (int p = 0; p < A_; p++) u[p] = LOAD4((LEFT) + rows[p] * (LS) + t);                        \
                UNROLL for (int q = 0; q < B_; q++) v[q] = LOAD4((RIGHT) + columns[q] * (RS) + t);                    \
                TERM(x) TERM(y) TERM(z) TERM(w)                                                                       \
            }                                                                                                         \
            if ((TERMS) % 4 > 0) {                                                                                    \
                UNROLL for (int p = 0; p < A_; p++) u[p] = LOAD4((LEFT) + rows[p] * (LS) + (TERMS) / 4 * 4);          \
                UNROLL for (int q = 0; q < B_; q++) v[q] = LOAD4((RIGHT) + columns[q] * (RS) + (TERMS) / 4 * 4);      \
                TERM(x)                                                                                               \
                if ((TERMS) % 4 > 1) { TERM(y) }                                                                      \
                if ((TERMS) % 4 > 2) { TERM(z) }                                                                      \
            }                                                                                                         \
            UNROLL for (int p = 0; p < A_; p++) UNROLL for (int q = 0; q < B_; q++) {                                 \
                const int r = row + p * HIGH, c = column + q * WIDE;                                                  \
                if ((HIGH * A_ == (ROWS) || r < (ROWS)) && (WIDE * B_ == (COLUMNS) || c < (COLUMNS))) {               \
                    const real sum = acc[p][q];                                                                       \
                    THEN                                                                                              \
                }                                                                                                     \
            }                                                                                                         \
        }                                                                                                             \
    }

// Four columns of an accumulator at a time: acc[p][4 q ..] += u v[q].
#define ACROSS(u_, v_)                                                                                                \
    acc[p][4 * q] = FMA(u_, v_.x, acc[p][4 * q]);                                                                     \
    acc[p][4 * q + 1] = FMA(u_, v_.y, acc[p][4 * q + 1]);                                                             \
    acc[p][4 * q + 2] = FMA(u_, v_.z, acc[p][4 * q + 2]);                                                             \
    acc[p][4 * q + 3] = FMA(u_, v_.w, acc[p][4 * q + 3]);

#define DOWN_TERM(RIGHT, RS, t, e)                                                                                    \
    UNROLL for (int q = 0; q < B_; q++) v[q] = LOAD4((RIGHT) + (t) * (RS) + columns[q]);                              \
    UNROLL for (int p = 0; p < A_; p++) UNROLL for (int q = 0; q < B_; q++) { ACROSS(u[p].e, v[q]) }

// out[r, c] = sum over t of left[r, t] right[t, c]; a tile has A rows and 4 B columns, of which `THEN` gets four at a
// time.
#define DOWN_PRODUCT(A, B, ROWS, COLUMNS, TERMS, LEFT, LS, RIGHT, RS, THEN)                                           \
    {                                                                                                                 \
        enum { A_ = A, B_ = B, HIGH = ABOVE(ROWS, A), FOURS = ABOVE(COLUMNS, 4), WIDE = ABOVE(FOURS, B) };            \
        for (int tile = ME; tile < HIGH * WIDE; tile += THREADS) {                                                    \
            const int row = tile / WIDE, column = tile % WIDE;                                                        \
            real acc[A_][4 * B_];                                                                                     \
            int rows[A_], columns[B_];                                                                                \
            UNROLL for (int p = 0; p < A_; p++) rows[p] = LEAST(row + p * HIGH, (ROWS) - 1, HIGH * A_ == (ROWS));     \
            UNROLL for (int q = 0; q < B_; q++)                                                                       \
                columns[q] = 4 * LEAST(column + q * WIDE, FOURS - 1, WIDE * B_ == FOURS);                             \
            UNROLL for (int p = 0; p < A_; p++) UNROLL for (int q = 0; q < 4 * B_; q++) acc[p][q] = ZERO;             \
            real4 u[A_], v[B_];                                                                                       \
            LOOP_UNROLL for (int t = 0; t < (TERMS) / 4 * 4; t += 4) {                                                \
                UNROLL for (int p = 0; p < A_; p++) u[p] = LOAD4((LEFT) + rows[p] * (LS) + t);                        \
                DOWN_TERM(RIGHT, RS, t, x)                                                                            \
                DOWN_TERM(RIGHT, RS, t + 1, y)                                                                        \
                DOWN_TERM(RIGHT, RS, t + 2, z)                                                                        \
                DOWN_TERM(RIGHT, RS, t + 3, w)                                                                        \
            }                                                                                                         \
            if ((TERMS) % 4 > 0) {                                                                                    \
                UNROLL for (int p = 0; p < A_; p++) u[p] = LOAD4((LEFT) + rows[p] * (LS) + (TERMS) / 4 * 4);          \
                DOWN_TERM(RIGHT, RS, (TERMS) / 4 * 4, x)                                                              \
                if ((TERMS) % 4 > 1) { DOWN_TERM(RIGHT, RS, (TERMS) / 4 * 4 + 1, y) }                                 \
                if ((TERMS) % 4 > 2) { DOWN_TERM(RIGHT, RS, (TERMS) / 4 * 4 + 2, z) }                                 \
            }                                                                                                         \
            UNROLL for (int p = 0; p < A_; p++) UNROLL for (int q = 0; q < B_; q++) {                                 \
                const int r = row + p * HIGH, c = 4 * (column + q * WIDE);                                            \
                if ((HIGH * A_ == (ROWS) || r < (ROWS)) && (WIDE * B_ == FOURS || c < (COLUMNS))) {                   \
                    const real sums[4] = {acc[p][4 * q], acc[p][4 * q + 1], acc[p][4 * q + 2], acc[p][4 * q + 3]};    \
                    THEN                                                                                              \
                }                                                                                                     \
            }                                                                                                         \
        }                                                                                                             \
    }

#define GRADIENT_TERM(e, i)                                                                                           \
    UNROLL for (int q = 0; q < B_; q++) {                                                                             \
        const int p = 4 * a + i;                                                                                      \
        ACROSS(u[a].e, v[q])                                                                                          \
    }

// out[r, c] = sum over t of left[t, r] right[t, c]; a tile has 4 A rows and 4 B columns.
#define GRADIENT_PRODUCT(A, B, ROWS, COLUMNS, TERMS, LEFT, LS, RIGHT, RS, THEN)                                       \
    {                                                                                                                 \
        enum { A_ = A, B_ = B, TALL = ABOVE(ROWS, 4), HIGH = ABOVE(TALL, A), FOURS = ABOVE(COLUMNS, 4),               \
               WIDE = ABOVE(FOURS, B) };                                                                              \
        for (int tile = ME; tile < HIGH * WIDE; tile += THREADS) {                                                    \
            const int row = tile / WIDE, column = tile % WIDE;                                                        \
            real acc[4 * A_][4 * B_];                                                                                 \
            int rows[A_], columns[B_];                                                                                \
            UNROLL for (int a = 0; a < A_; a++) rows[a] = 4 * LEAST(row + a * HIGH, TALL - 1, HIGH * A_ == TALL);     \
            UNROLL for (int q = 0; q < B_; q++)                                                                       \
                columns[q] = 4 * LEAST(column + q * WIDE, FOURS - 1, WIDE * B_ == FOURS);                             \
            UNROLL for (int p = 0; p < 4 * A_; p++) UNROLL for (int q = 0; q < 4 * B_; q++) acc[p][q] = ZERO;         \
            LOOP_UNROLL for (int t = 0; t < (TERMS); t++) {                                                           \
                real4 u[A_], v[B_];                                                                                   \
                UNROLL for (int a = 0; a < A_; a++) u[a] = LOAD4((LEFT) + t * (LS) + rows[a]);                        \
                UNROLL for (int q = 0; q < B_; q++) v[q] = LOAD4((RIGHT) + t * (RS) + columns[q]);                    \
                UNROLL for (int a = 0; a < A_; a++) {                                                                 \
                    GRADIENT_TERM(x, 0) GRADIENT_TERM(y, 1) GRADIENT_TERM(z, 2) GRADIENT_TERM(w, 3)                   \
                }                                                                                                     \
            }                                                                                                         \
            UNROLL for (int p = 0; p < 4 * A_; p++) UNROLL for (int q = 0; q < B_; q++) {                             \
                const int r = 4 * (row + p / 4 * HIGH) + p % 4, c = 4 * (column + q * WIDE);                          \
                if ((HIGH * A_ * 4 == (ROWS) || r < (ROWS)) && (WIDE * B_ == FOURS || c < (COLUMNS))) {               \
                    const real sums[4] = {acc[p][4 * q], acc[p][4 * q + 1], acc[p][4 * q + 2], acc[p][4 * q + 3]};    \
                    THEN                                                                                              \
                }                                                                                                     \
            }                                                                                                         \
        }                                                                                                             \
    }

// The smaller one; the first where it is known to be.
#define LEAST(a, b, sure) ((sure) ? (a) : ((a) < (b) ? (a) : (b)))

// A layer on the way up.
#define RISE(A, B, FAN_IN, FAN_OUT, IN, IS, W, WS, BIASED, OUT, OS, SLOPE)                                            \
    UP_PRODUCT(A, B, N, FAN_OUT, FAN_IN, IN, IS, W, WS, BIASED,                                                       \
               { SET_ACTIVE(sum, (OUT)[r * (OS) + c], (SLOPE)[r * (OS) + c]) })

// An output layer with several outputs.
#define RISE_TO_OUTPUTS(A, B, FAN_IN, FAN_OUT, IN, IS, W, WS, BIASED)                                                 \
    UP_PRODUCT(A, B, N, FAN_OUT, FAN_IN, IN, IS, W, WS, BIASED, { R[r * R_STRIDE + c] = sum; })

// The one output of every point.
#define RISE_TO_OUTPUT(FAN_IN, IN, IS, W, BIASED)                                                                     \
    for (int n = ME; n < N; n += THREADS) {                                                                           \
        real z = BIASED;                                                                                              \
        LOOP_UNROLL for (int t = 0; t < (FAN_IN) / 4 * 4; t += 4) {                                                   \
            const real4 a = LOAD4((IN) + n * (IS) + t), w = LOAD4((W) + t);                                           \
            z = FMA(a.x, w.x, z);                                                                                     \
            z = FMA(a.y, w.y, z);                                                                                     \
            z = FMA(a.z, w.z, z);                                                                                     \
            z = FMA(a.w, w.w, z);                                                                                     \
        }                                                                                                             \
        UNROLL for (int t = (FAN_IN) / 4 * 4; t < (FAN_IN); t++) z = FMA((IN)[n * (IS) + t], (W)[t], z);              \
        WORTH_OF_POINT                                                                                                \
    }

// dL/dz of the layer below the one output: r w phi'.
#define FALL_FROM_OUTPUT(FAN_IN, W, A_OUT, OS, D_OUT)                                                                 \
    for (int i = ME; i < N * (FAN_IN); i += THREADS) {                                                                \
        const int r = i / (FAN_IN), c = i % (FAN_IN), at = r * (OS) + c;                                              \
        const real sum = R[r] * (W)[c];                                                                               \
        (D_OUT)[at] = SLOPED(sum, (A_OUT)[at], (D_OUT)[at]);                                                          \
    }

// dL/dz of the layer below.
#define FALL(A, B, FAN_IN, FAN_OUT, DELTA, DS, W, WS, A_OUT, OS, D_OUT)                                               \
    DOWN_PRODUCT(A, B, N, FAN_IN, FAN_OUT, DELTA, DS, W, WS, {                                                        \
        const int at = r * (OS) + c;                                                                                  \
        if ((FAN_IN) % 4 == 0 || c + 4 <= (FAN_IN)) {                                                                 \
            const real4 value = LOAD4((A_OUT) + at);                                                                  \
            real4 out = LOAD4((D_OUT) + at);                                                                          \
            out.x = SLOPED(sums[0], value.x, out.x);                                                                  \
            out.y = SLOPED(sums[1], value.y, out.y);                                                                  \
            out.z = SLOPED(sums[2], value.z, out.z);                                                                  \
            out.w = SLOPED(sums[3], value.w, out.w);                                                                  \
            STORE4((D_OUT) + at, out);                                                                                \
        } else {                                                                                                      \
            UNROLL for (int i = 0; i < (FAN_IN) % 4; i++)                                                             \
                (D_OUT)[at + i] = SLOPED(sums[i], (A_OUT)[at + i], (D_OUT)[at + i]);                                  \
        }                                                                                                             \
    })

// Gradient and step of a layer's weights. `FIRST` is the tensor's place in the flat parameters, T its number.
#define DESCEND(A, B, FAN_IN, FAN_OUT, DELTA, DS, IN, IS, W, WS, FIRST, T)                                            \
    {                                                                                                                 \
        OF_TENSOR(T)                                                                                                  \
        GRADIENT_PRODUCT(A, B, FAN_OUT, FAN_IN, N, DELTA, DS, IN, IS, {                                               \
            const int at = r * (WS) + c;                                                                              \
            const int first = (FIRST) + r * (FAN_IN) + c;                                                             \
            if ((FAN_IN) % 4 == 0 || c + 4 <= (FAN_IN)) {                                                             \
                real4 w = LOAD4((W) + at);                                                                            \
                APPLY(w.x, sums[0], first, T)                                                                         \
                APPLY(w.y, sums[1], first + 1, T)                                                                     \
                APPLY(w.z, sums[2], first + 2, T)                                                                     \
                APPLY(w.w, sums[3], first + 3, T)                                                                     \
                STORE4((W) + at, w);                                                                                  \
            } else {                                                                                                  \
                UNROLL for (int i = 0; i < (FAN_IN) % 4; i++) APPLY((W)[at + i], sums[i], first + i, T)               \
            }                                                                                                         \
        })                                                                                                            \
    }

// The same of the one output's weights.
#define DESCEND_OUTPUT(FAN_IN, IN, IS, W, FIRST, T)                                                                   \
    for (int c = ME; c < (FAN_IN); c += THREADS) {                                                                    \
        OF_TENSOR(T)                                                                                                  \
        real sum = ZERO;                                                                                              \
        LOOP_UNROLL for (int n = 0; n < N; n++) sum = FMA(R[n], (IN)[n * (IS) + c], sum);                             \
        APPLY((W)[c], sum, (FIRST) + c, T)                                                                            \
    }

// And of biases: the threads from the last one on, as the products leave those idle.
#define DESCEND_BIAS(COUNT, DELTA, DS, BIASES, FIRST, T)                                                              \
    for (int c = THREADS - 1 - ME; c < (COUNT); c += THREADS) {                                                       \
        OF_TENSOR(T)                                                                                                  \
        real sum = ZERO;                                                                                              \
        LOOP_UNROLL for (int n = 0; n < N; n++) sum = sum + (DELTA)[n * (DS) + c];                                    \
        APPLY((BIASES)[c], sum, (FIRST) + c, T)                                                                       \
    }

// -------------------------------------------------------------------------------------------- what an output is worth

// Of one output z with target Y[at]: dL/dz over 2 s, its share of the loss, and how far it is from success.
#define WORTH(z, at)                                                                                                  \
    const real y = Y[at];                                                                                             \
    WORTH_OF_LOSS(z)                                                                                                  \
    WORTH_OF_SUCCESS

#if LOSS_IS_LOGISTIC
#define WORTH_OF_LOSS(z)                                                                                              \
    const Pair soft = softplus(-(y * z));                                                                             \
    const real f = z, delta = y * soft.slope * -HALF, term = soft.value;                                              \
    (void)f;
#define ADD_TERM(sum, term) FMA(term, ONE, sum)
#else
#if OUTPUT_IS_IDENTITY
#define WORTH_OF_LOSS(z) const real f = z, term = f - y, delta = term;
#else
#define WORTH_OF_LOSS(z)                                                                                              \
    const Pair out = OUTPUT_OF(z);                                                                                    \
    const real f = out.value, term = f - y, delta = term * out.slope;
#endif
#define ADD_TERM(sum, term) FMA(term, term, sum)
#endif

#if SUCCESS_IS_ERROR
#define WORTH_OF_SUCCESS const real missed = absolute(f - y);
#define GATHER(all, one) (one > all ? one : all)
#elif SUCCESS_IS_ACCURACY
#define WORTH_OF_SUCCESS const real missed = (f - BOUNDARY) * (y - BOUNDARY) > ZERO ? ZERO : ONE;
#define GATHER(all, one) (all + one)
#else
#define WORTH_OF_SUCCESS
#endif

#if SUCCESS_IS_ERROR || SUCCESS_IS_ACCURACY
#define KEEP_MISSED miss = missed > miss ? missed : miss;
#define BEGIN_MISSED real miss = ZERO;
#define END_MISSED MISS[n] = miss;
#else
#define KEEP_MISSED
#define BEGIN_MISSED
#define END_MISSED
#endif

#if HAS_BATCH
#define WEIGHTED(delta) (delta * IN_BATCH[n])
#else
#define WEIGHTED(delta) delta
#endif

#if TERMS_ARE_DELTAS
#define KEEP_TERM(at)
#define TERMS_OF R
#define TERMS_STRIDE R_STRIDE
#else
#define KEEP_TERM(at) E[at] = term;
#define TERMS_OF E
#define TERMS_STRIDE K
#endif

// The one output of point n.
#define WORTH_OF_POINT                                                                                                \
    BEGIN_MISSED                                                                                                      \
    WORTH(z, n)                                                                                                       \
    KEEP_TERM(n)                                                                                                      \
    KEEP_MISSED                                                                                                       \
    R[n] = WEIGHTED(delta);                                                                                           \
    END_MISSED

// -------------------------------------------------------------------------------------------------- the update rule

#if CLIPS_VALUES
#define CLIPPED(g, T)                                                                                                 \
    (g) > CLIP_OF(T) ? CLIP_OF(T) : (g) < -CLIP_OF(T) ? -CLIP_OF(T) : (g)
#elif CLIPS_NORM
#define CLIPPED(g, T) (g) * shorter
#else
#define CLIPPED(g, T) (g)
#endif
#if DECAYS
#define DECAYED(g, w, T) FMA(DECAY_OF(T), w, g)
#else
#define DECAYED(g, w, T) (g)
#endif

// What all parameters of a tensor have in common.
#define STEP_SIZES_OF(T)                                                                                              \
    const real step_size = STEP_SIZE[T], shrink = STEP_SIZE[TENSORS + (T)];                                           \
    (void)shrink;

// w becomes what the rule makes of it: from the gradient g over 2 s, of the parameter i in tensor T.
#if METHOD_IS_GD
#define RULE(w, g, i, T)                                                                                              \
    const real next = FMA(step_size, g, w);                                                                           \
    moved = moved || next != w;                                                                                       \
    w = next;
#elif METHOD_IS_MOMENTUM
#define RULE(w, g, i, T)                                                                                              \
    const real mean = FMA(BETA, FIRST_MEAN[i], g);                                                                    \
    FIRST_MEAN[i] = mean;                                                                                             \
    w = FMA(step_size, MOMENTUM_STEP(mean, g), w);
#else
#define RULE(w, g, i, T)                                                                                              \
    const real scaled = g * SCALE_OF(T);                                                                              \
    const real mean = FMA(REST_1, scaled - FIRST_MEAN[i], FIRST_MEAN[i]);                                             \
    const real square = FMA(BETA_2, SECOND_MEAN[i], REST_2 * scaled * scaled);                                        \
    FIRST_MEAN[i] = mean;                                                                                             \
    SECOND_MEAN[i] = square;                                                                                          \
    const real along = DIVIDE(mean, DIVIDE(ROOT(square), to_root) + EPSILON);                                         \
    DECOUPLE(w)                                                                                                       \
    w = FMA(step_size * to_mean, along, w);
#endif

#define STEPPED(w, g, i, T)                                                                                           \
    {                                                                                                                 \
        const real clipped = CLIPPED(g, T);                                                                           \
        const real decayed = DECAYED(clipped, w, T);                                                                  \
        RULE(w, decayed, i, T)                                                                                        \
    }

// A norm is known when all gradients are: then they are kept, and stepped by later.
#if CLIPS_NORM
#define APPLY(w, g, i, T) GRADIENT[i] = g;
#define OF_TENSOR(T)
#define APPLY_LATER(w, g, i, T)                                                                                       \
    {                                                                                                                 \
        STEP_SIZES_OF(T)                                                                                              \
        STEPPED(w, g, i, T)                                                                                           \
    }
#else
#define APPLY(w, g, i, T) STEPPED(w, g, i, T)
#define OF_TENSOR(T) STEP_SIZES_OF(T)
#endif

// ------------------------------------------------------------------------------------------------------ mini-batches

#if HAS_BATCH
// Word number `at` of the stream (seed, replicate, noise, epoch): Philox4x64-10, see seed.rs of the engine.
INLINE ulong noise_word(ulong seed, ulong replicate, ulong epoch, ulong at) {
    ulong c0 = at / 4 + 1, c1 = epoch, c2 = 2, c3 = 0, k0 = seed, k1 = replicate;
    for (int round = 0; round < 10; round++) {
        if (round > 0) {
            k0 += 0x9E3779B97F4A7C15UL;
            k1 += 0xBB67AE8584CAA73BUL;
        }
        const ulong a_high = HIGH_PRODUCT(c0, 0xD2E7470EE14C6C93UL), a_low = c0 * 0xD2E7470EE14C6C93UL;
        const ulong b_high = HIGH_PRODUCT(c2, 0xCA5A826395121157UL), b_low = c2 * 0xCA5A826395121157UL;
        c0 = b_high ^ c1 ^ k0;
        c1 = b_low;
        c2 = a_high ^ c3 ^ k1;
        c3 = a_low;
    }
    return at % 4 == 0 ? c0 : at % 4 == 1 ? c1 : at % 4 == 2 ? c2 : c3;
}
#endif

// --------------------------------------------------------------------------------------------------------- the limit

// 10^12 max(loss, 1), or the largest number; rounded once, as from double precision.
INLINE real limit_of(real loss) {
    const real one_or_more = loss > ONE ? loss : ONE;
#if DOUBLE
    const real limit = 1e12 * one_or_more;
    return limit < LARGEST ? limit : LARGEST;
#else
    // 10^12 = 2^12 244140625; the product of 24 and 28 bits is exact in an integer.
    const word bits = BITS(one_or_more);
    ulong product = (ulong)((bits & 0x7fffffu) | 0x800000u) * 244140625UL;
    word exponent = (bits >> 23) + 12;
    int more = 0;
    while ((product >> more) >= 0x1000000UL) more++;
    const ulong rest = product & ((1UL << more) - 1), half_ = 1UL << (more - 1);
    product >>= more;
    product += (rest > half_ || (rest == half_ && (product & 1) != 0)) ? 1 : 0;
    if (product == 0x1000000UL) {
        product >>= 1;
        more++;
    }
    exponent += (word)more;
    return exponent >= 255 ? LARGEST : FROM_BITS((exponent << 23) | ((word)product & 0x7fffffu));
#endif
}

// ---------------------------------------------------------------------------------------------------------- training

// Places in `numbers`.
enum { STEPS_, BUDGET_, AVAILABLE_, FROM_, CAPACITY_, GRID_LENGTH_, STAGES_, RUN_ALL_ };
// Places in the integers of a network.
enum { ID_, SEED_, REPLICATE_, TRACE_, STEP_, FIRST_BELOW_, GRID_AT_, STAGE_, ENDED_, BEST_STEP_, WHOLE };
// Values of ENDED_. A network that is given back is to be trained elsewhere.
enum { RUNNING, EMPTY, OVER, DIVERGED, FIXED, GIVEN_BACK };
// Places in the numbers of a network, after those that it begins with.
enum { LOSS_, BEFORE_, BEST_, LIMIT_, JUDGED_, DECAY_1_, DECAY_2_, HEAD };
// Places in the integers of a trace: losses written in this launch, snapshots taken, how many steps of snapshots
// follow and whether there are more than follow, what is kept, then these steps.
enum { WRITTEN_, TAKEN_, ASKED_, MORE_, KEEPS_LOSSES_, KEEPS_BEST_, MARKS_ };
enum { INBOX_SIZE = N * D + N * K + P + RATES_SIZE, STATE = INBOX_SIZE, SLOT_SIZE = STATE + HEAD + MEMORIES * P };
enum { TRACE_SIZE = TRACE_STEPS + P + MARKS * (P + 1), TRACE_WHOLE = MARKS_ + MARKS };

#define FOR_ALL(i, count) for (int i = ME; i < (count); i += THREADS)

// A tensor [ROWS, COLUMNS] with rows S apart, from the flat parameters, to them, and stepped from its gradient.
#define TO_ROOM(W, S, ROWS, COLUMNS, FIRST, T)                                                                        \
    FOR_ALL(i, (ROWS) * (COLUMNS)) (W)[i / (COLUMNS) * (S) + i % (COLUMNS)] = initial[(FIRST) + i];
#define FROM_ROOM(W, S, ROWS, COLUMNS, FIRST, T)                                                                      \
    FOR_ALL(i, (ROWS) * (COLUMNS)) to[(FIRST) + i] = (W)[i / (COLUMNS) * (S) + i % (COLUMNS)];
#define APPLY_TO_ROOM(W, S, ROWS, COLUMNS, FIRST, T)                                                                  \
    FOR_ALL(i, (ROWS) * (COLUMNS))                                                                                    \
    APPLY_LATER((W)[i / (COLUMNS) * (S) + i % (COLUMNS)], GRADIENT[(FIRST) + i], (FIRST) + i, T)

KERNEL train(GLOBAL const ulong *numbers, GLOBAL const real *values, GLOBAL const ulong *grid,
             GLOBAL const ulong *schedule, GLOBAL const real *inbox, GLOBAL const ulong *inbox_whole,
             GLOBAL real *slots, GLOBAL ulong *slots_whole, GLOBAL real *losses, GLOBAL real *outbox,
             GLOBAL ulong *outbox_whole, GLOBAL real *outbox_losses, GLOBAL uint *counters, GLOBAL real *traces,
             GLOBAL ulong *traces_whole, GLOBAL real *scratch) {
    ROOMS
    const ulong steps = numbers[STEPS_], grid_length = numbers[GRID_LENGTH_], stages = numbers[STAGES_];
    const int run_all = numbers[RUN_ALL_] != 0;
    const real below = values[0], factor = values[1];
    ulong left = numbers[BUDGET_];
    GLOBAL real *slot = slots + (ulong)GROUP * SLOT_SIZE;
    GLOBAL ulong *whole = slots_whole + (ulong)GROUP * WHOLE;
    GLOBAL real *on_grid = losses + (ulong)GROUP * grid_length;
    GLOBAL real *far = scratch + (ulong)GROUP * FAR_SIZE;
    (void)far;
    int ended = (int)whole[ENDED_];
    if (ME == 0) common[1] = common[2] = common[3] = 0;
    for (;;) {
        // Barriers stand where all threads pass, not in branches: compilers for processors repeat what follows those.
        const int fresh = ended != RUNNING;
        if (fresh && ME == 0) common[0] = CLAIM(counters);
        BARRIER();
        const ulong claimed = common[0];
        if (fresh && claimed >= numbers[AVAILABLE_]) break;
        if (fresh) {
            const ulong place = (numbers[FROM_] + claimed) % numbers[CAPACITY_];
            FOR_ALL(i, INBOX_SIZE) slot[i] = inbox[place * INBOX_SIZE + i];
            FOR_ALL(i, HEAD) {
                const real others = i < DECAY_1_ ? ZERO : ONE;
                slot[STATE + i] = i == BEFORE_ ? NOT_A_NUMBER : i == BEST_ ? INFINITE : others;
            }
            FOR_ALL(i, MEMORIES * P) slot[STATE + HEAD + i] = ZERO;
            FOR_ALL(i, WHOLE) {
                const ulong never = i == FIRST_BELOW_ ? ~(ulong)0 : 0;
                whole[i] = i <= TRACE_ ? inbox_whole[place * (TRACE_ + 1) + i] : never;
            }
        }
        FENCE();
        // From the slot into the room.
        GLOBAL const real *initial = slot + N * D + N * K;
        FOR_ALL(i, N * D) X[i / D * X_STRIDE + i % D] = slot[i];
        FOR_ALL(i, N * K) Y[i] = slot[N * D + i];
        COPY_WEIGHTS(TO_ROOM)
        FOR_ALL(i, MEMORIES * P) MEMORY[i] = slot[STATE + HEAD + i];
        const ulong seed = whole[SEED_], replicate = whole[REPLICATE_], traced = whole[TRACE_];
        ulong step = whole[STEP_], first_below = whole[FIRST_BELOW_], grid_at = whole[GRID_AT_], stage = whole[STAGE_];
        ulong best_step = whole[BEST_STEP_];
        GLOBAL const real *rates = initial + P;
        FOR_ALL(i, 2 * TENSORS) STEP_SIZE[i] = rates[stage * (2 * TENSORS) + i];
        real before = slot[STATE + BEFORE_], best = slot[STATE + BEST_], limit = slot[STATE + LIMIT_];
        real decay_1 = slot[STATE + DECAY_1_], decay_2 = slot[STATE + DECAY_2_];
        real loss = ZERO, judged = ZERO;
        GLOBAL real *trace = traces + (traced == 0 ? 0 : traced - 1) * TRACE_SIZE;
        GLOBAL ulong *trace_whole = traces_whole + (traced == 0 ? 0 : traced - 1) * TRACE_WHOLE;
        ulong written = 0, taken = traced == 0 ? 0 : trace_whole[TAKEN_];
        const ulong asked = traced == 0 ? 0 : trace_whole[ASKED_];
        const int more_asked = traced != 0 && trace_whole[MORE_] != 0;
        const int keeps_losses = traced != 0 && trace_whole[KEEPS_LOSSES_] != 0;
        const int keeps_best = traced != 0 && trace_whole[KEEPS_BEST_] != 0;
        ulong next_on_grid = grid_at < grid_length ? grid[grid_at] : ~(ulong)0;
        ulong next_change = stage < stages ? schedule[stage] : ~(ulong)0;
        (void)seed; (void)replicate; (void)decay_1; (void)decay_2;
#if HAS_BATCH
        ulong epoch = ~(ulong)0;
#endif
        ended = RUNNING;
        BARRIER();
        // A trace that is full stops its network until the host has emptied it.
        for (;;) {
            const int full = (keeps_losses & (written == TRACE_STEPS)) | (more_asked & (taken == asked));
            const int pauses = (left == 0) | full;
            if (pauses | (ended != RUNNING)) break;
            bool moved = false;
            int far_sine = 0;
            (void)moved; (void)far_sine;
#if HAS_BATCH
            if (ME == 0 && step / BATCHES != epoch) {
                for (int i = 0; i < N; i++) ORDER[i] = (uint)i;
                for (int i = N - 1; i > 0; i--) {
                    const ulong word_ = noise_word(seed, replicate, step / BATCHES, (ulong)(N - 1 - i));
                    const uint j = (uint)HIGH_PRODUCT(word_, (ulong)i + 1), kept = ORDER[i];
                    ORDER[i] = ORDER[j];
                    ORDER[j] = kept;
                }
            }
            epoch = step / BATCHES;
            BARRIER();
            {
                const int from = (int)(step % BATCHES) * BATCH_SIZE;
                const int until = from + BATCH_SIZE < N ? from + BATCH_SIZE : N;
                const real weight = until - from == BATCH_SIZE ? BATCH_WEIGHT : LAST_BATCH_WEIGHT;
                FOR_ALL(i, N) IN_BATCH[ORDER[i]] = i < from || i >= until ? ZERO : weight;
            }
            BARRIER();
#endif
            UP
#if ACTIVATION_IS_SINE
            // Any thread may have seen it.
            if (far_sine) FLAG(common + 1);
#endif
            BARRIER();
#if ACTIVATION_IS_SINE
            if (common[1] != 0) ended = GIVEN_BACK;
            if (ended != RUNNING) break;
#endif
#if K > 1
            FOR_ALL(n, N) {
                BEGIN_MISSED
                for (int o = 0; o < K; o++) {
                    const real z = R[n * R_STRIDE + o];
                    WORTH(z, n * K + o)
                    KEEP_TERM(n * K + o)
                    KEEP_MISSED
                    R[n * R_STRIDE + o] = WEIGHTED(delta);
                }
                END_MISSED
            }
            BARRIER();
#endif
            // Every thread adds the losses for itself: then all know what to do next without another barrier.
            loss = ZERO;
#if K == 1
            LOOP_UNROLL for (int n = 0; n < N; n++) loss = ADD_TERM(loss, TERMS_OF[n]);
#else
            for (int n = 0; n < N; n++)
                for (int o = 0; o < K; o++) loss = ADD_TERM(loss, TERMS_OF[n * TERMS_STRIDE + o]);
#endif
            loss = loss * factor;
#if SUCCESS_IS_ERROR || SUCCESS_IS_ACCURACY
            judged = ZERO;
            for (int n = 0; n < N; n++) judged = GATHER(judged, MISS[n]);
#else
            judged = loss;
#endif
            if (step == 0) limit = limit_of(loss);
            const int improved = loss < best;
            if (improved) {
                best = loss;
                best_step = step;
            }
            if (step == next_on_grid) {
                if (ME == 0) on_grid[grid_at] = loss;
                grid_at++;
                next_on_grid = grid_at < grid_length ? grid[grid_at] : ~(ulong)0;
            }
            if (traced != 0) {
                if (keeps_losses) {
                    if (ME == 0) trace[written] = loss;
                    written++;
                }
                if (keeps_best && improved) {
                    GLOBAL real *to = trace + TRACE_STEPS;
                    COPY_WEIGHTS(FROM_ROOM)
                }
                if (taken < asked && trace_whole[MARKS_ + taken] == step) {
                    GLOBAL real *to = trace + TRACE_STEPS + P + taken * (P + 1);
                    COPY_WEIGHTS(FROM_ROOM)
                    if (ME == 0) to[P] = loss;
                    taken++;
                }
            }
            if (step == next_change) {
                stage++;
                FOR_ALL(i, 2 * TENSORS) STEP_SIZE[i] = rates[stage * (2 * TENSORS) + i];
                next_change = stage < stages ? schedule[stage] : ~(ulong)0;
            }
#if RATES_SIZE > 2 * TENSORS
            BARRIER();
#endif
            const int diverged = !(loss <= limit);
            const int reached = !diverged && judged < below;
            if (reached && first_below == ~(ulong)0) first_below = step;
            if (diverged) ended = DIVERGED;
            else if ((reached && !run_all) || step == steps) ended = OVER;
            if (ended != RUNNING) break;
#if METHOD_IS_ADAM
            decay_1 = decay_1 * BETA_1;
            decay_2 = decay_2 * BETA_2;
            const real to_mean = DIVIDE(ONE, ONE - decay_1), to_root = ROOT(ONE - decay_2);
#endif
            DOWN
#if CLIPS_NORM
            BARRIER();
            // The sum over a tensor has the order of the parameters.
            FOR_ALL(tensor, TENSORS) {
                real sum = ZERO;
                for (int i = START_OF(tensor); i < START_OF(tensor + 1); i++) sum = FMA(GRADIENT[i], GRADIENT[i], sum);
                SQUARES[tensor] = sum;
            }
            BARRIER();
            real square_norm = ZERO;
            for (int tensor = 0; tensor < TENSORS; tensor++)
                square_norm = FMA(SQUARED_SCALE_OF(tensor), SQUARES[tensor], square_norm);
            const real short_enough = DIVIDE(CLIP_NORM, ROOT(square_norm) + CLIP_SMALL);
            const real shorter = ONE < short_enough ? ONE : short_enough;
            COPY_WEIGHTS(APPLY_TO_ROOM)
#endif
            left--;
#if METHOD_IS_GD && !HAS_BATCH
            // A step that changed no bit, at the loss of the step before, will be made for ever. Whether one did is
            // told in two places in turn: the other is cleared for the next step.
            const int repeated = loss == before && stage == stages;
            const int turn = 2 + (int)(step & 1);
            if (ME == 0) common[5 - turn] = 0;
            if (repeated && moved) FLAG(common + turn);
            BARRIER();
            if (repeated & (common[turn] == 0)) ended = FIXED;
#else
            BARRIER();
#endif
            before = loss;
            step += ended == RUNNING ? 1 : 0;
        }
        // All have read what is written now.
        FENCE();
        GLOBAL real *head = slot + STATE;
        if (traced != 0 && ME == 0) {
            trace_whole[WRITTEN_] = written;
            trace_whole[TAKEN_] = taken;
        }
        if (ended == RUNNING) {
            GLOBAL real *to = slot + N * D + N * K;
            COPY_WEIGHTS(FROM_ROOM)
            FOR_ALL(i, MEMORIES * P) slot[STATE + HEAD + i] = MEMORY[i];
            if (ME == 0) {
                whole[STEP_] = step;
                whole[FIRST_BELOW_] = first_below;
                whole[GRID_AT_] = grid_at;
                whole[STAGE_] = stage;
                whole[ENDED_] = RUNNING;
                whole[BEST_STEP_] = best_step;
                head[BEFORE_] = before;
                head[BEST_] = best;
                head[LIMIT_] = limit;
                head[DECAY_1_] = decay_1;
                head[DECAY_2_] = decay_2;
            }
            break;
        }
        if (ME == 0) common[0] = CLAIM(counters + 1);
        BARRIER();
        {
            GLOBAL real *end = outbox + (ulong)common[0] * (HEAD + P);
            GLOBAL ulong *end_whole = outbox_whole + (ulong)common[0] * WHOLE;
            GLOBAL real *end_losses = outbox_losses + (ulong)common[0] * grid_length;
            GLOBAL real *to = end + HEAD;
            COPY_WEIGHTS(FROM_ROOM)
            for (ulong i = (ulong)ME; i < grid_at; i += THREADS) end_losses[i] = on_grid[i];
            if (ME == 0) {
                end_whole[ID_] = whole[ID_];
                end_whole[STEP_] = step;
                end_whole[FIRST_BELOW_] = first_below;
                end_whole[GRID_AT_] = grid_at;
                end_whole[ENDED_] = (ulong)ended;
                end_whole[BEST_STEP_] = best_step;
                end[LOSS_] = loss;
                end[BEST_] = best;
                end[JUDGED_] = judged;
                whole[ENDED_] = (ulong)ended;
                common[1] = 0;
            }
        }
        FENCE();
    }
    if (ME == 0) counters[2 + GROUP] = (uint)(numbers[BUDGET_] - left);
}
