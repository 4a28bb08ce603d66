//! The perigee binary.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the version is asked for on standard output")]

mod arguments;
mod config_file;

use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use arguments::{Invocation, USAGE};
use config_file::BAD_DIRECTIVE;

fn main() -> ExitCode {
    let arguments: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    match arguments::parse(&arguments, &mut std::io::stdin()) {
        Ok(Invocation::Version) => {
            println!("perigee v={}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Help) => eprintln!("{USAGE}"),
        Ok(Invocation::Refuse(why)) => eprintln!("{why}"),
        Ok(Invocation::Serve { config_path: _, directives }) => match directives.first() {
            Some(directive) => eprintln!("{}", directive.origin.refuse(BAD_DIRECTIVE)),
            None => return ExitCode::SUCCESS,
        },
        Err(error) => eprintln!("{error}"),
    }
    ExitCode::FAILURE
}
