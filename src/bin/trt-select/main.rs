//! The command line. Each subcommand has a file of its own. Results go to stdout, and everything else goes to stderr.
#![forbid(unsafe_code)]

mod bench;
mod build;
mod common;
mod compile;
mod costs;
mod inspect;
mod memory;
mod profile;
mod provenance;
mod remedies;
mod report;
mod run;
mod study;
mod train;
mod version;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use trt_select::ErrorKind;

/// Runs each input on the cheapest DNN that will be right.
#[derive(Parser)]
#[command(name = "trt-select", version, long_version = version::long(), max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures every candidate and the adaptive selector on a bundle's samples, side by side
    Bench(bench::Args),
    /// Runs every candidate on every sample and writes the profile table that `train` reads
    Profile(profile::Args),
    /// Trains a premodel from a profile table and prints the Pareto front of reward against cost
    Train(train::Args),
    /// Writes the papers' baselines, tables and plots of a profile or a bundle
    Study(study::Args),
    /// Builds TensorRT plans: of an ONNX model, or of every candidate of a bundle
    Build(build::Args),
    /// Writes a premodel as Rust or freestanding C99 source code
    Compile(compile::Args),
    /// Classifies images, and shows which candidate answered, why, and in what time
    Run(run::Args),
    /// Prints the host, pinned and device memory that a bundle's candidates take
    Memory(memory::Args),
    /// Shows a bundle: candidates, program as a tree, worst case
    Inspect(inspect::Args),
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn"))
        .format_timestamp(None)
        .format_target(false)
        .init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version go to stdout as clap writes them. An error is printed as one line on stderr.
        Err(e) if !e.use_stderr() => {
            return if common::print(&e.to_string()).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Err(e) if e.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            common::say(e);
            return ExitCode::from(2);
        }
        Err(e) => {
            let text = e.to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let line: Vec<&str> = first.lines().map(str::trim).collect();
            common::say(format_args!("trt-select: {}; see --help", line.join(" ").trim_start_matches("error: ")));
            return ExitCode::from(2);
        }
    };
    let result = match cli.command {
        Command::Bench(args) => bench::main(&args),
        Command::Profile(args) => profile::main(&args),
        Command::Train(args) => train::main(&args),
        Command::Study(args) => study::main(&args),
        Command::Build(args) => build::main(&args),
        Command::Compile(args) => compile::main(&args),
        Command::Run(args) => run::main(&args),
        Command::Memory(args) => memory::main(&args),
        Command::Inspect(args) => inspect::main(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            common::say(format_args!("trt-select: {}", common::line_of(&error)));
            ExitCode::from(if error.kind() == ErrorKind::Usage { 2 } else { 1 })
        }
    }
}
