//! What goes wrong with the disk, beside losing power: as plain data, and how it is put into the simulator.

use std::time::Duration;

use fastrand::Rng;
use heddle_io::{Fault, Operation, Simulation};

/// A file of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// `x.db`
    Database,
    /// `x.db-wal`
    Wal,
    /// A segment of `x.db-log`
    Log,
}

impl Target {
    /// Drawn.
    pub fn draw(rng: &mut Rng) -> Target {
        [Target::Database, Target::Wal, Target::Log, Target::Log][rng.usize(..4)]
    }

    /// Whether a path is such a file.
    pub fn fits(self, path: &std::path::Path) -> bool {
        let name = path.to_string_lossy();
        match self {
            Target::Database => name.ends_with("x.db"),
            Target::Wal => name.ends_with("-wal"),
            Target::Log => name.contains("-log"),
        }
    }

    fn of(self, fault: Fault) -> Fault {
        match self {
            Target::Database => fault.path_suffix("x.db"),
            Target::Wal => fault.path_suffix("-wal"),
            Target::Log => fault.path_part("-log"),
        }
    }
}

/// How often a rule strikes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Frequency {
    /// The one operation with this number.
    Nth(u64),
    /// This one and all after it.
    From(u64),
    /// So many in a thousand.
    PerMille(u32),
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FaultPlan {
    /// Operations fail with EIO; a write or a sync does a part of its work first.
    Fails { operation: Option<Operation>, target: Target, when: Frequency },
    /// Operations fail with ENOSPC.
    NoSpace { operation: Operation, target: Target, when: Frequency },
    /// The disk has room for so many more bytes.
    Full { room: u64 },
    /// So many operations in a thousand take so many milliseconds.
    Slow { per_mille: u32, millis: u64 },
    /// So many reads and writes in a thousand are done in two calls of the system.
    Short { per_mille: u32 },
}

const OPERATIONS: [Operation; 16] = [
    Operation::Sync,
    Operation::Sync,
    Operation::Sync,
    Operation::Write,
    Operation::Write,
    Operation::Write,
    Operation::Read,
    Operation::Read,
    Operation::Open,
    Operation::SetLen,
    Operation::Preallocate,
    Operation::Metadata,
    Operation::Rename,
    Operation::Remove,
    Operation::List,
    Operation::SyncDir,
];

impl FaultPlan {
    /// Drawn.
    pub fn draw(rng: &mut Rng) -> FaultPlan {
        let when = match rng.u8(..3) {
            0 => Frequency::Nth(1 + rng.u64(..20)),
            1 => Frequency::From(1 + rng.u64(..30)),
            _ => Frequency::PerMille([20, 100, 400][rng.usize(..3)]),
        };
        let target = Target::draw(rng);
        match rng.u8(..10) {
            0..5 => {
                let operation = (rng.u8(..4) > 0).then(|| OPERATIONS[rng.usize(..16)]);
                FaultPlan::Fails { operation, target, when }
            }
            5..7 => {
                let full = [Operation::Write, Operation::Preallocate, Operation::SetLen];
                FaultPlan::NoSpace { operation: full[rng.usize(..3)], target, when }
            }
            7 => {
                let most = [4 << 10, 64 << 10, 512 << 10][rng.usize(..3)];
                FaultPlan::Full { room: rng.u64(..most) }
            }
            _ => {
                FaultPlan::Slow { per_mille: [10, 100][rng.usize(..2)], millis: 1 + rng.u64(..300) }
            }
        }
    }

    /// Whether operations fail, so that the database may say so.
    pub fn makes_errors(&self) -> bool {
        !matches!(self, FaultPlan::Slow { .. } | FaultPlan::Short { .. })
    }

    /// Its name in the coverage.
    pub fn label(&self) -> String {
        let file = |target: &Target| match target {
            Target::Database => "db",
            Target::Wal => "wal",
            Target::Log => "log",
        };
        match self {
            FaultPlan::Fails { operation: Some(operation), target, .. } => {
                format!("eio.{operation:?}.{}", file(target))
            }
            FaultPlan::Fails { operation: None, target, .. } => format!("eio.any.{}", file(target)),
            FaultPlan::NoSpace { operation, target, .. } => {
                format!("enospc.{operation:?}.{}", file(target))
            }
            FaultPlan::Full { .. } => "full-disk".to_owned(),
            FaultPlan::Slow { .. } => "slow-disk".to_owned(),
            FaultPlan::Short { .. } => "short-transfers".to_owned(),
        }
    }

    /// Puts it into force. Whether it is a rule that [`Simulation::faults_by_rule`] counts.
    pub fn inject(&self, sim: &Simulation) -> bool {
        let rule = |operation: Option<Operation>, target: Target, when| {
            let fault = target.of(operation.map_or_else(Fault::on_any, Fault::on));
            match when {
                Frequency::Nth(count) => fault.nth(count),
                Frequency::From(count) => fault.from(count),
                Frequency::PerMille(rate) => fault.probability(f64::from(rate) / 1000.0),
            }
        };
        match *self {
            FaultPlan::Fails { operation, target, when } => {
                sim.inject(rule(operation, target, when));
                true
            }
            FaultPlan::NoSpace { operation, target, when } => {
                sim.inject(rule(Some(operation), target, when).os_error(28));
                true
            }
            FaultPlan::Full { room } => {
                let disk = sim.disk();
                let used: usize = disk
                    .files()
                    .iter()
                    .filter_map(|path| disk.read(path))
                    .map(|bytes| bytes.len())
                    .sum();
                sim.set_capacity(Some(used as u64 + room));
                false
            }
            FaultPlan::Slow { per_mille, millis } => {
                sim.set_stalls(f64::from(per_mille) / 1000.0, Duration::from_millis(millis));
                false
            }
            FaultPlan::Short { per_mille } => {
                sim.set_short_transfers(f64::from(per_mille) / 1000.0);
                false
            }
        }
    }
}

/// Takes all faults out of force.
pub fn lift(sim: &Simulation) {
    sim.clear_faults();
    sim.set_capacity(None);
    sim.set_stalls(0.0, Duration::ZERO);
    sim.set_short_transfers(0.0);
}
