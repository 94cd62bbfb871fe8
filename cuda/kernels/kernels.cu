// All kernels: one source for the PTX, for NVRTC, and for the host.
#include "features_whole.cu"
#include "features_grid.cu"
#include "preprocess.cu"
#include "signals.cu"
