//! Kernels.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::sync::Arc;

use cudarc::driver::sys::{CUfunc_st, CUjit_option, CUmod_st};

use super::table::call;
use super::{Context, Error, ErrorKind, Raw, Result, Stream};
use crate::kernels::Cubin;

/// The call that loads kernels.
const LOAD: &str = "cuModuleLoadDataEx";

struct Inner {
    context: Context,
    raw: Raw<CUmod_st>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the handle is ours; its functions hold this object.
        self.context.release("cuModuleUnload", |table| unsafe { (table.cuModuleUnload)(self.raw.0) });
    }
}

/// Kernels that the driver has loaded. They stay loaded until this object and the last [`Function`] of it are dropped.
pub struct Module {
    inner: Arc<Inner>,
}

impl Module {
    /// Has the driver compile PTX for the context's device (it keeps the result in its cache on disk).
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where the text holds a zero byte; the call's, with what the assembler wrote.
    pub fn load_ptx(context: &Context, ptx: &str) -> Result<Module> {
        let ptx = CString::new(ptx).map_err(|zero| {
            let message = format!("{LOAD}: expected PTX, got a text with a zero byte at {}", zero.nul_position());
            Error::new(ErrorKind::Misuse, LOAD, message)
        })?;
        let mut log = [0 as c_char; 4096];
        let mut options =
            [CUjit_option::CU_JIT_ERROR_LOG_BUFFER as c_int, CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES as c_int];
        // Each value is a pointer, or a number in the place of one. The driver writes the size of its log into the second.
        let mut values = [log.as_mut_ptr().cast::<c_void>(), std::ptr::without_provenance_mut::<c_void>(log.len())];
        // SAFETY: the text ends with 0; options and values are two each and as the header asks.
        let loaded = unsafe { Module::load(context, ptx.as_ptr().cast(), &mut options, &mut values) };
        loaded?.map_err(|code| {
            log[4095] = 0;
            // SAFETY: the last character is 0.
            let said = unsafe { CStr::from_ptr(log.as_ptr()) }.to_string_lossy();
            Error::of_call_about(LOAD, code, "", &said)
        })
    }

    /// Loads the product's kernels as machine code: the driver compiles nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where what was built in is damaged; the call's, where the device or the driver is another one than the code
    /// is for. The PTX is for all of them: [`Module::load_ptx`].
    pub fn load_cubin(context: &Context, cubin: &Cubin) -> Result<Module> {
        let about = format!(" of the kernels for {}", cubin.name());
        let image = cubin.image().ok_or_else(|| {
            let message =
                format!("{LOAD}{about}: expected a zlib stream of machine code, got damaged bytes; report it");
            Error::new(ErrorKind::Misuse, LOAD, message)
        })?;
        // SAFETY: the image is an ELF file as ptxas wrote it, whole and at a multiple of 8 (only `cubin_for` gives a `Cubin`).
        let loaded = unsafe { Module::load(context, image.as_ptr().cast(), &mut [], &mut []) };
        loaded?.map_err(|code| Error::of_call_about(LOAD, code, &about, ""))
    }

    /// Loads kernels in either form. The driver copies what it needs of the image. Its refusal is the inner error, by the driver's number.
    ///
    /// # Safety
    /// `image` is PTX that ends with 0, or a whole cubin at a multiple of 8. The options are the header's, each with its value.
    unsafe fn load(
        context: &Context,
        image: *const c_void,
        options: &mut [c_int],
        values: &mut [*mut c_void],
    ) -> Result<std::result::Result<Module, c_int>> {
        debug_assert_eq!(options.len(), values.len(), "each option has its value");
        let mut raw = std::ptr::null_mut();
        let entered = context.enter()?;
        let (count, options, values) = (options.len() as c_uint, options.as_mut_ptr(), values.as_mut_ptr());
        // SAFETY: image, options and values are the caller's word; the call writes one handle.
        let code = unsafe { (context.table().cuModuleLoadDataEx)(&mut raw, image, count, options, values) };
        drop(entered);
        let module = || Module { inner: Arc::new(Inner { context: context.clone(), raw: Raw(raw) }) };
        Ok(if code == 0 { Ok(module()) } else { Err(code) })
    }

    /// A kernel by the name of its entry.
    ///
    /// # Errors
    /// The call's: `CUDA_ERROR_NOT_FOUND` where there is no such kernel.
    pub fn function(&self, name: &CStr) -> Result<Function> {
        let mut raw = std::ptr::null_mut();
        let inner = &self.inner;
        inner.context.with(|table| {
            // SAFETY: the module is alive, the name ends with 0; the call writes one handle.
            match unsafe { (table.cuModuleGetFunction)(&mut raw, inner.raw.0, name.as_ptr()) } {
                0 => Ok(()),
                code => {
                    let about = format!(" of {}", name.to_string_lossy());
                    Err(Error::of_call_about("cuModuleGetFunction", code, &about, ""))
                }
            }
        })?;
        Ok(Function { module: Arc::clone(inner), raw: Raw(raw) })
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module({:#x})", self.inner.raw.0 as u64)
    }
}

/// A kernel. Keeps its module loaded.
#[derive(Clone)]
pub struct Function {
    module: Arc<Inner>,
    raw: Raw<CUfunc_st>,
}

impl Function {
    /// Enqueues the kernel. `grid` is in blocks, `block` in threads, `shared_bytes` is dynamic shared memory for each block. The
    /// arguments are copied before the call returns (in a capture: into the graph). Does not allocate.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    ///
    /// # Safety
    /// `args` has a pointer to each parameter of the kernel, in order and of its type. All memory that the kernel reaches
    /// through them is alive until it is done and is not used by the host meanwhile, except by such means as
    /// [`super::PinnedBuffer::load_u64`]. In a capture this holds for every launch of the graph.
    #[inline]
    pub unsafe fn launch(
        &self,
        stream: &Stream,
        grid: [u32; 3],
        block: [u32; 3],
        shared_bytes: u32,
        args: &mut [*mut c_void],
    ) -> Result<()> {
        let ([gx, gy, gz], [bx, by, bz]) = (grid, block);
        let (function, stream, args) = (self.raw.0, stream.handle(), args.as_mut_ptr());
        let none = std::ptr::null_mut();
        // SAFETY: function and stream are alive; the rest is the caller's promise.
        self.module.context.with(|table| unsafe {
            call!(table, cuLaunchKernel(function, gx, gy, gz, bx, by, bz, shared_bytes, stream, args, none))
        })
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Function({:#x})", self.raw.0 as u64)
    }
}
