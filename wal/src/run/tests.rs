//! Run files against a sorted map; their bytes against `docs/format.md`; damage; files that go.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use heddle_base::TreeId;
use heddle_io::{Env, Fault, Operation, Simulation};

use super::*;
use crate::Error;

const DB: &str = "/d/x.db";
type Model = BTreeMap<(TreeId, Vec<u8>), Option<Vec<u8>>>;

fn db() -> &'static Path {
    Path::new(DB)
}

async fn write(env: &Env, name: RunName, model: &Model) -> Result<Arc<RunFile>> {
    let mut writer = RunWriter::create(env, db(), name).await?;
    for ((tree, key), value) in model {
        writer.push(*tree, key, value.as_deref())?;
        if writer.wants_flush() {
            writer.flush().await?;
        }
    }
    writer.finish().await
}

/// Changes with keys that share beginnings, long ones, values from none to larger than a block.
fn random_model(rng: &mut fastrand::Rng, keys: usize) -> Model {
    let mut model = Model::new();
    for _ in 0..keys {
        let tree = TreeId(rng.u32(1..4));
        let key = match rng.u32(..20) {
            0 => Vec::new(),
            1 => vec![0xff; rng.usize(1..2000)],
            2 => [&vec![7; rng.usize(1000..1100)][..], &rng.u8(..).to_be_bytes()].concat(),
            _ => rng.u32(..keys as u32 * 2).to_be_bytes().to_vec(),
        };
        let value = match rng.u32(..200) {
            0 => Some(vec![rng.u8(..); rng.usize(30_000..300_000)]),
            1..20 => None,
            _ => Some(vec![rng.u8(..); rng.usize(..300)]),
        };
        model.insert((tree, key), value);
    }
    model
}

/// A read that loads what it lacks.
async fn get(run: &RunFile, tree: TreeId, key: &[u8]) -> Result<Option<Option<Vec<u8>>>> {
    let _pin = match run.try_get(tree, key) {
        RunProbe::NeedsIo(block) => Some(run.load(block).await?),
        _ => None,
    };
    match run.try_get(tree, key) {
        RunProbe::Absent => Ok(None),
        RunProbe::Found(value) => Ok(Some(value.map(|value| value.to_vec()))),
        RunProbe::NeedsIo(block) => panic!("K1: {block:?} is gone"),
    }
}

type Row = (Vec<u8>, Option<Vec<u8>>);

fn row(key: &[u8], value: Option<&[u8]>) -> Row {
    (key.to_vec(), value.map(<[u8]>::to_vec))
}

/// Up to `limit` changes from a bound on, by seek and step.
async fn walk(
    run: &RunFile,
    tree: TreeId,
    bound: Bound<&[u8]>,
    direction: RunDirection,
    limit: usize,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut _pin;
    let mut place = loop {
        match run.try_seek(tree, bound, direction) {
            RunSeek::End => return Ok(rows),
            RunSeek::At(place) => break place,
            RunSeek::NeedsIo(block) => _pin = run.load(block).await?,
        }
    };
    while rows.len() < limit {
        rows.push(row(place.key(), place.value()));
        loop {
            match run.try_step(&mut place, direction) {
                RunStep::Moved => break,
                RunStep::End => return Ok(rows),
                RunStep::NeedsIo(block) => _pin = run.load(block).await?,
            }
        }
    }
    Ok(rows)
}

async fn walk_cursor(
    run: &Arc<RunFile>,
    tree: TreeId,
    bound: Bound<&[u8]>,
    direction: RunDirection,
    limit: usize,
) -> Result<Vec<Row>> {
    let mut cursor = RunCursor::new(Arc::clone(run), tree, bound, direction);
    let mut rows = Vec::new();
    while rows.len() < limit
        && let Some(entry) = cursor.next().await?
    {
        rows.push(row(&entry.key, entry.value.as_deref()));
    }
    Ok(rows)
}

fn expected(
    model: &Model,
    tree: TreeId,
    bound: Bound<&[u8]>,
    direction: RunDirection,
    limit: usize,
) -> Vec<Row> {
    let beyond = |key: &[u8]| match (bound, direction) {
        (Bound::Unbounded, _) => true,
        (Bound::Included(bound), RunDirection::Forward) => key >= bound,
        (Bound::Excluded(bound), RunDirection::Forward) => key > bound,
        (Bound::Included(bound), RunDirection::Backward) => key <= bound,
        (Bound::Excluded(bound), RunDirection::Backward) => key < bound,
    };
    let here = model.iter().filter(|((of, key), _)| *of == tree && beyond(key));
    let rows = here.map(|((_, key), value)| row(key, value.as_deref()));
    match direction {
        RunDirection::Forward => rows.take(limit).collect(),
        RunDirection::Backward => rows.rev().take(limit).collect(),
    }
}

#[test]
fn a_run_answers_as_a_sorted_map_does() {
    for seed in 0..12 {
        let simulation = Simulation::new(seed);
        let env = simulation.env();
        let mut rng = fastrand::Rng::with_seed(seed);
        let keys = [0, 1, 50, 3000][rng.usize(..4)];
        let model = random_model(&mut rng, keys);
        simulation
            .block_on(async move {
                let name = RunName::new(seed);
                drop(write(&env, name, &model).await?);
                let run = RunFile::open(&env, db(), name).await?;
                assert_eq!(run.len(), model.len() as u64);
                check(&run, &model, &mut rng).await
            })
            .unwrap();
    }
}

async fn check(run: &Arc<RunFile>, model: &Model, rng: &mut fastrand::Rng) -> Result<()> {
    for ((tree, key), value) in model {
        assert!(run.may_contain(*tree, key), "B1");
        assert_eq!(get(run, *tree, key).await?, Some(value.clone()));
    }
    for round in 0..200 {
        let tree = TreeId(rng.u32(..5));
        let keys: Vec<&Vec<u8>> = model.keys().map(|(_, key)| key).collect();
        let mut key = match rng.choice(keys) {
            Some(key) if rng.bool() => key.clone(),
            _ => rng.u32(..).to_be_bytes().to_vec(),
        };
        if rng.bool() {
            key.push(0);
        }
        assert_eq!(get(run, tree, &key).await?, model.get(&(tree, key.clone())).cloned());
        let bound = match rng.u32(..5) {
            0 => Bound::Unbounded,
            1 | 2 => Bound::Included(&key[..]),
            _ => Bound::Excluded(&key[..]),
        };
        let direction = if rng.bool() { RunDirection::Forward } else { RunDirection::Backward };
        let limit = if round % 40 == 0 { usize::MAX } else { rng.usize(1..20) };
        let rows = expected(model, tree, bound, direction, limit);
        assert_eq!(walk(run, tree, bound, direction, limit).await?, rows);
        assert_eq!(walk_cursor(run, tree, bound, direction, limit).await?, rows);
        let intersects = match direction {
            RunDirection::Forward => run.may_intersect(tree, bound, Bound::Unbounded),
            RunDirection::Backward => run.may_intersect(tree, Bound::Unbounded, bound),
        };
        assert!(intersects || rows.is_empty(), "fences never deny what is there");
    }
    Ok(())
}

#[test]
fn filters_and_fences_deny_most_of_what_is_absent_without_a_read() {
    let simulation = Simulation::new(1);
    let env = simulation.env();
    let model: Model = (0..20_000_u64)
        .map(|n| ((TreeId(1), (n * 2 + 1000).to_be_bytes().to_vec()), Some(vec![1; 20])))
        .collect();
    let run =
        simulation.block_on(async move { write(&env, RunName::new(1), &model).await }).unwrap();
    let absent = (0..20_000_u64).map(|n| n * 2 + 1001);
    let passed = absent.filter(|key| run.may_contain(TreeId(1), &key.to_be_bytes())).count();
    assert!(passed < 400, "{passed} of 20,000");
    let from = |key: u64| key.to_be_bytes();
    assert!(!run.may_contain(TreeId(2), &from(1000)));
    assert!(!run.may_intersect(TreeId(1), Bound::Unbounded, Bound::Excluded(&from(1000)[..])));
    assert!(!run.may_intersect(TreeId(1), Bound::Included(&from(41_000)[..]), Bound::Unbounded));
    let index = run.memory() as u64 - run.bytes();
    assert!(index < 32 << 10, "{index} bytes of index for 20,000 keys");
}

#[test]
fn v1_what_is_out_of_order_is_refused() {
    let simulation = Simulation::new(1);
    let env = simulation.env();
    simulation
        .block_on(async move {
            let mut writer = RunWriter::create(&env, db(), RunName::new(1)).await?;
            writer.push(TreeId(2), b"b", None)?;
            for (tree, key) in [(2, "b"), (2, "a"), (1, "c")] {
                let pushed = writer.push(TreeId(tree), key.as_bytes(), None);
                assert!(matches!(pushed, Err(Error::RunOrder { .. })), "{tree} {key}");
            }
            let run = writer.finish().await?;
            assert_eq!((run.len(), run.trees()), (1, &[TreeId(2)][..]));
            Ok::<(), Error>(())
        })
        .unwrap();
}

#[test]
fn a_merge_keeps_of_each_key_the_newest_change() {
    let simulation = Simulation::new(3);
    let env = simulation.env();
    let mut rng = fastrand::Rng::with_seed(3);
    simulation
        .block_on(async move {
            let (mut runs, mut whole) = (Vec::new(), Model::new());
            for n in 0..5 {
                let model = random_model(&mut rng, 400);
                runs.insert(0, write(&env, RunName::new(n), &model).await?);
                whole.extend(model);
            }
            let merged = merge_runs(&env, db(), RunName::new(9), &runs).await?;
            assert_eq!(merged.len(), whole.len() as u64);
            check(&merged, &whole, &mut rng).await
        })
        .unwrap();
}

#[test]
fn n2_a_run_that_was_not_finished_or_is_obsolete_leaves_no_file() {
    let simulation = Simulation::new(1);
    let env = simulation.env();
    let left = simulation
        .block_on(async move {
            let model = random_model(&mut fastrand::Rng::with_seed(1), 100);
            let mut writer = RunWriter::create(&env, db(), RunName::new(1)).await?;
            writer.push(TreeId(1), b"k", None)?;
            let kept = write(&env, RunName::new(2), &model).await?;
            let gone = write(&env, RunName::new(3), &model).await?;
            assert_eq!(list_runs(&env, db()).await?, [1, 2, 3].map(RunName::new));
            drop((writer, kept));
            gone.set_obsolete();
            let other = Arc::clone(&gone);
            drop(gone);
            env.runtime.sleep(std::time::Duration::from_secs(1)).await;
            assert_eq!(list_runs(&env, db()).await?, [2, 3].map(RunName::new));
            drop(other);
            env.runtime.sleep(std::time::Duration::from_secs(1)).await;
            let left = list_runs(&env, db()).await?;
            remove_run(&env, db(), RunName::new(2)).await?;
            remove_run(&env, db(), RunName::new(2)).await?;
            assert_eq!(list_runs(&env, db()).await?, []);
            Ok::<_, Error>(left)
        })
        .unwrap();
    assert_eq!(left, [RunName::new(2)]);
}

#[test]
fn a_full_disk_is_told_as_such_and_the_file_goes() {
    let simulation = Simulation::new(1);
    let env = simulation.env();
    simulation.set_capacity(Some(100 << 10));
    simulation
        .block_on(async move {
            let model = random_model(&mut fastrand::Rng::with_seed(1), 3000);
            let failed = write(&env, RunName::new(1), &model).await;
            assert!(failed.is_err_and(|error| error.is_disk_full()));
            env.runtime.sleep(std::time::Duration::from_secs(1)).await;
            assert_eq!(list_runs(&env, db()).await?, []);
            Ok::<(), Error>(())
        })
        .unwrap();
}

#[test]
fn io_error_a_sync_that_fails_makes_no_run() {
    let simulation = Simulation::new(1);
    let env = simulation.env();
    simulation.inject(Fault::on(Operation::Sync).nth(1));
    let model = random_model(&mut fastrand::Rng::with_seed(1), 30);
    let failed = simulation.block_on(async move { write(&env, RunName::new(1), &model).await });
    assert!(matches!(failed, Err(Error::Io(_))));
}

#[test]
fn crash_a_finished_run_is_whole_and_an_unfinished_one_is_none() {
    for at in 1..60 {
        let simulation = Simulation::new(at);
        let env = simulation.env();
        let model = random_model(&mut fastrand::Rng::with_seed(at), 300);
        simulation.power_off_at(at);
        let (here, copy) = (env.clone(), model.clone());
        let finished = simulation.run(async move { write(&here, RunName::new(1), &copy).await });
        let finished = finished.is_some_and(|done| done.is_ok());
        let env = simulation.restart();
        let opened = simulation.block_on(async move {
            let run = RunFile::open(&env, db(), RunName::new(1)).await?;
            check(&run, &model, &mut fastrand::Rng::with_seed(at)).await
        });
        assert!(opened.is_ok() || !finished, "operation {at}: {opened:?}");
    }
}

/// Reads all of a run.
async fn read_all(env: &Env, name: RunName) -> Result<Vec<Row>> {
    let run = RunFile::open(env, db(), name).await?;
    let mut rows = Vec::new();
    for tree in run.trees() {
        let from = Bound::Unbounded;
        rows.extend(walk_cursor(&run, *tree, from, RunDirection::Forward, usize::MAX).await?);
    }
    Ok(rows)
}

#[test]
fn n3_every_flipped_bit_and_every_cut_is_noticed() {
    let simulation = Simulation::new(1);
    let env = simulation.env();
    let model: Model = [(1, "a"), (1, "bcd"), (7, "x")]
        .map(|(tree, key)| ((TreeId(tree), key.into()), Some(b"value".to_vec())))
        .into();
    let here = env.clone();
    simulation.block_on(async move { write(&here, RunName::new(1), &model).await }).unwrap();
    let path = "/d/x.db-log-run-0000000000000001";
    let sound = simulation.disk().read(path).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        simulation.disk().write(path, bytes);
        let env = env.clone();
        let read = simulation.block_on(async move { read_all(&env, RunName::new(1)).await });
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{what}: {read:?}");
    };
    for bit in 0..sound.len() * 8 {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused(&bytes, &format!("bit {bit}"));
    }
    for len in 0..sound.len() {
        refused(&sound[..len], &format!("{len} bytes"));
    }
    simulation.disk().remove(path);
    let read = simulation.block_on(async move { read_all(&env, RunName::new(1)).await });
    assert!(matches!(read, Err(Error::MissingRun { .. })), "{read:?}");
}

/// Whoever damages a file and mends its checksums still gets an error, and no panic.
#[test]
fn n3_bytes_with_right_checksums_are_not_trusted_either() {
    let simulation = Simulation::new(1);
    let env = simulation.env();
    let mut rng = fastrand::Rng::with_seed(5);
    let model = random_model(&mut rng, 40);
    let name = RunName::new(1);
    let (here, copy) = (env.clone(), model.clone());
    simulation.block_on(async move { write(&here, name, &copy).await }).unwrap();
    let path = "/d/x.db-log-run-0000000000000001";
    let sound = simulation.disk().read(path).unwrap();
    for _ in 0..2000 {
        let mut bytes = sound.clone();
        let footer = bytes.len() - format::FOOTER;
        let at = rng.usize(..bytes.len());
        bytes[at] = rng.u8(..);
        let mut index = format::u64_at(&bytes, footer + 32).unwrap() as usize;
        if index > footer {
            index = footer;
        }
        let crc = crc32c::crc32c(&bytes[index..footer]);
        bytes[footer + 40..footer + 44].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[footer + 12..]);
        bytes[footer + 8..footer + 12].copy_from_slice(&crc.to_le_bytes());
        let mut block = format::HEADER;
        while block < index {
            let length = format::u32_at(&bytes, block + 4).unwrap() as usize;
            let Some(body) = bytes.get(block + 4..block + length) else { break };
            let crc = crc32c::crc32c(body);
            bytes[block..block + 4].copy_from_slice(&crc.to_le_bytes());
            block += length.max(4);
        }
        simulation.disk().write(path, &bytes);
        let env = env.clone();
        let _ = simulation.block_on(async move { read_all(&env, name).await });
    }
}

/// The bytes of the dump behind this opening of a code block of `docs/format.md`.
fn documented(opening: &str) -> Vec<u8> {
    let docs = include_str!("../../../docs/format.md");
    let (_, rest) = docs.split_once(&format!("```{opening}\n")).unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let bytes = |line: &str| -> Vec<u8> {
        let hex = line.get(6..line.len().min(53)).unwrap_or_default();
        hex.split_whitespace().map(|word| u8::from_str_radix(word, 16).unwrap()).collect()
    };
    block.lines().flat_map(bytes).collect()
}

#[test]
fn a_run_has_the_documented_bytes() {
    let simulation = Simulation::new(1);
    let env = simulation.env();
    let name = RunName::new(0x1122_3344_5566_7788);
    let model: Model = [
        ((TreeId(2), b"a".to_vec()), Some(b"one".to_vec())),
        ((TreeId(2), b"bc".to_vec()), None),
        ((TreeId(3), b"k".to_vec()), Some(Vec::new())),
    ]
    .into();
    simulation.block_on(async move { write(&env, name, &model).await }).unwrap();
    let written = simulation.disk().read("/d/x.db-log-run-1122334455667788").unwrap();
    let line = |(number, line): (usize, &[u8])| {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:04x}  {}\n", number * 16, hex.join(" "))
    };
    let shown: String = written.chunks(16).enumerate().map(line).collect();
    assert!(written == documented("run"), "the code writes:\n{shown}");
}

#[test]
fn a_name_is_parsed_as_it_is_written_and_nothing_else_is() {
    let name = RunName::new(0xfe);
    assert_eq!(name.to_string(), "run-00000000000000fe");
    assert_eq!(RunName::parse(name.to_string().as_bytes()), Some(name));
    for bad in ["run-fe", "run-00000000000000FE", "00000000000000fe", "run-+0000000000000fe", ""] {
        assert_eq!(RunName::parse(bad.as_bytes()), None, "{bad}");
    }
}
