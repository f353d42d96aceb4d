/**
 * The cases that do not pass, each with the reason. One that passes all the same, or one that fails and is not listed, fails the test.
 *
 * @module
 */

/** Cases on every device, by reason. */
const everywhere: Readonly<Record<string, readonly string[]>> = {
  "there are no strings": [
    "test_cast_FLOAT_to_STRING",
    "test_cast_STRING_to_FLOAT",
    "test_castlike_FLOAT_to_STRING",
    "test_castlike_FLOAT_to_STRING_expanded",
    "test_castlike_STRING_to_FLOAT",
    "test_castlike_STRING_to_FLOAT_expanded",
    "test_strnorm_model_monday_casesensintive_lower",
    "test_strnorm_model_monday_casesensintive_nochangecase",
    "test_strnorm_model_monday_casesensintive_upper",
    "test_strnorm_model_monday_empty_output",
    "test_strnorm_model_monday_insensintive_upper_twodim",
    "test_strnorm_model_nostopwords_nochangecase",
    "test_strnormalizer_export_monday_casesensintive_lower",
    "test_strnormalizer_export_monday_casesensintive_nochangecase",
    "test_strnormalizer_export_monday_casesensintive_upper",
    "test_strnormalizer_export_monday_empty_output",
    "test_strnormalizer_export_monday_insensintive_upper_twodim",
    "test_strnormalizer_nostopwords_nochangecase",
  ],
  "there is no bfloat16": [
    "test_cast_BFLOAT16_to_FLOAT",
    "test_cast_FLOAT_to_BFLOAT16",
    "test_castlike_BFLOAT16_to_FLOAT",
    "test_castlike_BFLOAT16_to_FLOAT_expanded",
    "test_castlike_FLOAT_to_BFLOAT16",
    "test_castlike_FLOAT_to_BFLOAT16_expanded",
  ],
  "its result is random, so there is nothing to compare": [
    "test_bernoulli",
    "test_bernoulli_double",
    "test_bernoulli_double_expanded",
    "test_bernoulli_expanded",
    "test_bernoulli_seed",
    "test_bernoulli_seed_expanded",
    "test_training_dropout",
    "test_training_dropout_default",
    "test_training_dropout_default_mask",
    "test_training_dropout_mask",
  ],
  "boxes are chosen one after the other, on the host: no operation on tensors says it": [
    "test_nonmaxsuppression_center_point_box_format",
    "test_nonmaxsuppression_flipped_coordinates",
    "test_nonmaxsuppression_identical_boxes",
    "test_nonmaxsuppression_limit_output_size",
    "test_nonmaxsuppression_single_box",
    "test_nonmaxsuppression_suppress_by_IOU",
    "test_nonmaxsuppression_suppress_by_IOU_and_scores",
    "test_nonmaxsuppression_two_batches",
    "test_nonmaxsuppression_two_classes",
  ],
  "it counts n-grams of texts, which is no operation on tensors": [
    "test_tfidfvectorizer_tf_batch_onlybigrams_skip0",
    "test_tfidfvectorizer_tf_batch_onlybigrams_skip5",
    "test_tfidfvectorizer_tf_batch_uniandbigrams_skip5",
    "test_tfidfvectorizer_tf_only_bigrams_skip0",
    "test_tfidfvectorizer_tf_onlybigrams_levelempty",
    "test_tfidfvectorizer_tf_onlybigrams_skip5",
    "test_tfidfvectorizer_tf_uniandbigrams_skip5",
  ],
  "its outputs were made with ε = 0.01, which its model does not say": ["test_adam_multiple"],
};

/** Cases on one device, by reason. */
const onOneDevice: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  webgpu: {
    "linear algebra runs on the CPU only": ["test_det_2d", "test_det_nd"],
  },
};

/** Why no case with a float64 anywhere runs on WebGPU. */
export const noFloat64 = "WGSL has no float64";

/** Why a case does not pass on a device; undefined where it has to. */
export function reasonFor(name: string, device: string): string | undefined {
  const lists = [everywhere, onOneDevice[device] ?? {}].flatMap((reasons) => Object.entries(reasons));
  return lists.find(([, names]) => names.includes(name))?.[0];
}
