//! The error below an error.

use std::error::Error;
use std::ops::Deref;
use std::sync::Arc;

/// The error that caused another one, for its `source()`. Clones share it; two causes are equal if they say the same.
///
/// It is no `Error` itself: what it dereferences to is, so that `source()` gives the error that was put in, which can be downcast.
///
/// ```
/// use std::io;
/// use trt_select_base::cause::Cause;
///
/// let cause = Cause::from(io::Error::from(io::ErrorKind::NotFound));
/// assert!(cause.downcast_ref::<io::Error>().is_some());
/// assert_eq!(cause, cause.clone());
/// ```
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl<E: Error + Send + Sync + 'static> From<E> for Cause {
    fn from(error: E) -> Self {
        Cause(Arc::new(error))
    }
}

impl Deref for Cause {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl std::fmt::Debug for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&*self.0, f)
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl Eq for Cause {}
