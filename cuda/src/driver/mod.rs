//! The CUDA driver, opened at run time: context, stream, event, graph, memory, kernels.
//!
//! - Nothing links against CUDA. [`Driver::load`] opens the driver's library once a process and looks its calls up one by
//!   one. What a CUDA 10.2 driver has is required ([`REQUIRED_CALLS`]), the rest is used where it is there
//!   ([`OPTIONAL_CALLS`]). A missing library, a missing call or an unknown result is an [`Error`], never a panic.
//! - Types and constants are cudarc's; its calls are not used. They panic where a symbol is missing, and their result type
//!   is a Rust enum, for which a result of a newer driver would be undefined behaviour.
//! - Every object keeps its [`Context`] alive. Each of its calls makes that context current in the calling thread and puts back the
//!   one that was current before.
//! - An error that cannot be returned to a caller (in `Drop`, or when the context before is put back) is kept:
//!   [`Context::take_error`] gives it.
//! - Entering a context, recording, querying and waiting for events and streams, asynchronous copies, kernel and graph
//!   launches neither allocate nor lock in this layer, as long as they succeed.
//!
//! # Threads
//! Everything can be sent to another thread. Contexts, streams, events, modules, functions and buffers can be shared too: the
//! driver takes care of itself. [`Graph`] and [`GraphExec`] cannot: the driver does not guard them. A capture must end in the
//! thread in which it began.
//!
//! # Example
//! ```
//! use trt_select_cuda::driver::{Context, DeviceBuffer};
//!
//! fn round_trip() -> Result<(), trt_select_cuda::driver::Error> {
//!     let context = Context::primary(0)?;
//!     let mut block = DeviceBuffer::new(&context, 4)?;
//!     block.write(0, &[1, 2, 3, 4])?;
//!     let mut back = [0; 4];
//!     block.read(0, &mut back)?;
//!     assert_eq!(back, [1, 2, 3, 4]);
//!     Ok(())
//! }
//! // On a machine without a GPU this says what is missing.
//! if let Err(error) = round_trip() {
//!     eprintln!("{error}");
//! }
//! ```

mod context;
mod error;
mod event;
mod graph;
mod load;
mod memory;
mod module;
mod names;
mod pinned;
mod stream;
mod table;

pub use context::{Allocated, Context, DeviceInfo, Entered};
pub use error::{Error, ErrorKind};
pub use event::Event;
pub use graph::{Graph, GraphExec};
pub use load::{Driver, VARIABLE};
pub use memory::DeviceBuffer;
pub use module::{Function, Module};
pub use names::result_name;
pub use pinned::{Owner, PinnedBuffer, Registered};
pub use stream::Stream;
pub use table::{OPTIONAL_CALLS, REQUIRED_CALLS};

/// The result of the layer's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A handle of the driver. It is not a pointer to this process's data.
struct Raw<T>(*mut T);

impl<T> Clone for Raw<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Raw<T> {}

// SAFETY: a handle is a number to us; the driver allows its use from any thread that has entered the context.
unsafe impl<T> Send for Raw<T> {}
// SAFETY: as above. Objects whose handles the driver does not guard are made `!Sync` where they are declared.
unsafe impl<T> Sync for Raw<T> {}
