/**
 * Names of PyTorch that are not there, by reason. A pattern with `*` holds for all names it fits.
 *
 * @module
 */

/** Reason → names, bare or with their module. */
export const absent: Readonly<Record<string, readonly string[]>> = {
  "there are no complex numbers": [
    ...["angle", "cdouble", "cfloat", "chalf", "complex", "conj", "conj_physical", "imag", "is_complex", "is_conj", "is_neg", "isreal"],
    ...["polar", "real", "resolve_conj", "resolve_neg", "view_as_complex*", "view_as_real*", "torch.linalg.eig", "torch.linalg.eigvals"],
  ],
  "Fourier transforms and windows are out of scope": ["torch.fft.*", "stft", "istft", "*_window"],
  "there are no sparse tensors": [
    ...["*sparse*", "ccol_indices*", "coalesce", "col_indices*", "crow_indices*", "dense_dim", "hspmm", "indices*", "is_coalesced"],
    ...["row_indices*", "smm", "sspaddmm", "to_dense", "to_padded_tensor", "values*", "torch.optim.SparseAdam", "torch.nn.init.sparse*"],
  ],
  "nothing is quantized": ["*quantize*", "int_repr", "q_per_channel*", "q_scale", "q_zero_point", "qscheme", "is_quantized"],
  "dims have no names": ["align_as", "align_to", "has_names", "names", "refine_names", "rename", "rename_"],
  "one process, one device at a time": [
    ...["torch.nn.DataParallel", "torch.nn.SyncBatchNorm", "torch.utils.data.DistributedSampler", "is_shared", "share_memory_"],
    ...["torch.utils.data.get_worker_info", "get_num_interop_threads", "set_num_interop_threads"],
  ],
  'a device is "cpu" or "webgpu"': ["ipu", "is_ipu", "is_meta", "is_mps", "is_xpu", "to_mkldnn", "xpu"],
  "there are no types of 8, 16 or 64 bits but float64 and float16": ["bfloat16", "byte", "char", "long", "short"],
  "storages are hidden: shape, strides and offset are a view's own": [
    ...["as_strided*", "data_ptr", "is_pinned", "is_set_to", "is_storage", "pin_memory", "record_stream", "resize_*", "set_", "storage"],
    ...["empty_strided", "new_empty_strided", "is_inference*", "as_subclass", "retains_grad", "frombuffer", "from_dlpack", "to_dlpack"],
  ],
  "internal variants that copy; a view is copied by `clone()`": ["*_copy"],
  "operations in place are for optimizers, under noGrad: add_ sub_ mul_ div_ copy_ fill_ zero_; elsewhere write x = x.op()": ["*_"],
  "settings of the process that there is no use for: types, devices and determinism are fixed": [
    ...["are_deterministic_algorithms_enabled", "compiled_with_cxx11_abi", "get_default_dtype", "get_deterministic_debug_mode"],
    ...["get_float32_matmul_precision", "is_deterministic_algorithms_warn_only_enabled", "is_warn_always_enabled", "set_default_dtype"],
    ...["set_default_tensor_type", "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal", "set_warn_always"],
    ...["use_deterministic_algorithms", "can_cast"],
  ],
  "types are not chosen behind the user's back: mixed precision is functionalCall with weights in float16, and GradScaler": [
    "autocast",
    "torch.cuda.amp.custom_bwd",
    "torch.cuda.amp.custom_fwd",
  ],
  "sizes are given when a layer is made": ["torch.nn.Lazy*", "torch.nn.utils.skip_init"],
  "special functions beyond the error and gamma functions, logit and sinc are out of scope": [
    ...["airy_ai", "*bessel*", "*polynomial*", "entr", "erfcx", "gammainc", "gammaincc", "i0", "i0e", "i1", "i1e", "igamma", "igammac"],
    ...["log_ndtr", "multigammaln", "mvlgamma", "ndtr", "ndtri", "polygamma", "xlog1py", "zeta"],
  ],
  "factorizations beyond Cholesky, QR, SVD and symmetric eigenvalues are not there yet": [
    ...["cholesky_inverse", "cholesky_solve", "geqrf", "householder_product", "ldl_*", "lobpcg", "lu", "lu_*", "matrix_exp", "orgqr"],
    ...["ormqr", "pca_lowrank", "solve_triangular", "svd_lowrank", "triangular_solve", "torch.linalg.lstsq", "torch.linalg.matrix_rank"],
    ...["tensorinv", "tensorsolve", "torch.linalg.LinAlgError", "cholesky_ex", "inv_ex", "solve_ex"],
  ],
  "not there yet; can be composed of what is": [
    ...["atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "channel_shuffle", "conv_tbc", "diagonal_scatter", "frexp", "gcd"],
    ...["histogram", "histogramdd", "index_reduce", "is_nonzero", "lcm", "ldexp", "logaddexp2", "nextafter", "pdist", "select_scatter"],
    ...["slice_scatter", "tril_indices", "triu_indices"],
  ],
  "random draws beyond uniform, normal, Bernoulli and permutations are not there yet": [
    ...["poisson", "gumbel_softmax", "rrelu", "torch.nn.RReLU", "alpha_dropout", "feature_alpha_dropout"],
    ...["torch.nn.AlphaDropout", "torch.nn.FeatureAlphaDropout", "fractional_max_pool*", "torch.nn.FractionalMaxPool*"],
  ],
  "layers and losses that are not there yet": [
    ...["torch.nn.AdaptiveLogSoftmaxWithLoss", "torch.nn.CTCLoss", "torch.nn.ChannelShuffle", "torch.nn.GRUCell", "torch.nn.LPPool*"],
    ...[
      "torch.nn.LSTMCell",
      "torch.nn.MaxUnpool*",
      "torch.nn.RNNCell",
      "torch.nn.RNNCellBase",
      "torch.nn.Unflatten",
      "adaptive_max_pool*_with_indices",
    ],
    ...["ctc_loss", "lp_pool*"],
  ],
  "initialisations that are not there yet": ["torch.nn.init.dirac*", "torch.nn.init.orthogonal*", "torch.nn.init.trunc_normal_"],
  "layers keep what they were made with": [
    "torch.nn.utils.remove_*",
    "torch.nn.utils.convert_conv2d_weight_memory_format",
    "torch.nn.utils.fuse_*",
  ],
  "recurrent layers take `lengths`; sequences are not packed": ["torch.nn.utils.rnn.*"],
  "optimizers and schedules that are not there yet": [
    ...["torch.optim.ASGD", "torch.optim.LBFGS", "torch.optim.Rprop", "torch.optim.lr_scheduler.ChainedScheduler"],
    ...["torch.optim.lr_scheduler.ConstantLR", "torch.optim.lr_scheduler.CyclicLR", "torch.optim.lr_scheduler.MultiplicativeLR"],
    ...["torch.optim.swa_utils.SWALR", "torch.optim.swa_utils.update_bn"],
  ],
  "derivatives of higher order are gradients of gradients (`grad(grad(f))`); these forms are not there yet": [
    "torch.autograd.functional.*",
  ],
  "data sets are read by position": [
    ...[
      "torch.utils.data.BatchSampler",
      "torch.utils.data.ChainDataset",
      "torch.utils.data.ConcatDataset",
      "torch.utils.data.default_convert",
    ],
    ...["torch.utils.data.IterDataPipe", "torch.utils.data.IterableDataset", "torch.utils.data.MapDataPipe"],
  ],
};
