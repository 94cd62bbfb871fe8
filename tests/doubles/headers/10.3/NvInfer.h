#pragma once
#include "NvInferVersion.h"
#include "../nvinfer.h"
