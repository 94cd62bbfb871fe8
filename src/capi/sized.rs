//! Structs whose first field is their own size, so that a program and a library of different versions can work together.

use super::status::{Fail, TRTSEL_NULL_POINTER, TRTSEL_STRUCT_SIZE};

/// A struct of the C ABI whose first field is `struct_size`, the struct's size in the version that the caller was compiled with.
///
/// # Safety
/// The struct is `repr(C)`, begins with a `u32`, and has no padding; any bytes, also all zeros, are a valid value of it.
pub(super) unsafe trait Sized_: Copy {
    /// The size of the struct's first version, in bytes. A smaller `struct_size` is refused.
    const FIRST: usize;
}

/// The largest `struct_size` that is accepted, in bytes: a larger one is taken for memory that the caller did not initialise.
const MOST: usize = 4096;

const NULL: Fail = Fail::new(TRTSEL_NULL_POINTER, "argument: expected a struct, got NULL; give its address");
const SIZE: Fail = Fail::new(
    TRTSEL_STRUCT_SIZE,
    "argument: expected a struct_size of this or an earlier version, got another; set it to sizeof of the struct",
);
const UNKNOWN: Fail = Fail::new(
    TRTSEL_STRUCT_SIZE,
    "argument: expected zeros in the fields that this version does not know, got something; use a newer library",
);

/// The size that the caller's struct states in its first field, checked.
fn size_of_caller<T: Sized_>(pointer: *const T) -> Result<usize, Fail> {
    // Later versions only add fields.
    const { assert!(size_of::<T>() >= T::FIRST && T::FIRST >= size_of::<u32>()) };
    if pointer.is_null() {
        return Err(NULL);
    }
    // SAFETY: both callers of this function were promised a struct that begins with its size.
    let size = unsafe { pointer.cast::<u32>().read_unaligned() } as usize;
    if size < T::FIRST || size > MOST { Err(SIZE) } else { Ok(size) }
}

/// Reads the caller's struct. Fields that the caller's version lacks are read as zeros; fields that this version lacks must be
/// zero.
///
/// # Safety
/// `pointer` is NULL, or points to a struct of as many bytes as its first field says.
pub(super) unsafe fn read<T: Sized_>(pointer: *const T) -> Result<T, Fail> {
    let size = size_of_caller(pointer)?;
    if size == size_of::<T>() {
        // SAFETY: the caller's struct has as many bytes as `T`.
        return Ok(unsafe { pointer.read_unaligned() });
    }
    let common = size.min(size_of::<T>());
    // SAFETY: the caller's struct has `size` bytes.
    let rest = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>().add(common), size - common) };
    if rest.iter().any(|&b| b != 0) {
        return Err(UNKNOWN);
    }
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: both structs have at least `common` bytes, and any bytes are a value of `T`.
    unsafe {
        std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), value.as_mut_ptr().cast(), common);
        Ok(value.assume_init())
    }
}

/// A struct of the caller's that the library will write.
#[derive(Clone, Copy)]
pub(super) struct Output<T> {
    pointer: *mut T,
    size: usize,
}

impl<T: Sized_> Output<T> {
    /// Checks the pointer and the size that the struct states.
    ///
    /// # Safety
    /// `pointer` is NULL, or points to a struct of as many bytes as its first field says, which stays valid until
    /// [`Output::write`].
    pub(super) unsafe fn new(pointer: *mut T) -> Result<Output<T>, Fail> {
        Ok(Output { pointer, size: size_of_caller(pointer)? })
    }

    /// Writes the fields that both versions have, and sets further fields of the caller's version to zero. `struct_size` stays as
    /// the caller set it.
    pub(super) fn write(self, value: &T) {
        let common = self.size.min(size_of::<T>());
        let skip = size_of::<u32>();
        // SAFETY: `new` was promised a struct of `size` bytes, and `value` has at least `common` bytes.
        unsafe {
            let to = self.pointer.cast::<u8>();
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(value).cast::<u8>().add(skip),
                to.add(skip),
                common - skip,
            );
            to.add(common).write_bytes(0, self.size - common);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Three {
        struct_size: u32,
        a: u32,
        b: u64,
    }

    // SAFETY: `repr(C)`, numbers only, no padding.
    unsafe impl Sized_ for Three {
        const FIRST: usize = 8;
    }

    #[repr(C)]
    struct Longer {
        three: Three,
        more: u64,
    }

    #[test]
    fn sizes_of_other_versions() {
        let mut longer = Longer { three: Three { struct_size: 24, a: 1, b: 2 }, more: 0 };
        let pointer = (&raw mut longer).cast::<Three>();
        // SAFETY: the struct has 24 bytes, and `struct_size` never says more.
        unsafe {
            assert_eq!(read(pointer).unwrap(), longer.three);
            longer.more = 1;
            assert_eq!(read(pointer).unwrap_err().status, TRTSEL_STRUCT_SIZE);
            (*pointer).struct_size = 8;
            assert_eq!(read(pointer).unwrap(), Three { struct_size: 8, a: 1, b: 0 });
            for bad in [0, 7, 4097, u32::MAX] {
                (*pointer).struct_size = bad;
                assert_eq!(read(pointer).unwrap_err().status, TRTSEL_STRUCT_SIZE);
                assert!(Output::new(pointer).is_err());
            }
            assert_eq!(read::<Three>(std::ptr::null()).unwrap_err().status, TRTSEL_NULL_POINTER);
            (*pointer).struct_size = 24;
            Output::new(pointer).unwrap().write(&Three { struct_size: 99, a: 7, b: 8 });
            assert_eq!(((*pointer).struct_size, (*pointer).a, (*pointer).b, longer.more), (24, 7, 8, 0));
            (*pointer).struct_size = 8;
            Output::new(pointer).unwrap().write(&Three { struct_size: 99, a: 3, b: 9 });
            assert_eq!(((*pointer).struct_size, (*pointer).a, (*pointer).b), (8, 3, 8));
        }
    }
}
