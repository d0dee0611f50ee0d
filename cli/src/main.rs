//! `heddle FILE.db`: the shell that users of `sqlite3` expect, over HeddleDB.
//!
//! - [`arguments`]: the command line; [`shell`]: statements and dot commands, one after the other.
//! - [`input`]: lines from a terminal or a pipe, and where a statement ends; [`completion`]: what the Tab key offers.
//! - [`commands`]: the dot commands; [`output`]: where results go; [`render`]: how they look.

mod arguments;
mod commands;
mod completion;
mod input;
mod output;
mod render;
mod settings;
mod shell;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = arguments::read();
    let outcome = shell::Shell::open(&arguments).and_then(|mut shell| {
        let fine = shell.run(&arguments);
        let closed = shell.close();
        fine.and_then(|fine| closed.map(|()| fine))
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
