//! Texts for C: they lie in buffers of a fixed size, are cut between two characters to fit, and end with a NUL.

use std::ffi::c_char;

/// Room for a line of text that always ends with a NUL.
pub(super) struct Text {
    bytes: [u8; Text::BYTES],
    len: usize,
}

impl Text {
    pub(super) const BYTES: usize = 1024;

    pub(super) const fn new() -> Text {
        Text { bytes: [0; Text::BYTES], len: 0 }
    }

    pub(super) fn set(&mut self, line: &str) {
        self.len = 0;
        self.push(line);
    }

    fn push(&mut self, line: &str) {
        let end = fitting(line, Text::BYTES - 1 - self.len);
        self.bytes[self.len..self.len + end].copy_from_slice(&line.as_bytes()[..end]);
        self.len += end;
        self.bytes[self.len] = 0;
    }

    pub(super) fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, line: &str) -> std::fmt::Result {
        self.push(line);
        Ok(())
    }
}

/// How many bytes of a text fit into `room` bytes without cutting a character in two.
pub(super) fn fitting(line: &str, room: usize) -> usize {
    let mut end = line.len().min(room);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// Writes a text to the caller's buffer, cut to what fits, with a NUL behind it. Does nothing where the buffer is NULL or has 0
/// bytes.
///
/// # Safety
/// `buffer` is NULL, or points to `bytes` writable bytes.
pub(super) unsafe fn write_text(line: &str, buffer: *mut c_char, bytes: usize) {
    if buffer.is_null() || bytes == 0 {
        return;
    }
    let end = fitting(line, bytes - 1);
    // SAFETY: `end` is less than `bytes`, the size of the caller's buffer, which does not overlap a text of the library.
    unsafe {
        std::ptr::copy_nonoverlapping(line.as_ptr(), buffer.cast(), end);
        buffer.add(end).write(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!((fitting("aé", 3), fitting("aé", 2), fitting("aé", 1), fitting("", 5)), (3, 1, 1, 0));
        let mut text = Text::new();
        text.set(&"é".repeat(2000));
        assert_eq!(text.len, Text::BYTES - 2);
        assert_eq!(text.bytes[text.len], 0);
        let mut buffer = [0x55_u8; 8];
        // SAFETY: the buffer has more than 6 bytes.
        unsafe { write_text("abcdé", buffer.as_mut_ptr().cast(), 6) };
        assert_eq!(&buffer, b"abcd\0\x55\x55\x55");
    }
}
