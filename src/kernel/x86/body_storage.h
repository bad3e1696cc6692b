// Stored numbers in the alphabet of the including file: floats, or (LODE_STORED_BF16) bfloat16 that are widened when
// they are read and rounded when they are written. Rounding is to nearest, ties to even; NaN stays NaN. The bf16
// levels' instruction rounds denormal results to 0 besides.

#ifdef LODE_STORED_BF16
typedef lode_bf16 stored;
#define LODE_K(name) name##_b16

/// The first `left` of p (at most LANES); the other lanes are 0.
LODE_INLINE vec s_get(const stored *p, size_t left) {
    return left >= LANES ? v_widen(p) : v_widen_lanes(left, p);
}

LODE_INLINE void s_put(stored *p, size_t left, vec x) {
    if (left >= LANES) {
        v_narrow(p, x);
    } else {
        v_narrow_lanes(left, p, x);
    }
}
#else
typedef float stored;
#define LODE_K(name) name##_f32

LODE_INLINE vec s_get(const stored *p, size_t left) {
    return v_get(p, left);
}

LODE_INLINE void s_put(stored *p, size_t left, vec x) {
    v_put(p, left, x);
}
#endif
