//! What fuzzing found once, run again: `regressions/TARGET/`, each file named by what had gone wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use heddle_fuzz::targets;
use std::path::Path;

#[test]
fn what_was_found_once_is_found_no_more() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut ran = 0;
    for (target, run) in targets::ALL {
        let Ok(entries) = std::fs::read_dir(folder.join(target)) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            run(&std::fs::read(&path).unwrap());
            ran += 1;
        }
    }
    println!("{ran} inputs");
}
