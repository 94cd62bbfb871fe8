//! trt-select
