//! The redo record: what one commit changed, and the control records of the checkpointer.
//!
//! Written by [`crate::commit`] into the log, read by recovery and by whoever follows the stream
//! of changes. The log frames and checksums records; here they are only bytes, which are still
//! treated as hostile.
//!
//! ```text
//! record  = version(1) kind(1) body
//! commit  = item*                                  kind 1
//! item    = flags(1) [tree] [name | key [value] [old]]
//! control = tag(1) write_version(1) cut counter previous next_tree count (tree root)*   kind 2
//! ```
//! Numbers are LEB128; a byte string is its length and its bytes. The flags of an item are the
//! bits `PUT`, `OLD`, `OLD_PRESENT`, `TREE` (a tree number follows; else the tree of the item
//! before) and `RUN` (the item names a run file instead of a key).
//!
//! # Invariants
//! - R1: trees ascend strictly from group to group, keys ascend strictly within a tree, runs come
//!   first. So a record is canonical and can be merged without sorting.
//! - R2: decoding never reads beyond the record, and allocates nothing for commits: items borrow.

use std::fmt;

use heddle_base::{PageNo, Timestamp, TreeId};

use crate::varint;

/// The version written today.
pub const VERSION: u8 = 1;

const KIND_COMMIT: u8 = 1;
const KIND_CONTROL: u8 = 2;

const PUT: u8 = 1;
const OLD: u8 = 2;
const OLD_PRESENT: u8 = 4;
const TREE: u8 = 8;
const RUN: u8 = 16;
const KNOWN: u8 = PUT | OLD | OLD_PRESENT | TREE | RUN;

const CONTROL_BEGIN: u8 = 1;
const CONTROL_INTENT: u8 = 2;
const CONTROL_DONE: u8 = 3;

/// A record that is not one, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("redo record is damaged at byte {at}: {reason}")]
pub struct DecodeError {
    /// Offset into the record, in bytes.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// What the row was before the change, as far as the record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Old<'a> {
    /// Not recorded: nobody asked for it.
    #[default]
    Unrecorded,
    /// There was no row.
    Absent,
    /// This value.
    Value(&'a [u8]),
}

/// One change of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The tree.
    pub tree: TreeId,
    /// The key.
    pub key: &'a [u8],
    /// The new value; `None` is a deletion.
    pub value: Option<&'a [u8]>,
    /// The value before.
    pub old: Old<'a>,
}

/// One item of a commit record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A run file that holds changes of this commit, by its file name beside the log.
    Run(&'a [u8]),
    /// A change.
    Change(Change<'a>),
}

/// What a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// A commit, whose items are read one by one.
    Commit(Items<'a>),
    /// The checkpointer's.
    Control(Control),
}

/// Reads a record.
///
/// # Errors
/// [`DecodeError`] for bytes that no version of this format writes; a commit's items are checked as they are read.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let mut reader = Reader { whole: bytes.len(), rest: bytes };
    match reader.byte()? {
        VERSION => {}
        _ => return Err(DecodeError { at: 0, reason: "unknown version" }),
    }
    match reader.byte()? {
        KIND_COMMIT => Ok(Record::Commit(Items { reader, tree: None, last: None })),
        KIND_CONTROL => Control::read(&mut reader).map(Record::Control),
        _ => Err(DecodeError { at: 1, reason: "unknown kind" }),
    }
}

/// Writes one commit record into a buffer. Items in the order of R1.
pub struct Encoder<'b> {
    out: &'b mut Vec<u8>,
    tree: Option<TreeId>,
}

impl<'b> Encoder<'b> {
    /// Clears `out` and begins a commit record in it.
    pub fn new(out: &'b mut Vec<u8>) -> Self {
        out.clear();
        out.extend_from_slice(&[VERSION, KIND_COMMIT]);
        Self { out, tree: None }
    }

    /// Names a run file. Before all changes (R1).
    pub fn run(&mut self, name: &[u8]) {
        debug_assert!(self.tree.is_none(), "R1: runs come first");
        self.out.push(RUN);
        bytes(self.out, name);
    }

    /// Adds a change.
    pub fn change(&mut self, change: Change<'_>) {
        let new_tree = self.tree != Some(change.tree);
        debug_assert!(self.tree.is_none_or(|tree| tree <= change.tree), "R1: trees ascend");
        let mut flags = if new_tree { TREE } else { 0 };
        flags |= if change.value.is_some() { PUT } else { 0 };
        flags |= match change.old {
            Old::Unrecorded => 0,
            Old::Absent => OLD,
            Old::Value(_) => OLD | OLD_PRESENT,
        };
        self.out.push(flags);
        if new_tree {
            varint::write(self.out, u64::from(change.tree.get()));
            self.tree = Some(change.tree);
        }
        bytes(self.out, change.key);
        if let Some(value) = change.value {
            bytes(self.out, value);
        }
        if let Old::Value(old) = change.old {
            bytes(self.out, old);
        }
    }
}

impl fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("bytes", &self.out.len()).finish()
    }
}

/// An upper bound on what one change takes in a record, in bytes.
#[inline]
pub fn change_bound(key: usize, value: usize, old: usize) -> usize {
    1 + 5 + 3 * 10 + key + value + old
}

/// What the two bytes before the first item take.
pub const HEADER_BYTES: usize = 2;

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::write(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Reader<'a> {
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn error(&self, reason: &'static str) -> DecodeError {
        DecodeError { at: self.whole - self.rest.len(), reason }
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or_else(|| self.error("ends early"))?;
        self.rest = rest;
        Ok(first)
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
        let at = self.error("bad number");
        varint::read(&mut self.rest).ok_or(at)
    }

    fn number32(&mut self) -> Result<u32, DecodeError> {
        let at = self.error("number over 32 bits");
        u32::try_from(self.number()?).map_err(|_| at)
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let at = self.error("byte string longer than the record");
        let len = usize::try_from(self.number()?).map_err(|_| at)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(at)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error("bytes after the end")) }
    }
}

/// The items of a commit record. Ends after the first error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items<'a> {
    reader: Reader<'a>,
    tree: Option<TreeId>,
    last: Option<&'a [u8]>,
}

impl<'a> Items<'a> {
    fn item(&mut self) -> Result<Item<'a>, DecodeError> {
        let at = self.reader.error("unknown flags");
        let flags = self.reader.byte()?;
        if flags & !KNOWN != 0 || flags & (OLD | OLD_PRESENT) == OLD_PRESENT {
            return Err(at);
        }
        if flags & RUN != 0 {
            if flags != RUN || self.tree.is_some() {
                return Err(at);
            }
            return self.reader.bytes().map(Item::Run);
        }
        let tree = self.tree_of(flags)?;
        let order = self.reader.error("keys do not ascend");
        let key = self.reader.bytes()?;
        if self.last.is_some_and(|last| last >= key) {
            return Err(order);
        }
        self.last = Some(key);
        let value = if flags & PUT != 0 { Some(self.reader.bytes()?) } else { None };
        let old = match flags & (OLD | OLD_PRESENT) {
            0 => Old::Unrecorded,
            OLD => Old::Absent,
            _ => Old::Value(self.reader.bytes()?),
        };
        Ok(Item::Change(Change { tree, key, value, old }))
    }

    fn tree_of(&mut self, flags: u8) -> Result<TreeId, DecodeError> {
        let at = self.reader.error("trees do not ascend");
        if flags & TREE == 0 {
            return self.tree.ok_or(at);
        }
        let tree = TreeId(self.reader.number32()?);
        if self.tree.is_some_and(|last| last >= tree) {
            return Err(at);
        }
        self.tree = Some(tree);
        self.last = None;
        Ok(tree)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.rest.is_empty() {
            return None;
        }
        let item = self.item();
        if item.is_err() {
            self.reader.rest = &[];
        }
        Some(item)
    }
}

/// A control record: the checkpointer's notes to recovery (DESIGN section 7).
///
/// Each says everything: what was said before may lie in segments that are recycled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// What is known of the state.
    pub stage: Stage,
    /// The state holds exactly the commits up to here.
    pub cut: Timestamp,
    /// The change counter in its page 1, by which it is known again.
    pub counter: u32,
    /// The change counter of the state before it.
    pub previous: u32,
    /// The write version (byte 18) that a clean close puts back.
    pub write_version: u8,
    /// The next tree to be created gets this number.
    pub next_tree: TreeId,
    /// Every tree of the state, and where its root is. Ascending.
    pub trees: Vec<(TreeId, PageNo)>,
}

/// How far a state of the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is what the log begins with.
    Begin,
    /// A checkpoint is about to write the commit frame of this state.
    Intent,
    /// The state is in `-wal`, synced.
    Done,
}

impl Control {
    /// The whole record.
    pub fn encode(&self) -> Vec<u8> {
        let tag = match self.stage {
            Stage::Begin => CONTROL_BEGIN,
            Stage::Intent => CONTROL_INTENT,
            Stage::Done => CONTROL_DONE,
        };
        let mut out = vec![VERSION, KIND_CONTROL, tag, self.write_version];
        varint::write(&mut out, self.cut.get());
        varint::write(&mut out, u64::from(self.counter));
        varint::write(&mut out, u64::from(self.previous));
        write_trees(&mut out, self.next_tree, &self.trees);
        out
    }

    fn read(reader: &mut Reader<'_>) -> Result<Control, DecodeError> {
        let unknown = reader.error("unknown control");
        let stage = match reader.byte()? {
            CONTROL_BEGIN => Stage::Begin,
            CONTROL_INTENT => Stage::Intent,
            CONTROL_DONE => Stage::Done,
            _ => return Err(unknown),
        };
        let write_version = reader.byte()?;
        let cut = Timestamp(reader.number()?);
        let counter = reader.number32()?;
        let previous = reader.number32()?;
        let (next_tree, trees) = read_trees(reader)?;
        reader.end()?;
        Ok(Control { stage, cut, counter, previous, write_version, next_tree, trees })
    }
}

fn write_trees(out: &mut Vec<u8>, next: TreeId, trees: &[(TreeId, PageNo)]) {
    debug_assert!(trees.is_sorted_by(|a, b| a.0 < b.0), "R1: trees ascend");
    varint::write(out, u64::from(next.get()));
    varint::write(out, trees.len() as u64);
    for (tree, root) in trees {
        varint::write(out, u64::from(tree.get()));
        varint::write(out, u64::from(root.get()));
    }
}

fn read_trees(reader: &mut Reader<'_>) -> Result<(TreeId, Vec<(TreeId, PageNo)>), DecodeError> {
    let next = TreeId(reader.number32()?);
    let at = reader.error("more trees than bytes");
    let count = usize::try_from(reader.number()?).map_err(|_| at)?;
    // Each takes two bytes at least: this bounds the allocation by the record's own size.
    if count > reader.rest.len() / 2 {
        return Err(at);
    }
    let mut trees: Vec<(TreeId, PageNo)> = Vec::with_capacity(count);
    for _ in 0..count {
        let at = reader.error("trees do not ascend");
        let tree = TreeId(reader.number32()?);
        if trees.last().is_some_and(|last| last.0 >= tree) || tree >= next {
            return Err(at);
        }
        trees.push((tree, PageNo(reader.number32()?)));
    }
    Ok((next, trees))
}

#[cfg(test)]
mod tests;
