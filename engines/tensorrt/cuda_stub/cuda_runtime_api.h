/* All that TensorRT's headers need of CUDA: two opaque pointers. A CUDA toolkit is not needed to build the shim. */
#ifndef TRTSEL_CUDA_RUNTIME_API_H
#define TRTSEL_CUDA_RUNTIME_API_H

typedef struct CUevent_st *cudaEvent_t;
typedef struct CUstream_st *cudaStream_t;

#endif
