// The table of the including level.

const struct lode_kernels_f32 LODE_TABLE = {
    .level = LODE_LEVEL,
    .panel = 2 * LANES,
    .pack = pack,
    .gemm = gemm,
    .add = add,
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
    .attention = attention,
    .attention_backward = attention_backward,
    .adam = adam,
    .above = above,
};
