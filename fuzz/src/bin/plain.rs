//! A driver for a stable compiler: mutates the corpus without knowing what each mutation reached.
//!
//! `plain TARGET CORPUS SECONDS [SEED]`, or `plain TARGET FILE` to run one input. What panics is kept beside the corpus, in
//! `CORPUS/../../artifacts/TARGET/`, before it ends the program.

use heddle_fuzz::targets;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An input that takes longer has found something.
const SLOW: Duration = Duration::from_secs(10);
/// Longest input.
const MAX: usize = 1 << 18;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, path, rest @ ..] = arguments.as_slice() else {
        eprintln!("plain TARGET FILE | plain TARGET CORPUS SECONDS [SEED]");
        std::process::exit(2);
    };
    let Some((_, run)) = targets::ALL.iter().find(|(name, _)| name == target) else {
        eprintln!("no target {target}");
        std::process::exit(2);
    };
    let path = Path::new(path);
    let Some(seconds) = rest.first().and_then(|seconds| seconds.parse().ok()) else {
        return run(&std::fs::read(path).expect("the input"));
    };
    let seed = rest.get(1).and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    fuzz(target, *run, path, Duration::from_secs(seconds), seed);
}

fn fuzz(target: &str, run: fn(&[u8]), corpus: &Path, time: Duration, seed: u64) {
    let mut inputs: Vec<Vec<u8>> = Vec::new();
    for entry in std::fs::read_dir(corpus).into_iter().flatten().flatten() {
        inputs.extend(std::fs::read(entry.path()).ok().filter(|input| input.len() <= MAX));
    }
    if inputs.is_empty() {
        inputs.push(Vec::new());
    }
    let keep = artifacts(corpus, target);
    let mut rng = fastrand::Rng::with_seed(seed);
    let start = Instant::now();
    let mut count = 0u64;
    while start.elapsed() < time {
        let input = mutate(&inputs, &mut rng);
        let began = Instant::now();
        // A panic on a thread of the database's own does not come back here; `panic = "abort"` is not needed for the rest.
        let ended = std::panic::catch_unwind(|| run(&input));
        count += 1;
        if ended.is_err() || began.elapsed() > SLOW {
            std::fs::create_dir_all(&keep).expect("a folder for what is found");
            let file = keep.join(format!("seed-{seed}-{count}"));
            std::fs::write(&file, &input).expect("what was found is kept");
            eprintln!("{target}: seed {seed}, input {count}: {}", file.display());
            std::process::exit(1);
        }
    }
    let per_second = count as f64 / start.elapsed().as_secs_f64();
    println!("{target}: {count} inputs, {per_second:.0}/s, seed {seed}: nothing found");
}

fn artifacts(corpus: &Path, target: &str) -> PathBuf {
    let root = corpus.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    root.join("artifacts").join(target)
}

fn mutate(inputs: &[Vec<u8>], rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut input = inputs[rng.usize(..inputs.len())].clone();
    for _ in 0..rng.usize(1..8) {
        if input.is_empty() {
            input.push(rng.u8(..));
        }
        let at = rng.usize(..input.len());
        // Half of all mutations near the beginning, where headers are.
        let at = if rng.bool() { at.min(rng.usize(..128)) } else { at };
        match rng.u8(..8) {
            0 => input[at] ^= 1 << rng.u8(..8),
            1 => input[at] = rng.u8(..),
            2 => input[at] = *rng.choice(&[0, 1, 0x7f, 0x80, 0xff]).unwrap_or(&0),
            3 => input[at] = input[at].wrapping_add(1),
            4 => {
                let end = (at + rng.usize(1..9)).min(input.len());
                input[at..end].fill(*rng.choice(&[0, 0xff]).unwrap_or(&0));
            }
            5 => input.truncate(at),
            6 => {
                let end = (at + rng.usize(1..64)).min(input.len());
                let piece = input[at..end].to_vec();
                let to = rng.usize(..input.len());
                let end = (to + piece.len()).min(input.len());
                input[to..end].copy_from_slice(&piece[..end - to]);
            }
            _ => {
                let other = &inputs[rng.usize(..inputs.len())];
                if other.len() > at {
                    let end = (at + rng.usize(1..512)).min(other.len()).min(input.len());
                    if end > at {
                        input[at..end].copy_from_slice(&other[at..end]);
                    }
                }
            }
        }
    }
    input.truncate(MAX);
    input
}
