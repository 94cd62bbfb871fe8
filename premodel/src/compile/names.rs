//! Names for source code.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A name as an identifier's part: letters, digits and `_`.
pub(super) fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Names for constants, in the order given: upper case, each its own, and beginning with a letter. A name that would be there
/// a second time gets its number.
pub(super) fn constants(names: &[String]) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let mut constant = identifier(name).to_ascii_uppercase();
        if !constant.starts_with(|c: char| c.is_ascii_uppercase()) {
            constant.insert(0, 'N');
        }
        while taken.contains(&constant) {
            constant = format!("{constant}_{i}");
        }
        taken.push(constant);
    }
    taken
}

/// The word that begins every name of a C file: identifiers that begin with a digit or with `_` are not ours to use.
pub(super) fn prefix(name: &str) -> String {
    let word = identifier(name);
    let word = word.trim_start_matches('_');
    if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) {
        format!("premodel_{word}")
    } else {
        word.to_string()
    }
}

/// What names in C begin with.
pub(super) struct Names {
    /// Begins types and functions.
    pub(super) x: String,
    /// Begins constants.
    pub(super) k: String,
}

impl Names {
    pub(super) fn of(name: &str) -> Names {
        let x = prefix(name);
        Names { k: x.to_ascii_uppercase(), x }
    }
}

/// A text that cannot end a comment, go on past its line, or be read as a trigraph.
pub(super) fn comment(text: &str) -> String {
    let dull = |c: char| (c.is_ascii_graphic() || c == ' ') && !matches!(c, '\\' | '?');
    text.chars().map(|c| if dull(c) { c } else { '_' }).collect::<String>().replace("*/", "*_").replace("/*", "_*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_fit() {
        let names = ["a-b", "a_b", "A.b", "a_b_2", "naïve", "2x", "_"].map(String::from);
        let constants = constants(&names);
        assert_eq!(constants, ["A_B", "A_B_1", "A_B_2", "A_B_2_3", "NA_VE", "N2X", "N_"]);
        assert_eq!(
            [prefix("my-model"), prefix("2nd"), prefix("_x"), prefix("é")],
            ["my_model", "premodel_2nd", "x", "premodel_"]
        );
        assert_eq!(comment("a */ b /* c \\ d ??/ é\n"), "a *_ b _* c _ d __/ __");
    }
}
