#include "executorch_shim.h"

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

#include <cstring>
#include <string>
#include <vector>

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::aten::Tensor;
using executorch::extension::from_blob;
using executorch::extension::Module;
using executorch::extension::TensorPtr;
using executorch::runtime::Error;
using executorch::runtime::EValue;

struct et_module {
  explicit et_module(const char* path) : module(path) {}
  Module module;
};

namespace {

thread_local std::string last_error;

int failed(const std::string& why) {
  last_error = why;
  return 1;
}

std::string code(Error error) { return "ExecuTorch's error " + std::to_string(static_cast<unsigned>(error)); }

// Row-major without gaps; the stride of a dimension of one element does not matter.
bool contiguous(const Tensor& tensor) {
  executorch::aten::StridesType expected = 1;
  for (ssize_t d = tensor.dim() - 1; d >= 0; --d) {
    if (tensor.size(d) != 1 && tensor.strides()[d] != expected) return false;
    expected *= tensor.size(d);
  }
  return true;
}

}  // namespace

et_module* et_open(const char* path) {
  auto* opened = new et_module(path);
  const Error error = opened->module.load();
  if (error == Error::Ok) return opened;
  failed(std::string(path) + " is not a readable .pte file: " + code(error));
  delete opened;
  return nullptr;
}

int et_run(et_module* module, const char* method, size_t input_count, const float* const* inputs,
           const size_t* input_elements, size_t output_count, float* const* outputs, const size_t* output_elements) {
  const std::string name(method);
  const auto meta = module->module.method_meta(name);
  if (!meta.ok()) return failed("there is no method " + name + ": " + code(meta.error()));
  if (meta->num_inputs() != input_count || meta->num_outputs() != output_count) {
    return failed(name + " has " + std::to_string(meta->num_inputs()) + " inputs and " +
                  std::to_string(meta->num_outputs()) + " outputs; the manifest says otherwise");
  }
  std::vector<TensorPtr> tensors;
  std::vector<EValue> values;
  for (size_t i = 0; i < input_count; ++i) {
    const auto info = meta->input_tensor_meta(i);
    if (!info.ok()) return failed(name + "'s input " + std::to_string(i) + " is not a tensor");
    size_t elements = 1;
    for (const auto size : info->sizes()) elements *= size;
    if (info->scalar_type() != ScalarType::Float || elements != input_elements[i]) {
      return failed(name + "'s input " + std::to_string(i) + " does not have the manifest's shape of float32");
    }
    std::vector<SizesType> sizes(info->sizes().begin(), info->sizes().end());
    tensors.push_back(from_blob(const_cast<float*>(inputs[i]), std::move(sizes), ScalarType::Float));
    values.emplace_back(*tensors.back());
  }
  const auto result = module->module.execute(name, values);
  if (!result.ok()) return failed(name + " failed with " + code(result.error()));
  for (size_t i = 0; i < output_count; ++i) {
    const std::string what = name + "'s output " + std::to_string(i);
    if (!result->at(i).isTensor()) return failed(what + " is not a tensor");
    const Tensor tensor = result->at(i).toTensor();
    if (tensor.scalar_type() != ScalarType::Float || static_cast<size_t>(tensor.numel()) != output_elements[i]) {
      return failed(what + " does not have the manifest's shape of float32");
    }
    if (!contiguous(tensor)) {
      return failed(what + " is not contiguous in memory; its bytes would be read in the wrong order, convert again");
    }
    std::memcpy(outputs[i], tensor.const_data_ptr<float>(), tensor.nbytes());
  }
  return 0;
}

void et_close(et_module* module) { delete module; }

const char* et_error(void) { return last_error.c_str(); }
