//! Kernels.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::Arc;

use cudarc::driver::sys::{CUfunc_st, CUjit_option, CUmod_st};

use super::table::call;
use super::{Context, Error, ErrorKind, Raw, Result, Stream};
use crate::kernels::Cubin;

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
        const CALL: &str = "cuModuleLoadDataEx";
        let ptx = CString::new(ptx).map_err(|zero| {
            let message = format!("{CALL}: expected PTX, got a text with a zero byte at {}", zero.nul_position());
            Error::new(ErrorKind::Misuse, CALL, message)
        })?;
        let mut log = [0 as c_char; 4096];
        let mut options =
            [CUjit_option::CU_JIT_ERROR_LOG_BUFFER as c_int, CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES as c_int];
        // Each value is a pointer, or a number in the place of one. The driver writes the size of its log into the second.
        let mut values = [log.as_mut_ptr().cast::<c_void>(), std::ptr::without_provenance_mut::<c_void>(log.len())];
        let mut raw = std::ptr::null_mut();
        let entered = context.enter()?;
        // SAFETY: the text ends with 0; options and values are two each and as the header asks; the call writes one handle.
        let code = unsafe {
            let text = ptx.as_ptr().cast::<c_void>();
            (context.table().cuModuleLoadDataEx)(&mut raw, text, 2, options.as_mut_ptr(), values.as_mut_ptr())
        };
        drop(entered);
        if code != 0 {
            log[4095] = 0;
            // SAFETY: the last character is 0.
            let said = unsafe { CStr::from_ptr(log.as_ptr()) }.to_string_lossy();
            return Err(Error::of_call_about(CALL, code, "", &said));
        }
        Ok(Module { inner: Arc::new(Inner { context: context.clone(), raw: Raw(raw) }) })
    }

    /// Loads the product's kernels as machine code: the driver compiles nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where what was built in is damaged; the call's, where the device or the driver is another one than the code
    /// is for. The PTX is for all of them: [`Module::load_ptx`].
    pub fn load_cubin(context: &Context, cubin: &Cubin) -> Result<Module> {
        const CALL: &str = "cuModuleLoadDataEx";
        let about = format!(" of the kernels for {}", cubin.name());
        let image = cubin.image().ok_or_else(|| {
            let message =
                format!("{CALL}{about}: expected a zlib stream of machine code, got damaged bytes; report it");
            Error::new(ErrorKind::Misuse, CALL, message)
        })?;
        let mut raw = std::ptr::null_mut();
        let entered = context.enter()?;
        // SAFETY: the image is an ELF file as ptxas wrote it, whole and at a multiple of 8 (only `cubin_for` gives a `Cubin`); there are
        // no options; the call copies what it needs and writes one handle.
        let code = unsafe {
            let image = image.as_ptr().cast::<c_void>();
            (context.table().cuModuleLoadDataEx)(&mut raw, image, 0, std::ptr::null_mut(), std::ptr::null_mut())
        };
        drop(entered);
        if code != 0 {
            return Err(Error::of_call_about(CALL, code, &about, ""));
        }
        Ok(Module { inner: Arc::new(Inner { context: context.clone(), raw: Raw(raw) }) })
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
