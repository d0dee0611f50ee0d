//! What a seed stands for: options, workload, faults and endings, all drawn before anything runs.
//!
//! What the plan does not say (which task runs next, how long an operation takes, what a crash leaves) the
//! simulator draws from the same seed as it goes. A plan is plain data, so that [`crate::shrink`] can leave parts out.

use std::time::Duration;

use fastrand::Rng;
use heddle_engine::{AutoVacuum, Durability, Isolation, Mode};

use crate::faults::{FaultPlan, Target};
use crate::workload::{Mix, Op};

/// See the module.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Of the simulator.
    pub seed: u64,
    /// Of the database.
    pub choices: Choices,
    /// One after the other, on the same disk.
    pub lives: Vec<Life>,
}

/// How the database is opened.
#[derive(Debug, Clone)]
pub struct Choices {
    pub page_size: u32,
    pub auto_vacuum: AutoVacuum,
    pub durability: Durability,
    pub cache_bytes: usize,
    pub memory_bytes: usize,
    /// Above which a transaction moves its writes to a file.
    pub transaction_bytes: usize,
    pub checkpoint_log_bytes: u64,
    pub auto_checkpoint: bool,
    /// The longest delay of an operation on the disk.
    pub delay: Duration,
}

/// From one opening of the database to its end.
#[derive(Debug, Clone)]
pub struct Life {
    pub clients: Vec<Client>,
    pub faults: Vec<FaultPlan>,
    pub ending: Ending,
    pub aftermath: Aftermath,
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The power goes at this operation on the disk, or after the clients' end.
    PowerOff(u64),
    /// The process ends at this operation on the disk; the disk goes on.
    Kill(u64),
    /// The database is closed.
    Close,
    /// The database is closed, and the future of that dropped at this poll.
    CloseDropped(u32),
    /// All handles are dropped.
    Drop,
}

impl Ending {
    /// At which operation the world stops.
    pub fn at(self) -> Option<u64> {
        match self {
            Ending::PowerOff(at) | Ending::Kill(at) => Some(at),
            _ => None,
        }
    }
}

/// What happens between a life and the survey of what it left.
#[derive(Debug, Clone, Default)]
pub struct Aftermath {
    /// Stock SQLite opens what lies there, reads, tries to write, closes.
    pub stock: bool,
    /// A bit turns over in this file.
    pub rot: Option<Target>,
    /// Recoveries that are interrupted at this operation, by a loss of power or by the end of the process.
    pub interrupted: Vec<(u64, Stop)>,
    /// Recoveries that meet faults.
    pub hindered: Vec<FaultPlan>,
    /// Whether the survey ends with a clean close.
    pub close: bool,
}

/// How a world stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    Power,
    Kill,
}

/// One task that uses the database.
#[derive(Debug, Clone)]
pub struct Client {
    pub acts: Vec<Act>,
}

/// One thing that a client does.
#[derive(Debug, Clone)]
pub enum Act {
    Transaction(TxPlan),
    /// Reads what is acknowledged.
    Snapshot(Vec<Op>),
    /// A checkpoint on demand, dropped at this poll.
    Checkpoint(Option<u32>),
    /// A VACUUM on demand: whole, or of so many pages.
    Vacuum(Option<u32>),
    /// Looks at the file's structure.
    Check,
    /// Nothing for so many microseconds.
    Rest(u64),
}

/// One transaction.
#[derive(Debug, Clone)]
pub struct TxPlan {
    pub isolation: Isolation,
    pub mode: Mode,
    pub durability: Option<Durability>,
    pub ops: Vec<Op>,
    pub end: TxEnd,
    /// Dropped at this poll, wherever it is.
    pub cancel: Option<u32>,
    /// Lets others run before each of its steps.
    pub yields: bool,
    /// By the closure that is retried after a conflict.
    pub retried: bool,
}

/// How a transaction ends, if nothing comes between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxEnd {
    Commit,
    Rollback,
}

impl TxPlan {
    /// Whether it leaves a mark: it may write.
    pub fn writes(&self) -> bool {
        self.mode != Mode::ReadOnly
    }
}

impl Plan {
    /// What a seed stands for.
    pub fn new(seed: u64) -> Plan {
        // Another stream than the simulator's, which starts from the seed itself.
        let rng = &mut Rng::with_seed(seed ^ 0x9e37_79b9_7f4a_7c15);
        let choices = Choices::draw(rng);
        let mix = Mix::draw(rng);
        let lives = 1 + rng.usize(..3);
        let style = Style::draw(rng, &choices);
        let mut lives: Vec<Life> = (0..lives).map(|_| Life::draw(rng, &mix, &style)).collect();
        // A stream of their own, so that plans without them stay as they were.
        let rng = &mut Rng::with_seed(seed ^ 0x5851_f42d_4c95_7f2d);
        if rng.u8(..3) == 0 {
            for life in &mut lives {
                life.clients.push(Client::watcher(rng, &mix));
            }
        }
        if rng.u8(..4) == 0 {
            let per_mille = [20, 300][rng.usize(..2)];
            lives.iter_mut().for_each(|life| life.faults.push(FaultPlan::Short { per_mille }));
        }
        // And another one, for the same reason.
        let rng = &mut Rng::with_seed(seed ^ 0x2545_f491_4f6c_dd1d);
        if rng.u8(..4) == 0 {
            for life in &mut lives {
                let more = 1 + rng.usize(..3);
                life.clients.extend((0..more).map(|_| Client::counting(rng, &mix, &style)));
            }
        }
        Plan { seed, choices, lives }
    }
}

impl Choices {
    fn draw(rng: &mut Rng) -> Choices {
        let auto_vacuum =
            [AutoVacuum::None, AutoVacuum::None, AutoVacuum::Full, AutoVacuum::Incremental];
        let durability = [
            Durability::Full,
            Durability::Full,
            Durability::Full,
            Durability::Normal,
            Durability::Off,
        ];
        Choices {
            page_size: [512, 512, 1024, 1024, 4096, 4096, 16384, 65536][rng.usize(..8)],
            auto_vacuum: auto_vacuum[rng.usize(..4)],
            durability: durability[rng.usize(..5)],
            cache_bytes: [16 << 10, 128 << 10, 16 << 20][rng.usize(..3)],
            memory_bytes: [32 << 10, 256 << 10, 64 << 20][rng.usize(..3)],
            transaction_bytes: [64 << 20, 64 << 20, 200, 2000][rng.usize(..4)],
            checkpoint_log_bytes: [64 << 10, 256 << 10, 1 << 20][rng.usize(..3)],
            auto_checkpoint: rng.u8(..4) > 0,
            delay: Duration::from_micros([50, 1_000, 10_000][rng.usize(..3)]),
        }
    }
}

/// What the lives of one run have in common.
struct Style {
    most_clients: usize,
    most_acts: usize,
    most_ops: usize,
    snapshot_isolation: u8,
    immediate: u8,
    mixed_durability: bool,
    cancels: u8,
    faults: u8,
    rot: bool,
}

impl Style {
    fn draw(rng: &mut Rng, choices: &Choices) -> Style {
        Style {
            most_clients: 1 + rng.usize(..6),
            most_acts: 1 + rng.usize(..12),
            most_ops: 1 + rng.usize(..8),
            snapshot_isolation: [0, 3, 8][rng.usize(..3)],
            immediate: [0, 1, 4][rng.usize(..3)],
            mixed_durability: choices.durability != Durability::Full || rng.u8(..4) == 0,
            cancels: [0, 0, 1, 4][rng.usize(..4)],
            faults: [0, 0, 2, 3][rng.usize(..4)],
            rot: rng.u8(..8) == 0,
        }
    }
}

impl Client {
    /// One who holds a snapshot for long, while others write and checkpoints and collections come by, and looks again.
    fn watcher(rng: &mut Rng, mix: &Mix) -> Client {
        let all = Op::Scan { from: 0, to: i64::MAX, limit: usize::MAX, backward: false };
        let watch = |rng: &mut Rng| {
            let mut ops = vec![mix.look(rng)];
            for _ in 0..1 + rng.usize(..4) {
                ops.push(Op::Pause { micros: rng.u64(..60_000) });
                ops.push(if rng.bool() { all.clone() } else { mix.look(rng) });
            }
            Act::Snapshot(ops)
        };
        let mut acts = Vec::new();
        for _ in 0..2 + rng.usize(..5) {
            acts.push(watch(rng));
            match rng.u8(..6) {
                0..3 => acts.push(Act::Checkpoint(None)),
                3 => acts.push(Act::Vacuum((rng.bool()).then(|| rng.u32(..4)))),
                _ => {}
            }
        }
        Client { acts }
    }
}

impl Client {
    /// One who works on the table whose rowids never come again.
    fn counting(rng: &mut Rng, mix: &Mix, style: &Style) -> Client {
        let acts = (0..1 + rng.usize(..6)).map(|number| {
            let mut plan = TxPlan::draw(rng, mix, style);
            if plan.writes() {
                plan.ops = (0..1 + rng.usize(..style.most_ops)).map(|_| mix.auto(rng)).collect();
                if number == 0 {
                    plan.ops.insert(0, Op::CreateAuto);
                }
            } else {
                plan.ops = vec![Op::ScanAuto, Op::ScanSequence];
            }
            Act::Transaction(plan)
        });
        Client { acts: acts.collect() }
    }
}

impl Life {
    fn draw(rng: &mut Rng, mix: &Mix, style: &Style) -> Life {
        let clients = 1 + rng.usize(..style.most_clients);
        let clients: Vec<Client> = (0..clients)
            .map(|_| {
                let acts = 1 + rng.usize(..style.most_acts);
                Client { acts: (0..acts).map(|_| Act::draw(rng, mix, style)).collect() }
            })
            .collect();
        let faults = rng.u8(..=style.faults);
        let longest = [30, 150, 500][rng.usize(..3)];
        let ending = match rng.u8(..10) {
            0..5 => Ending::PowerOff(1 + rng.u64(..longest)),
            5..7 => Ending::Kill(1 + rng.u64(..longest)),
            7 => Ending::Close,
            8 => Ending::CloseDropped(rng.u32(..12)),
            _ => Ending::Drop,
        };
        Life {
            clients,
            faults: (0..faults).map(|_| FaultPlan::draw(rng)).collect(),
            ending,
            aftermath: Aftermath::draw(rng, style, ending),
        }
    }
}

impl Aftermath {
    fn draw(rng: &mut Rng, style: &Style, ending: Ending) -> Aftermath {
        let stopped = ending.at().is_some();
        let interrupted = if stopped { [0, 0, 1, 1, 3][rng.usize(..5)] } else { 0 };
        let stop = |rng: &mut Rng| if rng.bool() { Stop::Power } else { Stop::Kill };
        Aftermath {
            stock: rng.u8(..6) == 0,
            rot: (style.rot && stopped).then(|| Target::draw(rng)),
            interrupted: (0..interrupted).map(|_| (1 + rng.u64(..60), stop(rng))).collect(),
            hindered: match style.faults > 0 && rng.bool() {
                true => vec![FaultPlan::draw(rng)],
                false => Vec::new(),
            },
            close: rng.bool(),
        }
    }
}

impl Act {
    fn draw(rng: &mut Rng, mix: &Mix, style: &Style) -> Act {
        match rng.u8(..20) {
            0 | 19 => Act::Checkpoint((rng.u8(..8) < style.cancels).then(|| rng.u32(..8))),
            1 => Act::Snapshot(TxPlan::reads(rng, mix, style)),
            2 if rng.bool() => Act::Check,
            2 => Act::Rest(rng.u64(..100_000)),
            _ => Act::Transaction(TxPlan::draw(rng, mix, style)),
        }
    }
}

impl TxPlan {
    fn reads(rng: &mut Rng, mix: &Mix, style: &Style) -> Vec<Op> {
        let only = Mix { definitions: 0, reads: 85, ..*mix };
        let count = 1 + rng.usize(..style.most_ops);
        let quiet = |op: &Op| op_reads(op) || matches!(op, Op::Pause { .. });
        (0..count * 2).map(|_| only.op(rng)).filter(quiet).take(count).collect()
    }

    fn draw(rng: &mut Rng, mix: &Mix, style: &Style) -> TxPlan {
        let isolation = match rng.u8(..10) < style.snapshot_isolation {
            true => Isolation::Snapshot,
            false => Isolation::Serializable,
        };
        let mode = match rng.u8(..12) {
            11 => Mode::ReadOnly,
            draw if draw < style.immediate => Mode::Immediate,
            _ => Mode::Optimistic,
        };
        let durability = (style.mixed_durability && rng.u8(..3) == 0)
            .then(|| [Durability::Full, Durability::Normal, Durability::Off][rng.usize(..3)]);
        let ops = match mode {
            Mode::ReadOnly => TxPlan::reads(rng, mix, style),
            _ => (0..1 + rng.usize(..style.most_ops)).map(|_| mix.op(rng)).collect(),
        };
        TxPlan {
            isolation,
            mode,
            durability,
            ops,
            end: if rng.u8(..10) == 0 { TxEnd::Rollback } else { TxEnd::Commit },
            cancel: (rng.u8(..10) < style.cancels).then(|| rng.u32(..40)),
            yields: rng.u8(..3) > 0,
            retried: rng.u8(..3) == 0,
        }
    }
}

fn op_reads(op: &Op) -> bool {
    matches!(
        op,
        Op::Get { .. }
            | Op::Scan { .. }
            | Op::Max
            | Op::ByKey { .. }
            | Op::ByNumber { .. }
            | Op::ByWriter { .. }
            | Op::GetText { .. }
            | Op::ScanText { .. }
            | Op::ScanSide { .. }
    )
}
