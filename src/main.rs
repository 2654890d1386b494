//! The `otpost` binary: hands the command line to [`otpost::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    otpost::cli::run()
}
