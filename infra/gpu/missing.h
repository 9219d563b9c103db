// What torch-sys 0.26, which is of libtorch 2.13, names and libtorch 2.11 lacks. Nothing of ours calls any of it.
// Included before every C++ file of the kit's build; files that are not torch's see nothing of it.
#if __has_include(<ATen/core/Tensor.h>)
#include <ATen/core/Tensor.h>
#include <stdexcept>
#include <tuple>
#define FIDELIS_MISSING(result, name)                             \
  template <typename... T>                                        \
  result name(T &&...) {                                          \
    throw std::runtime_error("libtorch 2.11 has no `" #name "`"); \
  }
namespace torch {
FIDELIS_MISSING(at::Tensor, _philox_key_fold_in)
FIDELIS_MISSING(at::Tensor, _philox_key_split)
FIDELIS_MISSING(at::Tensor, _philox_normal)
FIDELIS_MISSING(at::Tensor, _philox_normal_)
FIDELIS_MISSING(at::Tensor, _philox_normal_out)
FIDELIS_MISSING(at::Tensor, _philox_uniform)
FIDELIS_MISSING(at::Tensor, _philox_uniform_)
FIDELIS_MISSING(at::Tensor, _philox_uniform_out)
FIDELIS_MISSING(at::Tensor, _upsample_lanczos2d_aa)
FIDELIS_MISSING(at::Tensor, _upsample_lanczos2d_aa_out)
FIDELIS_MISSING(at::Tensor, _upsample_lanczos2d_aa_backward)
FIDELIS_MISSING(at::Tensor, _upsample_lanczos2d_aa_backward_out)
FIDELIS_MISSING(at::Tensor, _flash_attention_forward_no_dropout_inplace)
// This one is there, with one argument less.
using TwoTensors = std::tuple<at::Tensor, at::Tensor>;
FIDELIS_MISSING(TwoTensors, _scaled_dot_product_attention_math_for_mps)
}  // namespace torch
#undef FIDELIS_MISSING
#endif
