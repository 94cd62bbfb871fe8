// Made from shim.h by engines/tensorrt/make-bindings. Do not edit.

pub const TRTSEL_SHIM_MAX_RANK: i32 = 8;
pub const TRTSEL_SHIM_OK: i32 = 0;
pub const TRTSEL_SHIM_REFUSED: i32 = 1;
pub const TRTSEL_SHIM_ARGUMENT: i32 = 2;
pub const TRTSEL_SHIM_UNSUPPORTED: i32 = 3;
pub const TRTSEL_SHIM_MEMORY: i32 = 4;
pub const TRTSEL_SHIM_ENTERPRISE: i32 = 0;
pub const TRTSEL_SHIM_RTX: i32 = 1;
pub const TRTSEL_SHIM_INTERNAL_ERROR: i32 = 0;
pub const TRTSEL_SHIM_ERROR: i32 = 1;
pub const TRTSEL_SHIM_WARNING: i32 = 2;
pub const TRTSEL_SHIM_INFO: i32 = 3;
pub const TRTSEL_SHIM_VERBOSE: i32 = 4;
pub const TRTSEL_SHIM_F32: i32 = 0;
pub const TRTSEL_SHIM_F16: i32 = 1;
pub const TRTSEL_SHIM_STAGE_BUILDER: i32 = 0;
pub const TRTSEL_SHIM_STAGE_PARSER: i32 = 1;
pub const TRTSEL_SHIM_STAGE_PARSE: i32 = 2;
pub const TRTSEL_SHIM_STAGE_INPUTS: i32 = 3;
pub const TRTSEL_SHIM_STAGE_FP16: i32 = 4;
pub const TRTSEL_SHIM_STAGE_TARGET: i32 = 5;
pub const TRTSEL_SHIM_STAGE_COMPATIBLE: i32 = 6;
pub const TRTSEL_SHIM_STAGE_TACTICS: i32 = 7;
pub const TRTSEL_SHIM_STAGE_CACHE: i32 = 8;
pub const TRTSEL_SHIM_STAGE_CACHE_FITS: i32 = 9;
pub const TRTSEL_SHIM_STAGE_BUILD: i32 = 10;
pub const TRTSEL_SHIM_TACTICS_CUBLAS: i32 = 1;
pub const TRTSEL_SHIM_TACTICS_CUBLAS_LT: i32 = 2;
pub const TRTSEL_SHIM_TACTICS_CUDNN: i32 = 4;
pub const TRTSEL_SHIM_TACTICS_EDGE_MASK_CONVOLUTIONS: i32 = 8;
pub const TRTSEL_SHIM_TACTICS_JIT_CONVOLUTIONS: i32 = 16;
#[repr(C)]
#[derive(Debug)]
pub struct trtsel_shim_runtime {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug)]
pub struct trtsel_shim_engine {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug)]
pub struct trtsel_shim_context {
    _unused: [u8; 0],
}
pub type trtsel_shim_log_fn =
    ::core::option::Option<unsafe extern "C" fn(severity: i32, message: *const ::core::ffi::c_char)>;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct trtsel_shim_allocator {
    pub user: *mut ::core::ffi::c_void,
    pub allocate:
        ::core::option::Option<unsafe extern "C" fn(user: *mut ::core::ffi::c_void, bytes: u64, alignment: u64) -> u64>,
    pub release: ::core::option::Option<unsafe extern "C" fn(user: *mut ::core::ffi::c_void, address: u64) -> i32>,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of trtsel_shim_allocator"][::core::mem::size_of::<trtsel_shim_allocator>() - 24usize];
    ["Alignment of trtsel_shim_allocator"][::core::mem::align_of::<trtsel_shim_allocator>() - 8usize];
    ["Offset of field: trtsel_shim_allocator::user"][::core::mem::offset_of!(trtsel_shim_allocator, user) - 0usize];
    ["Offset of field: trtsel_shim_allocator::allocate"]
        [::core::mem::offset_of!(trtsel_shim_allocator, allocate) - 8usize];
    ["Offset of field: trtsel_shim_allocator::release"]
        [::core::mem::offset_of!(trtsel_shim_allocator, release) - 16usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct trtsel_shim_tensor {
    pub name: *const ::core::ffi::c_char,
    pub is_input: i32,
    pub data_type: i32,
    pub is_linear: i32,
    pub is_on_device: i32,
    pub rank: i32,
    pub extents: [i64; 8usize],
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of trtsel_shim_tensor"][::core::mem::size_of::<trtsel_shim_tensor>() - 96usize];
    ["Alignment of trtsel_shim_tensor"][::core::mem::align_of::<trtsel_shim_tensor>() - 8usize];
    ["Offset of field: trtsel_shim_tensor::name"][::core::mem::offset_of!(trtsel_shim_tensor, name) - 0usize];
    ["Offset of field: trtsel_shim_tensor::is_input"][::core::mem::offset_of!(trtsel_shim_tensor, is_input) - 8usize];
    ["Offset of field: trtsel_shim_tensor::data_type"]
        [::core::mem::offset_of!(trtsel_shim_tensor, data_type) - 12usize];
    ["Offset of field: trtsel_shim_tensor::is_linear"]
        [::core::mem::offset_of!(trtsel_shim_tensor, is_linear) - 16usize];
    ["Offset of field: trtsel_shim_tensor::is_on_device"]
        [::core::mem::offset_of!(trtsel_shim_tensor, is_on_device) - 20usize];
    ["Offset of field: trtsel_shim_tensor::rank"][::core::mem::offset_of!(trtsel_shim_tensor, rank) - 24usize];
    ["Offset of field: trtsel_shim_tensor::extents"][::core::mem::offset_of!(trtsel_shim_tensor, extents) - 32usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct trtsel_shim_build_options {
    pub onnx_path: *const ::core::ffi::c_char,
    pub target_sm: i32,
    pub fp16: i32,
    pub version_compatible: i32,
    pub exclude_lean_runtime: i32,
    pub workspace_bytes: u64,
    pub tactics_on: u32,
    pub tactics_off: u32,
    pub timing_cache: *const ::core::ffi::c_void,
    pub timing_cache_bytes: u64,
    pub user: *mut ::core::ffi::c_void,
    pub timed: ::core::option::Option<
        unsafe extern "C" fn(user: *mut ::core::ffi::c_void, data: *const ::core::ffi::c_void, bytes: u64),
    >,
    pub problem:
        ::core::option::Option<unsafe extern "C" fn(user: *mut ::core::ffi::c_void, text: *const ::core::ffi::c_char)>,
    pub phase_started: ::core::option::Option<
        unsafe extern "C" fn(
            user: *mut ::core::ffi::c_void,
            phase: *const ::core::ffi::c_char,
            parent: *const ::core::ffi::c_char,
            steps: i32,
        ),
    >,
    pub step_done: ::core::option::Option<
        unsafe extern "C" fn(user: *mut ::core::ffi::c_void, phase: *const ::core::ffi::c_char, step: i32),
    >,
    pub phase_finished:
        ::core::option::Option<unsafe extern "C" fn(user: *mut ::core::ffi::c_void, phase: *const ::core::ffi::c_char)>,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of trtsel_shim_build_options"][::core::mem::size_of::<trtsel_shim_build_options>() - 104usize];
    ["Alignment of trtsel_shim_build_options"][::core::mem::align_of::<trtsel_shim_build_options>() - 8usize];
    ["Offset of field: trtsel_shim_build_options::onnx_path"]
        [::core::mem::offset_of!(trtsel_shim_build_options, onnx_path) - 0usize];
    ["Offset of field: trtsel_shim_build_options::target_sm"]
        [::core::mem::offset_of!(trtsel_shim_build_options, target_sm) - 8usize];
    ["Offset of field: trtsel_shim_build_options::fp16"]
        [::core::mem::offset_of!(trtsel_shim_build_options, fp16) - 12usize];
    ["Offset of field: trtsel_shim_build_options::version_compatible"]
        [::core::mem::offset_of!(trtsel_shim_build_options, version_compatible) - 16usize];
    ["Offset of field: trtsel_shim_build_options::exclude_lean_runtime"]
        [::core::mem::offset_of!(trtsel_shim_build_options, exclude_lean_runtime) - 20usize];
    ["Offset of field: trtsel_shim_build_options::workspace_bytes"]
        [::core::mem::offset_of!(trtsel_shim_build_options, workspace_bytes) - 24usize];
    ["Offset of field: trtsel_shim_build_options::tactics_on"]
        [::core::mem::offset_of!(trtsel_shim_build_options, tactics_on) - 32usize];
    ["Offset of field: trtsel_shim_build_options::tactics_off"]
        [::core::mem::offset_of!(trtsel_shim_build_options, tactics_off) - 36usize];
    ["Offset of field: trtsel_shim_build_options::timing_cache"]
        [::core::mem::offset_of!(trtsel_shim_build_options, timing_cache) - 40usize];
    ["Offset of field: trtsel_shim_build_options::timing_cache_bytes"]
        [::core::mem::offset_of!(trtsel_shim_build_options, timing_cache_bytes) - 48usize];
    ["Offset of field: trtsel_shim_build_options::user"]
        [::core::mem::offset_of!(trtsel_shim_build_options, user) - 56usize];
    ["Offset of field: trtsel_shim_build_options::timed"]
        [::core::mem::offset_of!(trtsel_shim_build_options, timed) - 64usize];
    ["Offset of field: trtsel_shim_build_options::problem"]
        [::core::mem::offset_of!(trtsel_shim_build_options, problem) - 72usize];
    ["Offset of field: trtsel_shim_build_options::phase_started"]
        [::core::mem::offset_of!(trtsel_shim_build_options, phase_started) - 80usize];
    ["Offset of field: trtsel_shim_build_options::step_done"]
        [::core::mem::offset_of!(trtsel_shim_build_options, step_done) - 88usize];
    ["Offset of field: trtsel_shim_build_options::phase_finished"]
        [::core::mem::offset_of!(trtsel_shim_build_options, phase_finished) - 96usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct trtsel_shim_plan {
    pub data: *const ::core::ffi::c_void,
    pub bytes: u64,
    pub owner: *mut ::core::ffi::c_void,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of trtsel_shim_plan"][::core::mem::size_of::<trtsel_shim_plan>() - 24usize];
    ["Alignment of trtsel_shim_plan"][::core::mem::align_of::<trtsel_shim_plan>() - 8usize];
    ["Offset of field: trtsel_shim_plan::data"][::core::mem::offset_of!(trtsel_shim_plan, data) - 0usize];
    ["Offset of field: trtsel_shim_plan::bytes"][::core::mem::offset_of!(trtsel_shim_plan, bytes) - 8usize];
    ["Offset of field: trtsel_shim_plan::owner"][::core::mem::offset_of!(trtsel_shim_plan, owner) - 16usize];
};
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct trtsel_shim_table {
    pub edition: i32,
    pub major: i32,
    pub minor: i32,
    pub patch: i32,
    pub build: i32,
    pub has_fp16: i32,
    pub has_targets: i32,
    pub has_progress: i32,
    pub has_parser: i32,
    pub has_version_compatible: i32,
    pub set_log: ::core::option::Option<unsafe extern "C" fn(log: trtsel_shim_log_fn)>,
    pub plugins_register: ::core::option::Option<unsafe extern "C" fn(entry: *mut ::core::ffi::c_void) -> i32>,
    pub runtime_create: ::core::option::Option<
        unsafe extern "C" fn(
            entry: *mut ::core::ffi::c_void,
            library_version: i32,
            allocator: *const trtsel_shim_allocator,
            out: *mut *mut trtsel_shim_runtime,
        ) -> i32,
    >,
    pub runtime_destroy: ::core::option::Option<unsafe extern "C" fn(runtime: *mut trtsel_shim_runtime)>,
    pub runtime_allow_host_code:
        ::core::option::Option<unsafe extern "C" fn(runtime: *mut trtsel_shim_runtime, allowed: i32) -> i32>,
    pub runtime_load: ::core::option::Option<
        unsafe extern "C" fn(
            runtime: *mut trtsel_shim_runtime,
            path: *const ::core::ffi::c_char,
            allocator: *const trtsel_shim_allocator,
            out: *mut *mut trtsel_shim_runtime,
        ) -> i32,
    >,
    pub engine_deserialize: ::core::option::Option<
        unsafe extern "C" fn(
            runtime: *mut trtsel_shim_runtime,
            plan: *const ::core::ffi::c_void,
            bytes: u64,
            out: *mut *mut trtsel_shim_engine,
        ) -> i32,
    >,
    pub engine_destroy: ::core::option::Option<unsafe extern "C" fn(engine: *mut trtsel_shim_engine)>,
    pub engine_tensor_count:
        ::core::option::Option<unsafe extern "C" fn(engine: *const trtsel_shim_engine, out: *mut i32) -> i32>,
    pub engine_tensor: ::core::option::Option<
        unsafe extern "C" fn(engine: *const trtsel_shim_engine, index: i32, out: *mut trtsel_shim_tensor) -> i32,
    >,
    pub engine_activation_bytes:
        ::core::option::Option<unsafe extern "C" fn(engine: *const trtsel_shim_engine, out: *mut u64) -> i32>,
    pub engine_profile_count:
        ::core::option::Option<unsafe extern "C" fn(engine: *const trtsel_shim_engine, out: *mut i32) -> i32>,
    pub context_create: ::core::option::Option<
        unsafe extern "C" fn(engine: *mut trtsel_shim_engine, out: *mut *mut trtsel_shim_context) -> i32,
    >,
    pub context_destroy: ::core::option::Option<unsafe extern "C" fn(context: *mut trtsel_shim_context)>,
    pub context_set_activation: ::core::option::Option<
        unsafe extern "C" fn(context: *mut trtsel_shim_context, address: u64, bytes: u64) -> i32,
    >,
    pub context_set_address: ::core::option::Option<
        unsafe extern "C" fn(context: *mut trtsel_shim_context, index: i32, address: u64) -> i32,
    >,
    pub context_set_shape: ::core::option::Option<
        unsafe extern "C" fn(context: *mut trtsel_shim_context, index: i32, rank: i32, extents: *const i64) -> i32,
    >,
    pub context_shape: ::core::option::Option<
        unsafe extern "C" fn(context: *const trtsel_shim_context, index: i32, rank: *mut i32, extents: *mut i64) -> i32,
    >,
    pub context_enqueue:
        ::core::option::Option<unsafe extern "C" fn(context: *mut trtsel_shim_context, stream: u64) -> i32>,
    pub plan_build: ::core::option::Option<
        unsafe extern "C" fn(
            builder_entry: *mut ::core::ffi::c_void,
            parser_entry: *mut ::core::ffi::c_void,
            library_version: i32,
            options: *const trtsel_shim_build_options,
            out: *mut trtsel_shim_plan,
            stage: *mut i32,
        ) -> i32,
    >,
    pub plan_free: ::core::option::Option<unsafe extern "C" fn(owner: *mut ::core::ffi::c_void)>,
}
#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of trtsel_shim_table"][::core::mem::size_of::<trtsel_shim_table>() - 208usize];
    ["Alignment of trtsel_shim_table"][::core::mem::align_of::<trtsel_shim_table>() - 8usize];
    ["Offset of field: trtsel_shim_table::edition"][::core::mem::offset_of!(trtsel_shim_table, edition) - 0usize];
    ["Offset of field: trtsel_shim_table::major"][::core::mem::offset_of!(trtsel_shim_table, major) - 4usize];
    ["Offset of field: trtsel_shim_table::minor"][::core::mem::offset_of!(trtsel_shim_table, minor) - 8usize];
    ["Offset of field: trtsel_shim_table::patch"][::core::mem::offset_of!(trtsel_shim_table, patch) - 12usize];
    ["Offset of field: trtsel_shim_table::build"][::core::mem::offset_of!(trtsel_shim_table, build) - 16usize];
    ["Offset of field: trtsel_shim_table::has_fp16"][::core::mem::offset_of!(trtsel_shim_table, has_fp16) - 20usize];
    ["Offset of field: trtsel_shim_table::has_targets"]
        [::core::mem::offset_of!(trtsel_shim_table, has_targets) - 24usize];
    ["Offset of field: trtsel_shim_table::has_progress"]
        [::core::mem::offset_of!(trtsel_shim_table, has_progress) - 28usize];
    ["Offset of field: trtsel_shim_table::has_parser"]
        [::core::mem::offset_of!(trtsel_shim_table, has_parser) - 32usize];
    ["Offset of field: trtsel_shim_table::has_version_compatible"]
        [::core::mem::offset_of!(trtsel_shim_table, has_version_compatible) - 36usize];
    ["Offset of field: trtsel_shim_table::set_log"][::core::mem::offset_of!(trtsel_shim_table, set_log) - 40usize];
    ["Offset of field: trtsel_shim_table::plugins_register"]
        [::core::mem::offset_of!(trtsel_shim_table, plugins_register) - 48usize];
    ["Offset of field: trtsel_shim_table::runtime_create"]
        [::core::mem::offset_of!(trtsel_shim_table, runtime_create) - 56usize];
    ["Offset of field: trtsel_shim_table::runtime_destroy"]
        [::core::mem::offset_of!(trtsel_shim_table, runtime_destroy) - 64usize];
    ["Offset of field: trtsel_shim_table::runtime_allow_host_code"]
        [::core::mem::offset_of!(trtsel_shim_table, runtime_allow_host_code) - 72usize];
    ["Offset of field: trtsel_shim_table::runtime_load"]
        [::core::mem::offset_of!(trtsel_shim_table, runtime_load) - 80usize];
    ["Offset of field: trtsel_shim_table::engine_deserialize"]
        [::core::mem::offset_of!(trtsel_shim_table, engine_deserialize) - 88usize];
    ["Offset of field: trtsel_shim_table::engine_destroy"]
        [::core::mem::offset_of!(trtsel_shim_table, engine_destroy) - 96usize];
    ["Offset of field: trtsel_shim_table::engine_tensor_count"]
        [::core::mem::offset_of!(trtsel_shim_table, engine_tensor_count) - 104usize];
    ["Offset of field: trtsel_shim_table::engine_tensor"]
        [::core::mem::offset_of!(trtsel_shim_table, engine_tensor) - 112usize];
    ["Offset of field: trtsel_shim_table::engine_activation_bytes"]
        [::core::mem::offset_of!(trtsel_shim_table, engine_activation_bytes) - 120usize];
    ["Offset of field: trtsel_shim_table::engine_profile_count"]
        [::core::mem::offset_of!(trtsel_shim_table, engine_profile_count) - 128usize];
    ["Offset of field: trtsel_shim_table::context_create"]
        [::core::mem::offset_of!(trtsel_shim_table, context_create) - 136usize];
    ["Offset of field: trtsel_shim_table::context_destroy"]
        [::core::mem::offset_of!(trtsel_shim_table, context_destroy) - 144usize];
    ["Offset of field: trtsel_shim_table::context_set_activation"]
        [::core::mem::offset_of!(trtsel_shim_table, context_set_activation) - 152usize];
    ["Offset of field: trtsel_shim_table::context_set_address"]
        [::core::mem::offset_of!(trtsel_shim_table, context_set_address) - 160usize];
    ["Offset of field: trtsel_shim_table::context_set_shape"]
        [::core::mem::offset_of!(trtsel_shim_table, context_set_shape) - 168usize];
    ["Offset of field: trtsel_shim_table::context_shape"]
        [::core::mem::offset_of!(trtsel_shim_table, context_shape) - 176usize];
    ["Offset of field: trtsel_shim_table::context_enqueue"]
        [::core::mem::offset_of!(trtsel_shim_table, context_enqueue) - 184usize];
    ["Offset of field: trtsel_shim_table::plan_build"]
        [::core::mem::offset_of!(trtsel_shim_table, plan_build) - 192usize];
    ["Offset of field: trtsel_shim_table::plan_free"][::core::mem::offset_of!(trtsel_shim_table, plan_free) - 200usize];
};
