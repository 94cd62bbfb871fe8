//! The CUDA driver, opened at run time: context, stream, event, graph, memory, kernels.
//!
//! - Nothing links against CUDA. [`Driver::load`] opens the driver's library once a process and looks its calls up one by
//!   one. What a CUDA 10.2 driver has is required ([`REQUIRED_CALLS`]), the rest is used where it is there
//!   ([`OPTIONAL_CALLS`]). A missing library, a missing call or an unknown result is an [`Error`], never a panic.
//! - Types and constants are cudarc's; its calls are not used. They panic where a symbol is missing, and their result type
//!   is a Rust enum, for which a result of a newer driver would be undefined behaviour.
//! - Every object keeps its [`Context`] alive, pushes it around each of its calls and pops it afterwards, so that the
//!   context that is current in the calling thread is never changed.
//! - An error that no caller can be given (in `Drop`, or when the context is popped) is kept: see [`Context::take_error`].
//! - Entering a context, recording, querying and waiting for events and streams, asynchronous copies, kernel and graph
//!   launches neither allocate nor lock in this layer, as long as they succeed.
//!
//! # Threads
//! Everything can be sent to another thread. Contexts, streams, events, modules, functions and buffers can be shared too: the
//! driver takes care of itself. [`Graph`] and [`GraphExec`] cannot: the driver does not guard them. A capture must end in the
//! thread in which it began.

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

/// What the layer's calls give.
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
