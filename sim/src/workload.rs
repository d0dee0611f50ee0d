//! What clients do: operations of a transaction as plain data, and what each of them means.
//!
//! An operation is carried out twice: against the database by [`crate::client`], and against a [`View`] by the
//! model. Both say an [`Outcome`], and the two must be equal. Operations name rows by small numbers, so that they
//! make sense whatever came before: a shrunk workload still means something.

use std::sync::Arc;

use fastrand::Rng;
use heddle_engine::Value;

use crate::state::{Change, Key, Relation, Row, State};

/// What the setup of a database runs.
pub const TABLES: [(&str, &str, usize); 3] = [
    ("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, k INT, n INT, body TEXT, w INT)", 5),
    ("u", "CREATE TABLE u (a TEXT PRIMARY KEY, v INT, w INT) WITHOUT ROWID", 3),
    ("marks", "CREATE TABLE marks (id INTEGER PRIMARY KEY, client INT)", 2),
];
/// Indexes made with them, all of table `t`.
pub const INDEXES: [(&str, &str); 2] =
    [("t_k", "CREATE UNIQUE INDEX t_k ON t (k)"), ("t_n", "CREATE INDEX t_n ON t (n)")];
/// The index that comes and goes.
pub const LATE_INDEX: (&str, &str) = ("t_w", "CREATE INDEX t_w ON t (w)");
/// The table whose rowids never come again.
pub const AUTO: (&str, &str) =
    ("auto", "CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT, v INT)");
/// What remembers them.
pub const SEQUENCE: &str = "sqlite_sequence";

/// Columns up to which a side table grows.
pub const WIDEST: usize = 5;

/// One operation. `w` of a row is who wrote it: the number of the attempt, times a thousand, plus the step.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// A row with a rowid that the database picks.
    Insert {
        k: Option<i64>,
        n: Option<i64>,
        len: usize,
    },
    /// A row with this rowid.
    InsertAt {
        id: i64,
        k: Option<i64>,
        n: Option<i64>,
        len: usize,
    },
    /// All columns anew.
    Update {
        id: i64,
        k: Option<i64>,
        n: Option<i64>,
        len: usize,
    },
    /// Reads a row, adds one to `n`.
    Bump {
        id: i64,
    },
    /// Gives a row another rowid.
    Move {
        id: i64,
        to: i64,
    },
    Delete {
        id: i64,
    },
    Get {
        id: i64,
    },
    /// A range of rowids, up to so many rows.
    Scan {
        from: i64,
        to: i64,
        limit: usize,
        backward: bool,
    },
    /// The last row.
    Max,
    /// Through the unique index.
    ByKey {
        k: i64,
    },
    /// Through the other index.
    ByNumber {
        from: i64,
        to: i64,
        limit: usize,
        backward: bool,
    },
    /// Through the index that comes and goes: the last ones.
    ByWriter {
        limit: usize,
    },
    /// Inserts or replaces in the table without rowids.
    PutText {
        a: u8,
        v: i64,
    },
    DeleteText {
        a: u8,
    },
    GetText {
        a: u8,
    },
    ScanText {
        limit: usize,
        backward: bool,
    },
    CreateSide {
        side: u8,
    },
    DropSide {
        side: u8,
    },
    WidenSide {
        side: u8,
    },
    InsertSide {
        side: u8,
        v: i64,
    },
    DeleteSide {
        side: u8,
        id: i64,
    },
    ScanSide {
        side: u8,
    },
    CreateIndex,
    DropIndex,
    /// Makes the table whose rowids never come again.
    CreateAuto,
    DropAuto,
    /// A row there with a rowid that the database picks.
    InsertAuto {
        v: i64,
    },
    /// A row there with this rowid.
    InsertAutoAt {
        id: i64,
        v: i64,
    },
    DeleteAuto {
        id: i64,
    },
    ScanAuto,
    /// What `sqlite_sequence` remembers.
    ScanSequence,
    Savepoint,
    /// To one of those made, by its number.
    RollbackTo {
        at: usize,
    },
    Release {
        at: usize,
    },
    /// Does nothing for so many microseconds.
    Pause {
        micros: u64,
    },
    /// The attempt's own mark; every attempt that writes ends with it.
    Mark {
        attempt: i64,
        client: i64,
    },
    /// The tables and indexes that every run has.
    Setup,
}

impl Op {
    /// The table that it needs; a side table that it makes is none.
    pub fn table(&self) -> Option<String> {
        match self {
            Op::Savepoint | Op::RollbackTo { .. } | Op::Release { .. } | Op::Pause { .. } => None,
            Op::Setup | Op::CreateSide { .. } | Op::CreateAuto => None,
            Op::Mark { .. } => Some("marks".to_owned()),
            Op::PutText { .. } | Op::DeleteText { .. } | Op::GetText { .. } => Some("u".to_owned()),
            Op::ScanText { .. } => Some("u".to_owned()),
            Op::DropSide { side }
            | Op::WidenSide { side }
            | Op::InsertSide { side, .. }
            | Op::DeleteSide { side, .. }
            | Op::ScanSide { side } => Some(side_name(*side)),
            Op::DropAuto | Op::InsertAuto { .. } | Op::InsertAutoAt { .. } => {
                Some(AUTO.0.to_owned())
            }
            Op::DeleteAuto { .. } | Op::ScanAuto => Some(AUTO.0.to_owned()),
            Op::ScanSequence => Some(SEQUENCE.to_owned()),
            _ => Some("t".to_owned()),
        }
    }
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Nothing,
    /// Whether there was such a row.
    Found(bool),
    /// With this rowid.
    Inserted(i64),
    /// A rule of the schema, or a name, stood against it.
    Refused,
    Rows(Vec<Row>),
}

/// A transaction's view in the model: a state and what it wrote since.
#[derive(Debug, Clone)]
pub struct View {
    /// Its reads see this.
    pub state: State,
    /// Its writes that were not rolled back.
    pub changes: Vec<Change>,
    saved: Vec<(State, usize)>,
}

/// A text key.
pub fn text_key(a: u8) -> String {
    // Keys of all lengths, so that interior pages hold prefixes and overflow.
    format!("key {a:03} {}", "k".repeat(usize::from(a) * 7 % 90))
}

/// The body of a row: says who wrote it.
pub fn body(w: i64, len: usize) -> String {
    let mut text = format!("{w}:");
    while text.len() < len {
        let letter = b'a' + (text.len() as i64 * 31 + w).rem_euclid(26) as u8;
        text.push(char::from(letter));
    }
    text.truncate(len);
    text
}

/// A side table's name.
pub fn side_name(side: u8) -> String {
    format!("s{side}")
}

/// Its definition.
pub fn side_sql(side: u8) -> String {
    format!("CREATE TABLE s{side} (id INTEGER PRIMARY KEY, v INT)")
}

/// A value or NULL.
pub fn int(value: Option<i64>) -> Value {
    value.map_or(Value::Null, Value::Integer)
}

impl View {
    /// A view that nothing was written in.
    pub fn new(state: State) -> View {
        View { state, changes: Vec::new(), saved: Vec::new() }
    }

    fn change(&mut self, change: Change) {
        self.state.apply(&change);
        self.changes.push(change);
    }

    fn put(&mut self, table: &str, key: Key, row: Option<Row>) {
        self.change(Change::Put { table: table.to_owned(), key, row: row.map(Arc::new) });
    }

    fn relation(&self, name: &str) -> &Relation {
        static EMPTY: Relation = Relation {
            width: 0,
            rows: std::collections::BTreeMap::new(),
            indexes: std::collections::BTreeSet::new(),
        };
        self.state.table(name).unwrap_or(&EMPTY)
    }

    fn row(&self, id: i64) -> Option<Row> {
        self.relation("t").row(&Key::Id(id))
    }

    /// Whether another row than `own` has this value in the unique column.
    fn is_taken(&self, k: Option<i64>, own: Option<i64>) -> bool {
        let Some(k) = k else { return false };
        let rows = &self.relation("t").rows;
        rows.iter()
            .any(|(id, row)| row[1] == Value::Integer(k) && Some(id) != own.map(Key::Id).as_ref())
    }

    /// Carries out an operation. `chosen` is the rowid that the database says it picked.
    pub fn execute(&mut self, op: &Op, w: i64, chosen: Option<i64>) -> Outcome {
        let named = |id: i64, k: &Option<i64>, n: &Option<i64>, len: usize| {
            vec![Value::Integer(id), int(*k), int(*n), Value::Text(body(w, len)), Value::Integer(w)]
        };
        if op.table().is_some_and(|table| self.state.table(&table).is_none()) {
            return Outcome::Refused;
        }
        match op {
            Op::Insert { k, n, len } => {
                let Some(id) = chosen.filter(|id| self.row(*id).is_none()) else {
                    return Outcome::Refused;
                };
                if self.is_taken(*k, None) {
                    return Outcome::Refused;
                }
                self.put("t", Key::Id(id), Some(named(id, k, n, *len)));
                Outcome::Inserted(id)
            }
            Op::InsertAt { id, k, n, len } => {
                if self.row(*id).is_some() || self.is_taken(*k, None) {
                    return Outcome::Refused;
                }
                self.put("t", Key::Id(*id), Some(named(*id, k, n, *len)));
                Outcome::Inserted(*id)
            }
            Op::Update { id, k, n, len } => {
                if self.row(*id).is_none() {
                    return Outcome::Found(false);
                }
                if self.is_taken(*k, Some(*id)) {
                    return Outcome::Refused;
                }
                self.put("t", Key::Id(*id), Some(named(*id, k, n, *len)));
                Outcome::Found(true)
            }
            Op::Bump { id } => {
                let Some(mut row) = self.row(*id) else { return Outcome::Found(false) };
                row[2] = bumped(&row[2]);
                row[4] = Value::Integer(w);
                self.put("t", Key::Id(*id), Some(row));
                Outcome::Found(true)
            }
            Op::Move { id, to } => {
                let Some(mut row) = self.row(*id) else { return Outcome::Found(false) };
                if id != to && self.row(*to).is_some() {
                    return Outcome::Refused;
                }
                row[0] = Value::Integer(*to);
                row[4] = Value::Integer(w);
                if id != to {
                    self.put("t", Key::Id(*id), None);
                }
                self.put("t", Key::Id(*to), Some(row));
                Outcome::Found(true)
            }
            Op::Delete { id } => {
                let found = self.row(*id).is_some();
                if found {
                    self.put("t", Key::Id(*id), None);
                }
                Outcome::Found(found)
            }
            Op::PutText { a, v } => {
                let key = text_key(*a);
                let row = vec![Value::Text(key.clone()), Value::Integer(*v), Value::Integer(w)];
                self.put("u", Key::Text(key), Some(row));
                Outcome::Nothing
            }
            Op::DeleteText { a } => {
                let key = Key::Text(text_key(*a));
                let found = self.relation("u").rows.contains_key(&key);
                if found {
                    self.put("u", key, None);
                }
                Outcome::Found(found)
            }
            Op::Mark { attempt, client } => {
                let row = vec![Value::Integer(*attempt), Value::Integer(*client)];
                self.put("marks", Key::Id(*attempt), Some(row));
                Outcome::Nothing
            }
            Op::CreateSide { .. }
            | Op::DropSide { .. }
            | Op::WidenSide { .. }
            | Op::InsertSide { .. }
            | Op::DeleteSide { .. }
            | Op::CreateIndex
            | Op::DropIndex => self.execute_definition(op, chosen),
            Op::CreateAuto
            | Op::DropAuto
            | Op::InsertAuto { .. }
            | Op::InsertAutoAt { .. }
            | Op::DeleteAuto { .. } => self.execute_auto(op, chosen),
            Op::Setup => {
                for (table, _, width) in TABLES {
                    self.change(Change::Create { table: table.to_owned(), width });
                }
                for (index, _) in INDEXES {
                    let (table, index) = ("t".to_owned(), index.to_owned());
                    self.change(Change::AddIndex { table, index });
                }
                Outcome::Nothing
            }
            Op::Savepoint => {
                self.saved.push((self.state.clone(), self.changes.len()));
                Outcome::Nothing
            }
            Op::RollbackTo { at } => {
                let Some((state, changes)) = self.saved.get(*at).cloned() else {
                    return Outcome::Refused;
                };
                self.state = state;
                self.changes.truncate(changes);
                self.saved.truncate(at + 1);
                Outcome::Nothing
            }
            Op::Release { at } => {
                if *at >= self.saved.len() {
                    return Outcome::Refused;
                }
                self.saved.truncate(*at);
                Outcome::Nothing
            }
            Op::Pause { .. } => Outcome::Nothing,
            reading => self.read(reading),
        }
    }

    fn execute_definition(&mut self, op: &Op, chosen: Option<i64>) -> Outcome {
        let table = match op {
            Op::CreateSide { side }
            | Op::DropSide { side }
            | Op::WidenSide { side }
            | Op::InsertSide { side, .. }
            | Op::DeleteSide { side, .. } => side_name(*side),
            _ => "t".to_owned(),
        };
        let there = self.state.table(&table).is_some();
        let width = self.relation(&table).width;
        match op {
            Op::CreateSide { .. } if there => return Outcome::Refused,
            Op::CreateSide { .. } => self.change(Change::Create { table, width: 2 }),
            _ if !there => return Outcome::Refused,
            Op::DropSide { .. } => self.change(Change::Drop { table }),
            Op::WidenSide { .. } if width >= WIDEST => return Outcome::Refused,
            Op::WidenSide { .. } => self.change(Change::Widen { table }),
            Op::InsertSide { v, .. } => {
                let id = chosen.filter(|id| self.relation(&table).row(&Key::Id(*id)).is_none());
                let Some(id) = id else { return Outcome::Refused };
                let mut row = vec![Value::Integer(*v); width];
                row[0] = Value::Integer(id);
                self.put(&table, Key::Id(id), Some(row));
                return Outcome::Inserted(id);
            }
            Op::DeleteSide { id, .. } => {
                let found = self.relation(&table).rows.contains_key(&Key::Id(*id));
                if found {
                    self.put(&table, Key::Id(*id), None);
                }
                return Outcome::Found(found);
            }
            Op::CreateIndex | Op::DropIndex => {
                let index = LATE_INDEX.0.to_owned();
                let has = self.relation("t").indexes.contains(&index);
                match op {
                    Op::CreateIndex if !has => self.change(Change::AddIndex { table, index }),
                    Op::DropIndex if has => self.change(Change::DropIndex { table, index }),
                    _ => return Outcome::Refused,
                }
            }
            _ => {}
        }
        Outcome::Nothing
    }

    /// The largest rowid that is remembered for the table whose rowids never come again, and the largest in it.
    pub fn remembered(&self) -> (Option<i64>, i64) {
        let row = self.relation(SEQUENCE).row(&Key::Text(AUTO.0.to_owned()));
        let remembered = row.and_then(|row| match row.get(1) {
            Some(Value::Integer(seq)) => Some(*seq),
            _ => None,
        });
        let last = self.relation(AUTO.0).rows.keys().next_back();
        let largest = last.map_or(0, |key| match key {
            Key::Id(id) => *id,
            Key::Text(_) => 0,
        });
        (remembered, largest)
    }

    fn execute_auto(&mut self, op: &Op, chosen: Option<i64>) -> Outcome {
        let table = AUTO.0.to_owned();
        let (remembered, largest) = self.remembered();
        let memory = Key::Text(table.clone());
        let (id, v) = match op {
            Op::CreateAuto if self.state.table(&table).is_some() => return Outcome::Refused,
            Op::CreateAuto => {
                if self.state.table(SEQUENCE).is_none() {
                    self.change(Change::Create { table: SEQUENCE.to_owned(), width: 2 });
                }
                self.change(Change::Create { table, width: 2 });
                return Outcome::Nothing;
            }
            Op::DropAuto => {
                if remembered.is_some() {
                    self.put(SEQUENCE, memory, None);
                }
                self.change(Change::Drop { table });
                return Outcome::Nothing;
            }
            Op::DeleteAuto { id } => {
                let found = self.relation(&table).rows.contains_key(&Key::Id(*id));
                if found {
                    self.put(&table, Key::Id(*id), None);
                }
                return Outcome::Found(found);
            }
            // Larger than any that ever was.
            Op::InsertAuto { v } => {
                match chosen.filter(|id| *id > largest.max(remembered.unwrap_or(0))) {
                    Some(id) => (id, *v),
                    None => return Outcome::Refused,
                }
            }
            Op::InsertAutoAt { id, .. }
                if self.relation(&table).rows.contains_key(&Key::Id(*id)) =>
            {
                return Outcome::Refused;
            }
            Op::InsertAutoAt { id, v } => (*id, *v),
            _ => return Outcome::Nothing,
        };
        self.put(&table, Key::Id(id), Some(vec![Value::Integer(id), Value::Integer(v)]));
        if remembered.is_none_or(|remembered| remembered < id) {
            let row = vec![Value::Text(table), Value::Integer(id)];
            self.put(SEQUENCE, memory, Some(row));
        }
        Outcome::Inserted(id)
    }

    fn read(&self, op: &Op) -> Outcome {
        let rows = match op {
            Op::ScanAuto => {
                self.relation(AUTO.0).rows.values().map(|row| (**row).clone()).collect()
            }
            Op::ScanSequence => {
                self.relation(SEQUENCE).rows.values().map(|row| (**row).clone()).collect()
            }
            Op::Get { id } => self.row(*id).into_iter().collect(),
            Op::Scan { from, to, limit, backward } => {
                let table = self.relation("t");
                let rows = table.rows.range(Key::Id(*from)..=Key::Id((*to).max(*from)));
                let rows = rows.map(|(_, row)| table.widened(row)).collect();
                some_of(rows, *limit, *backward)
            }
            Op::Max => {
                let table = self.relation("t");
                table.rows.values().next_back().map(|row| table.widened(row)).into_iter().collect()
            }
            Op::ByKey { k } => {
                let rows = self.relation("t").rows.values();
                rows.filter(|row| row[1] == Value::Integer(*k)).map(|row| (**row).clone()).collect()
            }
            Op::ByNumber { from, to, limit, backward } => {
                let within =
                    |row: &Row| matches!(row[2], Value::Integer(n) if *from <= n && n <= *to);
                some_of(ordered(self.relation("t"), 2, within), *limit, *backward)
            }
            Op::ByWriter { .. } if !self.relation("t").indexes.contains(LATE_INDEX.0) => {
                return Outcome::Refused;
            }
            Op::ByWriter { limit } => {
                some_of(ordered(self.relation("t"), 4, |_| true), *limit, true)
            }
            Op::GetText { a } => {
                self.relation("u").row(&Key::Text(text_key(*a))).into_iter().collect()
            }
            Op::ScanText { limit, backward } => {
                let rows = self.relation("u").rows.values().map(|row| (**row).clone()).collect();
                some_of(rows, *limit, *backward)
            }
            Op::ScanSide { side } => match self.state.table(&side_name(*side)) {
                Some(table) => table.rows.values().map(|row| table.widened(row)).collect(),
                None => return Outcome::Refused,
            },
            _ => Vec::new(),
        };
        Outcome::Rows(rows)
    }
}

/// One more; NULL counts as nothing.
pub fn bumped(n: &Value) -> Value {
    match n {
        Value::Integer(n) => Value::Integer(n + 1),
        _ => Value::Integer(1),
    }
}

/// Rows in the order of an index on one column, and then of their rowids.
pub fn ordered(table: &Relation, column: usize, keep: impl Fn(&Row) -> bool) -> Vec<Row> {
    let order = |row: &Row| match row[column] {
        Value::Integer(value) => Some(value),
        _ => None,
    };
    let mut rows: Vec<Row> =
        table.rows.values().map(|row| table.widened(row)).filter(keep).collect();
    // By rowid they are already, and the sort is stable.
    rows.sort_by_key(order);
    rows
}

fn some_of(mut rows: Vec<Row>, limit: usize, backward: bool) -> Vec<Row> {
    if backward {
        rows.reverse();
    }
    rows.truncate(limit);
    rows
}

/// How often which operations come, drawn once for a run.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Rowids and keys are below this.
    pub keys: i64,
    /// Bodies are shorter than this.
    pub longest: usize,
    /// Of a hundred operations, so many change definitions.
    pub definitions: u32,
    /// Of a hundred, so many only read.
    pub reads: u32,
}

impl Mix {
    /// Drawn.
    pub fn draw(rng: &mut Rng) -> Mix {
        Mix {
            keys: [4, 12, 40, 120][rng.usize(..4)],
            longest: [20, 60, 300, 3000][rng.usize(..4)],
            definitions: [0, 0, 4, 25][rng.usize(..4)],
            reads: [15, 35, 60][rng.usize(..3)],
        }
    }

    /// An operation.
    pub fn op(&self, rng: &mut Rng) -> Op {
        let draw = rng.u32(..100);
        if draw < self.definitions {
            self.definition(rng)
        } else if draw < self.definitions + self.reads {
            self.look(rng)
        } else {
            self.writing(rng)
        }
    }

    fn maybe(&self, rng: &mut Rng) -> Option<i64> {
        (rng.u8(..6) > 0).then(|| rng.i64(0..self.keys) + 1)
    }

    fn writing(&self, rng: &mut Rng) -> Op {
        let id = rng.i64(0..self.keys) + 1;
        let (k, n) = (self.maybe(rng), self.maybe(rng));
        // Unique keys are drawn from more numbers, so that most of them are free.
        let k = k.map(|k| k + self.keys * rng.i64(0..4));
        let len = rng.usize(..self.longest);
        match rng.u8(..26) {
            0..5 => Op::Insert { k, n, len },
            5..7 => Op::InsertAt { id, k, n, len },
            7..10 => Op::Update { id, k, n, len },
            10..14 => Op::Bump { id },
            14 => Op::Move { id, to: rng.i64(0..self.keys * 2) + 1 },
            15..17 => Op::Delete { id },
            17..20 => Op::PutText { a: rng.u8(..self.keys as u8), v: rng.i64(0..1000) },
            20 => Op::DeleteText { a: rng.u8(..self.keys as u8) },
            21 => Op::InsertSide { side: rng.u8(..2), v: rng.i64(0..1000) },
            22 => Op::Savepoint,
            23 => Op::RollbackTo { at: rng.usize(..2) },
            24 => Op::Release { at: rng.usize(..2) },
            _ => Op::Pause { micros: rng.u64(..20_000) },
        }
    }

    /// A read of any kind.
    pub fn look(&self, rng: &mut Rng) -> Op {
        let id = rng.i64(0..self.keys) + 1;
        let to = id + rng.i64(0..self.keys);
        let (limit, backward) = ([1, 3, 1000][rng.usize(..3)], rng.bool());
        match rng.u8(..12) {
            0..3 => Op::Get { id },
            3..5 => Op::Scan { from: id, to, limit, backward },
            5 => Op::Max,
            6 => Op::ByKey { k: rng.i64(0..self.keys * 4) + 1 },
            7..9 => Op::ByNumber { from: id, to, limit, backward },
            9 => Op::GetText { a: rng.u8(..self.keys as u8) },
            10 => Op::ScanText { limit, backward },
            _ if rng.bool() => Op::ByWriter { limit },
            _ => Op::ScanSide { side: rng.u8(..2) },
        }
    }

    /// An operation on the table whose rowids never come again.
    pub fn auto(&self, rng: &mut Rng) -> Op {
        let (id, v) = (rng.i64(0..self.keys) + 1, rng.i64(0..1000));
        match rng.u8(..20) {
            0..9 => Op::InsertAuto { v },
            9..11 => Op::InsertAutoAt { id, v },
            11..15 => Op::DeleteAuto { id },
            15 => Op::ScanSequence,
            16 => Op::ScanAuto,
            17 => Op::Savepoint,
            18 => Op::RollbackTo { at: rng.usize(..2) },
            _ if rng.u8(..4) == 0 => Op::DropAuto,
            _ => Op::CreateAuto,
        }
    }

    fn definition(&self, rng: &mut Rng) -> Op {
        let side = rng.u8(..2);
        match rng.u8(..12) {
            0..4 => Op::CreateSide { side },
            4 => Op::DropSide { side },
            5 => Op::WidenSide { side },
            6 => Op::DeleteSide { side, id: rng.i64(0..self.keys) + 1 },
            7 => Op::ScanSide { side },
            8..10 => Op::CreateIndex,
            10 => Op::DropIndex,
            _ => Op::InsertSide { side, v: rng.i64(0..1000) },
        }
    }
}
