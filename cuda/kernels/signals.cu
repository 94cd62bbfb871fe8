// From a network's output to what it says of itself: `src/scores.rs` on the device.
#include "maths.cuh"
#include "params.cuh"

#define TS_SIGNALS_THREADS 256u

TS_FN float ts_score(const SignalsParams& p, ts_u32 i) {
    if (p.half) return ts_half_to_float(((const ts_u16*)p.scores)[i]);
    return ((const float*)p.scores)[i];
}

// A finite number, and where it should be a probability, one; a little above 1 is rounding.
TS_FN bool ts_score_fits(const SignalsParams& p, float s) {
    if ((ts_float_bits(s) & 0x7f800000u) == 0x7f800000u) return false;
    return p.logits || (s >= 0.0f && s <= 1.001f);
}

// What a thread has seen: its largest probabilities, largest first, as keys. A key has the probability's bits on top
// (probabilities are not negative, so their bits are in order) and the complement of the class below: of equals, the
// smaller class is the larger key. No key is 0.
struct ts_best {
    ts_u64 keys[TS_TOP_K];
};

TS_FN void ts_best_add(ts_best& best, float p, ts_u32 index) {
    // -0 becomes 0.
    ts_u64 key = (ts_u64)ts_float_bits(p + 0.0f) << 32 | (ts_u32)~index;
    TS_UNROLL
    for (int i = 0; i < TS_TOP_K; ++i) {
        const ts_u64 old = best.keys[i];
        best.keys[i] = key > old ? key : old;
        key = key > old ? old : key;
    }
}

// The largest keys of the block, one a round: the thread that holds it moves up its next.
TS_FN void ts_best_of_block(TS_PER_THREAD_REF(ts_best, best, TS_SIGNALS_THREADS), ts_u64* shared, ts_u64* top) {
    TS_PER_THREAD(ts_u64, first, TS_SIGNALS_THREADS);
    TS_UNROLL
    for (int round = 0; round < TS_TOP_K; ++round) {
        TS_FOR_THREADS(t, TS_SIGNALS_THREADS) { TS_MY(first, t) = TS_MY(best, t).keys[0]; }
        const ts_u64 largest = ts_block_reduce<ts_max, TS_SIGNALS_THREADS>(first, shared);
        top[round] = largest;
        TS_FOR_THREADS(t, TS_SIGNALS_THREADS) {
            ts_best& mine = TS_MY(best, t);
            if (mine.keys[0] != largest) continue;
            TS_UNROLL
            for (int i = 0; i + 1 < TS_TOP_K; ++i) mine.keys[i] = mine.keys[i + 1];
            mine.keys[TS_TOP_K - 1] = 0;
        }
    }
}

// One block. `p` and the scores lie in device memory, what is written in memory that the host reads; the host may read
// it once the sequence word is the one that it gave.
TS_KERNEL(trtsel_signals, TS_SIGNALS_THREADS, 1, const SignalsParams*, params) {
    TS_SHARED(float, shared_float, TS_SIGNALS_THREADS / TS_WARP);
    TS_SHARED(ts_u64, shared_key, TS_SIGNALS_THREADS / TS_WARP);
    const SignalsParams p = *params;
    SignalsRecord* const record = (SignalsRecord*)p.record;

    TS_PER_THREAD(float, mine, TS_SIGNALS_THREADS);
    TS_PER_THREAD(ts_u64, misfits, TS_SIGNALS_THREADS);
    TS_FOR_THREADS(t, TS_SIGNALS_THREADS) {
        float largest = -3.40282347e+38f;
        ts_u64 bad = 0;
        for (ts_u32 i = t; i < p.count; i += TS_SIGNALS_THREADS) {
            const float s = ts_score(p, i);
            bad |= !ts_score_fits(p, s);
            largest = s > largest ? s : largest;
        }
        TS_MY(mine, t) = largest;
        TS_MY(misfits, t) = bad;
    }
    const bool valid = p.count > 0 && ts_block_reduce<ts_max, TS_SIGNALS_THREADS>(misfits, shared_key) == 0;
    if (!valid) {
        TS_FOR_THREADS(t, TS_SIGNALS_THREADS) {
            if (t != 0) continue;
            record->valid = 0;
            ts_fence_system();
            ts_store_release(&record->sequence, p.sequence);
        }
        return;
    }

    const float top = ts_block_reduce<ts_max, TS_SIGNALS_THREADS>(mine, shared_float);
    float scale = 1.0f;
    if (p.logits) {
        TS_FOR_THREADS(t, TS_SIGNALS_THREADS) {
            float sum = 0.0f;
            for (ts_u32 i = t; i < p.count; i += TS_SIGNALS_THREADS) sum += ts_exp(ts_score(p, i) - top);
            TS_MY(mine, t) = sum;
        }
        // The largest term is 1, so the sum cannot be 0.
        scale = 1.0f / ts_block_reduce<ts_sum, TS_SIGNALS_THREADS>(mine, shared_float);
    }

    TS_PER_THREAD(ts_best, best, TS_SIGNALS_THREADS);
    TS_FOR_THREADS(t, TS_SIGNALS_THREADS) {
        float* const probabilities = (float*)p.probabilities;
        ts_best largest = {};
        float entropy = 0.0f;
        for (ts_u32 i = t; i < p.count; i += TS_SIGNALS_THREADS) {
            const float s = ts_score(p, i);
            // Computed again rather than read back: that memory may lie across a bus.
            const float probability = p.logits ? ts_exp(s - top) * scale : (s < 1.0f ? s : 1.0f);
            probabilities[i] = probability;
            if (probability > 0.0f) entropy -= probability * ts_log(probability);
            ts_best_add(largest, probability, i);
        }
        TS_MY(mine, t) = entropy;
        TS_MY(best, t) = largest;
        // What this thread wrote must be seen before the sequence word.
        ts_fence_system();
    }
    const float nats = ts_block_reduce<ts_sum, TS_SIGNALS_THREADS>(mine, shared_float);
    ts_u64 keys[TS_TOP_K];
    ts_best_of_block(best, shared_key, keys);

    TS_FOR_THREADS(t, TS_SIGNALS_THREADS) {
        if (t != 0) continue;
        const float top1 = ts_bits_float((ts_u32)(keys[0] >> 32));
        const float second = ts_bits_float((ts_u32)(keys[1] >> 32));
        float entropy = 0.0f;
        if (p.count > 1) {
            entropy = nats / ts_log((float)p.count);
            entropy = entropy < 0.0f ? 0.0f : (entropy > 1.0f ? 1.0f : entropy);
        }
        record->class_index = ~(ts_u32)keys[0];
        record->top1 = top1;
        record->margin = p.count > 1 ? top1 - second : top1;
        record->entropy = entropy;
        record->valid = 1;
        record->top_k = p.count < TS_TOP_K ? p.count : TS_TOP_K;
        TS_UNROLL
        for (ts_u32 i = 0; i < TS_TOP_K; ++i) {
            const bool named = i < p.count;
            record->top_classes[i] = named ? ~(ts_u32)keys[i] : 0;
            record->top_probabilities[i] = named ? ts_bits_float((ts_u32)(keys[i] >> 32)) : 0.0f;
        }
        ts_fence_system();
        ts_store_release(&record->sequence, p.sequence);
    }
}
