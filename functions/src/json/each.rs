//! JSON as rows: `json_each`, `json_tree` and the same with JSONB for arrays and objects.
//!
//! # Invariants
//! - R1: `at` is the row's element; in an object, its label, behind which is its value.
//! - R2: `parents` are the containers around it down from the root of the walk, and `path` leads to the innermost one.

use heddle_value::number::parse_integer_prefix;
use heddle_value::{Text, Value};

use super::argument::{c_string, document, to_value};
use super::jsonb::{Element, Kind, element, is_jsonb};
use super::path::{Miss, Target, find, follow};
use crate::registry::{TableFunction, TableRows};
use crate::{Result, Surroundings};

const COLUMNS: &[(&str, &str)] = &[
    ("key", ""),
    ("value", ""),
    ("type", ""),
    ("atom", ""),
    ("id", ""),
    ("parent", ""),
    ("fullkey", ""),
    ("path", ""),
];

const PARAMETERS: &[&str] = &["json", "root"];

const fn function(name: &'static str, open: crate::OpenRows) -> TableFunction {
    // Without a document there are no rows, which is no error.
    TableFunction { name, columns: COLUMNS, parameters: PARAMETERS, required: 0, open }
}

pub(super) const FUNCTIONS: &[TableFunction] = &[
    function("json_each", open::<false, false>),
    function("json_tree", open::<true, false>),
    function("jsonb_each", open::<false, true>),
    function("jsonb_tree", open::<true, true>),
];

/// A container around the row.
struct Parent {
    /// Where it begins, at its label if it has one.
    head: usize,
    kind: Kind,
    end: usize,
    /// The index of the row's element in an array.
    index: i64,
    /// How long the path to what is around it is.
    path: usize,
}

/// A walk over the elements of one container, or over all below the root.
struct Walk<const TREE: bool, const JSONB: bool> {
    blob: Vec<u8>,
    /// The hidden columns.
    json: Value,
    root: Value,
    at: usize,
    end: usize,
    /// Whether `at` is a label (R1).
    labelled: bool,
    parents: Vec<Parent>,
    path: Vec<u8>,
    /// No row was given yet.
    first: bool,
}

/// No rows at all.
struct Nothing;

impl TableRows for Nothing {
    fn next(&mut self, _: &mut dyn Surroundings) -> Result<Option<Vec<Value>>> {
        Ok(None)
    }
}

fn open<const TREE: bool, const JSONB: bool>(
    _: &mut dyn Surroundings,
    arguments: &[Value],
) -> Result<Box<dyn TableRows>> {
    let json = arguments.first().unwrap_or(&Value::Null);
    let Some(blob) = document(json)? else { return Ok(Box::new(Nothing)) };
    let path = match arguments.get(1).map(c_string) {
        None => b"$".to_vec(),
        Some(Some(root)) => root.into_owned(),
        Some(None) => return Ok(Box::new(Nothing)),
    };
    let bad = || Miss::Bad.error(&path);
    let steps = path.strip_prefix(b"$").ok_or_else(bad)?;
    let (found, label) = match follow(&blob, steps, &mut Vec::new()) {
        Ok(Target::Found { element, label }) => (element, label),
        Ok(Target::Room { .. }) | Err(Miss::NotFound) => return Ok(Box::new(Nothing)),
        Err(_) => return Err(bad()),
    };
    let json = match json {
        Value::Blob(blob) if is_jsonb(blob.as_bytes()) => json.clone(),
        text => Value::Text(c_string(text).map_or_else(|| Text::from(""), Text::new)),
    };
    let mut walk = Walk::<TREE, JSONB> {
        blob: blob.into_owned(),
        json,
        root: Value::text(&path),
        at: label.unwrap_or(found.at),
        end: found.end,
        labelled: label.is_some(),
        parents: Vec::new(),
        path,
        first: true,
    };
    if !TREE && found.kind.is_container() {
        walk.enter(&found);
    }
    Ok(Box::new(walk))
}

impl<const TREE: bool, const JSONB: bool> Walk<TREE, JSONB> {
    /// The row's element, without its label.
    fn element(&self) -> Result<Element> {
        let here = element(&self.blob, self.at)?;
        Ok(if self.labelled { element(&self.blob, here.end)? } else { here })
    }

    /// Goes to the first element in the row's container.
    fn enter(&mut self, container: &Element) {
        self.parents.push(Parent {
            head: self.at,
            kind: container.kind,
            end: container.end,
            index: 0,
            path: self.path.len(),
        });
        self.at = container.payload;
        self.labelled = container.kind == Kind::Object;
    }

    /// Goes to the next row.
    fn advance(&mut self) -> Result<()> {
        let here = self.element()?;
        if TREE && here.kind.is_container() {
            let path = self.path.len();
            self.name()?;
            self.enter(&here);
            if let Some(parent) = self.parents.last_mut() {
                parent.path = path;
            }
        } else {
            self.at = here.end;
            self.count_up();
        }
        if !TREE {
            return Ok(());
        }
        while let Some(parent) = self.parents.last()
            && self.at >= parent.end
        {
            self.path.truncate(parent.path);
            self.parents.pop();
            self.labelled = self.parents.last().is_some_and(|p| p.kind == Kind::Object);
            self.count_up();
        }
        Ok(())
    }

    fn count_up(&mut self) {
        if let Some(parent) = self.parents.last_mut() {
            parent.index += 1;
        }
    }

    /// Adds the row's step to the path, unless the row is the root.
    fn name(&mut self) -> Result<()> {
        let Some(parent) = self.parents.last() else { return Ok(()) };
        if parent.kind != Kind::Object {
            self.path.extend_from_slice(format!("[{}]", parent.index).as_bytes());
            return Ok(());
        }
        let label = element(&self.blob, self.at)?;
        let label = label.bytes(&self.blob);
        let label = label.split(|&b| b == 0).next().unwrap_or_default();
        let simple = label.first().is_some_and(u8::is_ascii_alphabetic)
            && label.iter().all(u8::is_ascii_alphanumeric);
        let quote: &[u8] = if simple { b"" } else { b"\"" };
        for part in [b".", quote, label, quote] {
            self.path.extend_from_slice(part);
        }
        Ok(())
    }

    /// How long the path to the container around the row is. What is around the root is found only if the root is first in it; else
    /// SQLite takes `$` for it.
    fn path_length(&self) -> usize {
        if !TREE || !self.first {
            return self.path.len();
        }
        let holds = |n: &usize| {
            let before = self.path.get(..*n).unwrap_or_default();
            matches!(self.path.get(*n), Some(b'[' | b'.'))
                && find(&self.blob, before).is_ok_and(|found| found.payload == self.at)
        };
        (1..self.path.len()).rev().find(holds).unwrap_or(1)
    }

    fn key(&self, around: &dyn Surroundings) -> Result<Value> {
        let Some(parent) = self.parents.last() else { return Ok(self.root_key()) };
        if parent.kind != Kind::Object {
            return Ok(Value::Integer(parent.index));
        }
        to_value::<false>(around, &self.blob, &element(&self.blob, self.at)?)
    }

    /// The key of the root, as its path's end has it.
    fn root_key(&self) -> Value {
        match self.path.get(self.path_length()..).unwrap_or_default() {
            [] => Value::Null,
            [b'[', index @ ..] => Value::Integer(parse_integer_prefix(index)),
            [_, b'"', label @ ..] => Value::text(label.strip_suffix(b"\"").unwrap_or(label)),
            [_, label @ ..] => Value::text(label),
        }
    }

    fn row(&mut self, around: &dyn Surroundings) -> Result<Vec<Value>> {
        let here = self.element()?;
        let value = to_value::<JSONB>(around, &self.blob, &here)?;
        let atom = if here.kind.is_container() { Value::Null } else { value.clone() };
        let parent = if TREE { self.parents.last().map(|p| p.head) } else { None };
        let key = self.key(around)?;
        let before = self.path.len();
        let path = Value::text(self.path.get(..self.path_length()).unwrap_or_default());
        self.name()?;
        let full = Value::text(&self.path);
        self.path.truncate(before);
        Ok(vec![
            key,
            value,
            Value::text(here.kind.name()),
            atom,
            Value::Integer(self.at as i64),
            parent.map_or(Value::Null, |head| Value::Integer(head as i64)),
            full,
            path,
            self.json.clone(),
            self.root.clone(),
        ])
    }
}

impl<const TREE: bool, const JSONB: bool> TableRows for Walk<TREE, JSONB> {
    fn next(&mut self, around: &mut dyn Surroundings) -> Result<Option<Vec<Value>>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let row = self.row(around)?;
        self.advance()?;
        self.first = false;
        Ok(Some(row))
    }
}
