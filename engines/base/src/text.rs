//! Texts for one line, and bytes as text.

use std::borrow::Cow;
use std::fmt::Write;

/// A text of several lines as one line: its lines joined by `; `, empty ones left out. Other control characters are escaped. Messages
/// of libraries and names of files may hold anything; an error of ours is one line all the same.
///
/// A text without control characters is given back as it is, and nothing is allocated.
///
/// ```
/// use trt_select_base::text::one_line;
/// assert_eq!(one_line("line 1;\n  fatal: abandoned\n"), "line 1; fatal: abandoned");
/// assert_eq!(one_line("a bell: \u{7}"), "a bell: \\u{7}");
/// ```
pub fn one_line<'a>(text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    let text = text.into();
    if !text.contains(char::is_control) {
        return text;
    }
    let lines: Vec<&str> = text
        .split(['\n', '\r', '\0'])
        .map(|line| line.trim_matches([' ', ';']))
        .filter(|line| !line.is_empty())
        .collect();
    let mut out = String::with_capacity(text.len());
    for c in lines.join("; ").chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Bytes in small hexadecimal digits.
///
/// ```
/// assert_eq!(trt_select_base::text::hex(&[0x0a, 0xff]), "0aff");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_become_one() {
        for (text, expected) in [
            ("", ""),
            ("plain; as it is ;", "plain; as it is ;"),
            ("a\nb", "a; b"),
            ("y\r\n  z\u{7}", "y; z\\u{7}"),
            ("of a library: no;\n", "of a library: no"),
            ("line 1; syntax\n  fatal : abandoned\n", "line 1; syntax; fatal : abandoned"),
            ("\n\r\0", ""),
            ("tab\there", "tab\\there"),
        ] {
            assert_eq!(one_line(text), expected, "{text:?}");
        }
        assert!(matches!(one_line("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn bytes_have_two_digits_each() {
        assert_eq!(hex(&[]), "");
        assert_eq!(hex(&[0, 1, 0x10, 0xab]), "000110ab");
    }
}
