//! `cargo xtask fuzz`: a fuzz target under libFuzzer, for a while.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::run;
use crate::workspace::Workspace;

/// How the compiler has to mark branches and comparisons for libFuzzer to see them. It works with the stable toolchain;
/// the code is safe, so nothing is lost without a sanitizer of memory.
const MARKED: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// What to run.
#[derive(clap::Args)]
pub struct Arguments {
    /// The target: a folder of tests/fuzz/corpus.
    target: String,
    /// How long, in seconds.
    #[arg(long, default_value_t = 1800)]
    seconds: u64,
}

/// Runs a target over its corpus and what it makes of it. New inputs are kept in `target/fuzz/corpus`; one that breaks a
/// promise is left in the target's own corpus, where the suite meets it.
///
/// # Errors
/// If there is no such target, it does not build, or an input breaks a promise.
pub fn fuzz(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let seeds = workspace
        .root
        .join("tests/fuzz/corpus")
        .join(&arguments.target);
    if !seeds.is_dir() {
        return Err(Error::other(format!(
            "there is no fuzz target {:?}",
            arguments.target
        )));
    }
    let found = workspace.target.join("fuzz/corpus").join(&arguments.target);
    std::fs::create_dir_all(&found).map_err(|error| Error::other(error.to_string()))?;

    let mut fuzzer = std::process::Command::new(build(workspace)?);
    fuzzer
        .arg(found)
        .arg(&seeds)
        .arg(format!("-max_total_time={}", arguments.seconds))
        .arg(format!("-artifact_prefix={}/", seeds.display()))
        .args([
            "-timeout=20",
            "-rss_limit_mb=2048",
            "-max_len=8192",
            "-print_final_stats=1",
        ])
        .env("COFFER_FUZZ_TARGET", &arguments.target);
    run::run(&mut fuzzer)
}

fn build(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("fuzz");
    // That it is named keeps the marks out of build scripts and macros.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = workspace.cargo();
    cargo
        .args([
            "build",
            "--package",
            "coffer-fuzz",
            "--features",
            "libfuzzer",
        ])
        .args(["--profile", "fuzz", "--target", &platform, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", MARKED)
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    run::run(&mut cargo)?;
    Ok(folder.join(platform).join("fuzz/coffer-fuzz"))
}
