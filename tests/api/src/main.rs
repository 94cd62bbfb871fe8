//! `api-listing FILE` prints the public items of a crate, one a line, from the JSON file that rustdoc wrote.
//!
//! It leaves out what every type has (blanket and auto traits) and what `derive` writes.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("api-listing: expected a file of rustdoc's JSON, got none");
        return ExitCode::from(2);
    };
    let builder = public_api::Builder::from_rustdoc_json(&file)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true);
    match builder.build() {
        Ok(api) => {
            for item in api.items() {
                println!("{item}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("api-listing: {}: {error}", file.to_string_lossy());
            ExitCode::FAILURE
        }
    }
}
