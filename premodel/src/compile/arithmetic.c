/*
 * The arithmetic of outputs: softmax, entropy, temperatures, averages. Its results equal those of trt-select bit for bit. For that,
 * the compiler must not contract a product and a sum into one operation, and must not compute floats with more bits than they have.
 */
#if defined(__FLT_EVAL_METHOD__) && (__FLT_EVAL_METHOD__ == 1 || __FLT_EVAL_METHOD__ == 2)
#error "@x@: expected floats that are computed as floats, got wider ones; compile with -msse2 -mfpmath=sse"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

@private@uint32_t @x@_bits_(float value)
{
    union { float value; uint32_t bits; } both;
    both.value = value;
    return both.bits;
}

@private@float @x@_float_(uint32_t bits)
{
    union { float value; uint32_t bits; } both;
    both.bits = bits;
    return both.value;
}

/* e^x for x in -87..=0; a smaller x is taken as -87. */
@private@float @x@_exp_(float given)
{
    const float x = given > -87.0f ? given : -87.0f;
    /* 12582912 is 1.5 * 2^23: the sum of it and a small number has that number's nearest integer in its lowest bits. */
    const float shifted = x * 1.44269504088896341f + 12582912.0f;
    const float n = shifted - 12582912.0f;
    const float r = (x - n * 0.6933594f) - n * -2.1219444e-4f;
    float p = 1.9875691e-4f;
    p = p * r + 1.3981999e-3f;
    p = p * r + 8.333452e-3f;
    p = p * r + 4.1665796e-2f;
    p = p * r + 1.6666666e-1f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    return p * @x@_float_((@x@_bits_(shifted) << 23) + (127u << 23));
}

/* ln of a number in 2^-149..=1. */
@private@float @x@_ln_(float given)
{
    /* The factor 2^32 makes subnormal numbers normal. The difference may be negative: the shift below keeps its sign. */
    const uint32_t bits = @x@_bits_(given * 4294967296.0f) - 0x3f3504f3u;
    const int32_t exponent = (int32_t)(bits >> 23) - ((bits & 0x80000000u) != 0 ? 512 : 0) - 32;
    const float n = (float)exponent;
    const float m = @x@_float_((bits & 0x007fffffu) + 0x3f3504f3u);
    const float s = (m - 1.0f) / (m + 1.0f);
    const float q = s * s;
    const float series = 1.0f + q * (1.0f / 3.0f + q * (0.2f + q * (1.0f / 7.0f + q * (1.0f / 9.0f))));
    return n * 0.6933594f + (n * -2.1219444e-4f + 2.0f * s * series);
}

/* ln of a finite number of at least 1, in 64 bits. */
@private@double @x@_ln_64_(double given)
{
    union { double value; uint64_t bits; } both;
    uint64_t bits;
    double n, m, s, q, q2, q4, low, high, series;
    both.value = given;
    bits = both.bits - UINT64_C(0x3fe6a09e667f3bcd);
    n = (double)(bits >> 52);
    both.bits = (bits & UINT64_C(0x000fffffffffffff)) + UINT64_C(0x3fe6a09e667f3bcd);
    m = both.value;
    s = (m - 1.0) / (m + 1.0);
    q = s * s;
    q2 = q * q;
    q4 = q2 * q2;
    low = (1.0 / 3.0 + q * (1.0 / 5.0)) + q2 * (1.0 / 7.0 + q * (1.0 / 9.0));
    high = (1.0 / 11.0 + q * (1.0 / 13.0)) + q2 * (1.0 / 15.0 + q * (1.0 / 17.0));
    series = low + q4 * (high + q4 * (1.0 / 19.0));
    return n * 0.6931471803691238 + (n * 1.9082149292705877e-10 + (2.0 * s * q * series + 2.0 * s));
}

@private@float @x@_largest_(const float *values)
{
    float top = values[0];
    uint32_t i;
    for (i = 1; i < @k@_CLASSES; i++) {
        top = values[i] > top ? values[i] : top;
    }
    return top;
}

/* The kinds of passes over the classes. Each computes two numbers from a class's score: one is written, and both are summed up. */
enum { @k@_SOFTMAX_, @k@_COPY_, @k@_POWER_, @k@_TINY_POWER_ };

typedef struct { float top, rate; } @x@_pass_;

@private@void @x@_term_(int kind, const @x@_pass_ *pass, float value, float *first, float *second)
{
    if (kind == @k@_SOFTMAX_) {
        const float far = (value - pass->top) * pass->rate;
        const float d = far > -87.0f ? far : -87.0f;
        *first = d > -87.0f ? @x@_exp_(d) : 0.0f;
        *second = *first * d;
    } else if (kind == @k@_COPY_) {
        *first = value < 1.0f ? value : 1.0f;
        *second = *first > 0.0f ? *first * @x@_ln_(*first) : 0.0f;
    } else {
        /* A probability at a temperature, before it is divided by the sum of all. top is 1 over the largest probability or, where the
         * largest is so small that this would overflow, its logarithm. */
        const float ln = kind == @k@_POWER_ ? @x@_ln_(value * pass->top) : @x@_ln_(value) - pass->top;
        *first = value > 0.0f ? @x@_exp_(ln * pass->rate) : 0.0f;
        *second = 0.0f;
    }
}

/*
 * Each block of 512 classes is summed up in sixteen partial sums, and the blocks in 64 bits: over thousands of classes the rounding
 * errors of a single 32-bit sum would add up.
 */
@private@void @x@_terms_(int kind, const @x@_pass_ *pass, const float *values, float *out, double *sums)
{
    uint32_t start, i;
    sums[0] = sums[1] = 0.0;
    for (start = 0; start < @k@_CLASSES; start += 512) {
        const uint32_t rest = @k@_CLASSES - start, size = rest < 512 ? rest : 512, whole = size - size % 16;
        float lanes[2][16] = {{0}}, sum[2] = {0.0f, 0.0f};
        for (i = 0; i < size; i++) {
            const uint32_t lane = i < whole ? i % 16 : 0;
            float first, second;
            @x@_term_(kind, pass, values[start + i], &first, &second);
            out[start + i] = first;
            lanes[0][lane] += first;
            lanes[1][lane] += second;
        }
        for (i = 0; i < 16; i++) {
            sum[0] += lanes[0][i];
            sum[1] += lanes[1][i];
        }
        sums[0] += (double)sum[0];
        sums[1] += (double)sum[1];
    }
}

@private@void @x@_scale_(float *values, double sum)
{
    const float scale = (float)(1.0 / sum);
    uint32_t i;
    for (i = 0; i < @k@_CLASSES; i++) {
        values[i] *= scale;
    }
}

/* Writes softmax(logits * rate), and returns its entropy in nats. */
@private@double @x@_softmax_(const float *logits, float rate, float *out)
{
    @x@_pass_ pass;
    double sums[2];
    pass.top = @x@_largest_(logits);
    pass.rate = rate;
    @x@_terms_(@k@_SOFTMAX_, &pass, logits, out, sums);
    @x@_scale_(out, sums[0]);
    return @x@_ln_64_(sums[0]) - sums[1] * (1.0 / sums[0]);
}

/* The class with the largest probability (where several have it, the first), that probability, and its distance to the second. */
@private@@x@_summary @x@_top_(const float *probabilities)
{
    @x@_summary summary;
    float second = probabilities[0];
    uint32_t i;
    summary.class_index = 0;
    summary.probability = probabilities[0];
    summary.entropy = 0.0f;
    for (i = 1; i < @k@_CLASSES; i++) {
        const float p = probabilities[i];
        if (p > summary.probability) {
            second = summary.probability;
            summary.class_index = i;
            summary.probability = p;
        } else if (i == 1 || p > second) {
            second = p;
        }
    }
    summary.margin = @k@_CLASSES > 1 ? summary.probability - second : summary.probability;
    return summary;
}

/* Writes the probabilities of scores and their summary. Returns 0 where a score is not finite or is no probability. */
@private@int @x@_summarise_(int kind, const float *scores, float *out, @x@_summary *summary)
{
    double nats;
    uint32_t i;
    float entropy;
    if (kind == @k@_LOGITS) {
        for (i = 0; i < @k@_CLASSES; i++) {
            if ((@x@_bits_(scores[i]) & 0x7f800000u) == 0x7f800000u) {
                return 0;
            }
        }
        nats = @x@_softmax_(scores, 1.0f, out);
    } else {
        double sums[2];
        for (i = 0; i < @k@_CLASSES; i++) {
            /* A probability may exceed 1 a little by rounding. */
            if (!(scores[i] >= 0.0f && scores[i] <= 1.001f)) {
                return 0;
            }
        }
        @x@_terms_(@k@_COPY_, 0, scores, out, sums);
        nats = -sums[1];
    }
    *summary = @x@_top_(out);
    entropy = (float)(nats * @entropy_scale@);
    entropy = entropy < 0.0f ? 0.0f : entropy > 1.0f ? 1.0f : entropy;
    summary->entropy = @k@_CLASSES > 1 ? entropy : 0.0f;
    return 1;
}
@averages_only@
/* Writes probabilities^rate, divided by their sum. */
@private@void @x@_sharpen_(const float *probabilities, float rate, float *out)
{
    const float top = @x@_largest_(probabilities);
    /* The inverse of a subnormal number would be infinite. No real network gives such a largest probability. */
    const int is_tiny = top < 1.17549435e-38f;
    @x@_pass_ pass;
    double sums[2];
    uint32_t i;
    if (!(top > 0.0f)) {
        for (i = 0; i < @k@_CLASSES; i++) {
            out[i] = 0.0f;
        }
        return;
    }
    pass.top = is_tiny ? @x@_ln_(top) : 1.0f / top;
    pass.rate = rate;
    @x@_terms_(is_tiny ? @k@_TINY_POWER_ : @k@_POWER_, &pass, probabilities, out, sums);
    @x@_scale_(out, sums[0]);
}
@averages_only_end@
