//! Graphs: work that was captured once and is launched many times.

use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

use cudarc::driver::sys::{CUgraph_st, CUgraphExec_st};

use super::table::check;
use super::{Context, Error, ErrorKind, Raw, Result, Stream};

/// The error of a driver that has no graphs.
#[cold]
pub(super) fn no_graphs() -> Error {
    let message = "CUDA graphs: expected a driver that has them, got one without; do without graphs";
    Error::new(ErrorKind::Unsupported, "cuGraphInstantiate", message)
}

/// The work that a stream has captured.
///
/// Can be sent to another thread but not shared: the driver does not guard it.
pub struct Graph {
    context: Context,
    raw: Raw<CUgraph_st>,
    not_shared: PhantomData<Cell<()>>,
}

impl Graph {
    /// Takes over a graph's handle: it is destroyed with the object.
    pub(super) fn from_raw(context: Context, raw: *mut CUgraph_st) -> Graph {
        Graph { context, raw: Raw(raw), not_shared: PhantomData }
    }

    /// Makes the graph ready to be launched. The graph is not needed afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the driver has no graphs; the call's, with what the driver wrote about it.
    pub fn instantiate(&self) -> Result<GraphExec> {
        let table = self.context.table();
        let _entered = self.context.enter()?;
        let mut raw = std::ptr::null_mut();
        if let Some(instantiate) = table.cuGraphInstantiateWithFlags {
            // SAFETY: the graph is alive; the call writes one handle.
            check("cuGraphInstantiateWithFlags", unsafe { instantiate(&mut raw, self.raw.0, 0) })?;
        } else {
            let (name, instantiate) = match (table.cuGraphInstantiate_v2, table.cuGraphInstantiate) {
                (Some(newer), _) => ("cuGraphInstantiate_v2", newer),
                (None, Some(plain)) => ("cuGraphInstantiate", plain),
                (None, None) => return Err(no_graphs()),
            };
            let mut node = std::ptr::null_mut();
            let mut log = [0 as c_char; 1024];
            // SAFETY: the graph is alive; the call writes two handles and at most that many characters.
            let code = unsafe { instantiate(&mut raw, self.raw.0, &mut node, log.as_mut_ptr(), log.len()) };
            if code != 0 {
                log[1023] = 0;
                // SAFETY: the last character is 0.
                let said = unsafe { CStr::from_ptr(log.as_ptr()) }.to_string_lossy();
                return Err(Error::of_call_about(name, code, "", &said));
            }
        }
        Ok(GraphExec { context: self.context.clone(), raw: Raw(raw), not_shared: PhantomData })
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Graph({:#x})", self.raw.0 as u64)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        if let Some(destroy) = self.context.table().cuGraphDestroy {
            // SAFETY: the handle is ours and goes with this object.
            self.context.release("cuGraphDestroy", |_| unsafe { destroy(self.raw.0) });
        }
    }
}

/// A graph that can be launched.
///
/// Can be sent to another thread but not shared: the driver does not guard it.
pub struct GraphExec {
    context: Context,
    raw: Raw<CUgraphExec_st>,
    not_shared: PhantomData<Cell<()>>,
}

impl GraphExec {
    /// Enqueues all the work of the graph. A launch waits for the launch before it, also where that is on another stream. Does not
    /// allocate.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    ///
    /// # Safety
    /// All memory that the graph's nodes use is alive until they are done and is not used by the host meanwhile, except by
    /// such means as [`super::PinnedBuffer::load_u64`]; what the captured calls asked for (kernels' arguments, libraries'
    /// own memory) still holds.
    #[inline]
    pub unsafe fn launch(&self, stream: &Stream) -> Result<()> {
        let Some(launch) = self.context.table().cuGraphLaunch else { return Err(no_graphs()) };
        // SAFETY: both handles are alive; the nodes' memory is the caller's promise.
        self.context.with(|_| check("cuGraphLaunch", unsafe { launch(self.raw.0, stream.handle()) }))
    }
}

impl std::fmt::Debug for GraphExec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GraphExec({:#x})", self.raw.0 as u64)
    }
}

impl Drop for GraphExec {
    fn drop(&mut self) {
        if let Some(destroy) = self.context.table().cuGraphExecDestroy {
            // SAFETY: the handle is ours and goes with this object.
            self.context.release("cuGraphExecDestroy", |_| unsafe { destroy(self.raw.0) });
        }
    }
}
