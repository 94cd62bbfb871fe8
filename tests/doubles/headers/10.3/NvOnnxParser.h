#pragma once
#include "NvInfer.h"
#include "../nvonnxparser.h"
