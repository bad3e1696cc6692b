// The table of the including level.

const struct LODE_K(lode_kernels) LODE_TABLE = {
    .level = LODE_LEVEL,
    .panel = 2 * LANES,
    .depth = 1,
#ifdef LODE_STORED_BF16
    .pack = pack_widened,
    .pack_stored = pack_stored,
    .gemm = gemm_widened,
#else
    .pack = pack,
    .pack_stored = pack,
    .gemm = gemm,
#endif
    .attention = attention,
    .attention_backward = attention_backward,
    .widen = widen,
    .narrow = narrow,
    .add = add,
    .add_wide = add_wide,
    .scale_add = scale_add,
    .scale = multiply,
    .dot = dot,
    .max = maximum,
    .exp_sum = exp_sum,
    .activation_backward = activation_backward,
    .column_sum = column_sum,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .gather_sum = gather_sum,
    .contrast_softmax = contrast_softmax,
    .contrast_exp = contrast_exp,
    .contrast_logistic = contrast_logistic,
    .gather_dot = gather_dot,
    .weighted_sum = weighted_sum,
    .adam = adam,
    .above = above,
};
