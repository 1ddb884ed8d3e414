/* ExecuTorch's C++ Module behind C functions, for callers that can call C only. Tests run artifacts through it. */
#ifndef TINYSAM2_EXECUTORCH_SHIM_H
#define TINYSAM2_EXECUTORCH_SHIM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct et_module et_module;

/* Opens a .pte file. Returns NULL where it cannot be read; et_error() says why. */
et_module* et_open(const char* path);

/* Runs a method on float32 tensors, row-major, in the method's order; the counts are numbers of elements.
 * Returns 0, or another number where a tensor does not fit, the method fails, or an output is not contiguous in memory:
 * a caller without strides would read such an output in the wrong order. et_error() says why. */
int et_run(et_module* module, const char* method, size_t input_count, const float* const* inputs,
           const size_t* input_elements, size_t output_count, float* const* outputs, const size_t* output_elements);

void et_close(et_module* module);

/* What the last call of this thread that failed failed at. */
const char* et_error(void);

#ifdef __cplusplus
}
#endif

#endif
