//! Compiles a component ahead of time, with the engine's own configuration: `coffer-precompile IN.wasm OUT.cwasm`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        eprintln!("usage: coffer-precompile IN.wasm OUT.cwasm");
        return ExitCode::FAILURE;
    };
    let run = || -> Result<(), Box<dyn std::error::Error>> {
        let compiled = coffer_runtime::Engine::new()?.precompile(&std::fs::read(input)?)?;
        Ok(std::fs::write(output, compiled)?)
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", input.display());
            ExitCode::FAILURE
        }
    }
}
