//! A text with other names: where the names of a syntax tree stand, and what is put there.
//!
//! # Invariant
//! - E1: names are found by going through text and tree side by side (`super::super::visit`, V1), so that only names change.

use std::collections::HashMap;
use std::ops::Range;

use crate::ast::{Name, Statement};
use crate::ddl::visit::{self, Visitor};
use crate::parse::{quoted, unquoted, words};

/// Where each name of a statement stands in its text, by the name's place in memory.
#[derive(Debug)]
pub(super) struct Places<'s> {
    sql: &'s str,
    words: Vec<Range<usize>>,
    /// The next word.
    next: usize,
    by_name: HashMap<*const Name, Range<usize>>,
}

impl<'s> Places<'s> {
    /// Those of a statement of the schema.
    pub(super) fn of(sql: &'s str, statement: &Statement) -> Places<'s> {
        let mut places = Places {
            sql,
            words: words(sql).into_iter().map(|word| word.range).collect(),
            next: 0,
            by_name: HashMap::new(),
        };
        places.skip_head();
        visit::statement(statement, &mut places);
        places
    }

    /// Where a name stands.
    pub(super) fn of_name(&self, name: &Name) -> Option<Range<usize>> {
        self.by_name.get(&std::ptr::from_ref(name)).cloned()
    }

    /// `CREATE UNIQUE INDEX` and the like.
    fn skip_head(&mut self) {
        let kinds = ["TABLE", "INDEX", "VIEW", "TRIGGER"];
        let is_kind = |range: &Range<usize>| {
            let text = self.sql.get(range.clone()).unwrap_or_default();
            kinds.iter().any(|kind| kind.eq_ignore_ascii_case(text))
        };
        self.next = self.words.iter().take(4).position(is_kind).map_or(0, |at| at + 1);
    }

    /// The next word that fits, from which on the next one is looked for.
    fn find(&mut self, fits: impl Fn(&str) -> bool) -> Option<Range<usize>> {
        let rest = self.words.get(self.next..)?;
        let text = |range: &Range<usize>| self.sql.get(range.clone()).unwrap_or_default();
        let at = rest.iter().position(|range| fits(text(range)))?;
        let found = rest.get(at).cloned();
        self.next += at + 1;
        found
    }
}

impl<'a> Visitor<'a> for Places<'_> {
    fn name(&mut self, name: &'a Name) {
        let fits =
            |word: &str| word.starts_with('"') == name.double_quoted && unquoted(word) == name.text;
        if let Some(found) = self.find(fits) {
            self.by_name.insert(std::ptr::from_ref(name), found);
        }
    }

    fn keyword(&mut self, keyword: &'static str) {
        self.find(|word| word.eq_ignore_ascii_case(keyword));
    }

    fn text(&mut self, text: &str) {
        self.find(|word| word.starts_with('\'') && *unquoted(word) == *text);
    }

    fn type_words(&mut self, declared: &str) {
        for range in words(declared) {
            let part = declared.get(range.range).unwrap_or_default();
            let plain = unquoted(part);
            self.find(|word| word == part || unquoted(word) == plain);
        }
    }
}

/// A text with pieces of it replaced; the pieces don't overlap.
pub(super) fn replaced(sql: &str, mut pieces: Vec<(Range<usize>, String)>) -> String {
    pieces.sort_by_key(|(range, _)| range.start);
    pieces.dedup_by_key(|(range, _)| range.start);
    let mut text = String::with_capacity(sql.len());
    let mut from = 0;
    for (range, with) in pieces {
        text.push_str(sql.get(from..range.start).unwrap_or_default());
        text.push_str(&with);
        from = range.end;
    }
    text.push_str(sql.get(from..).unwrap_or_default());
    text
}

/// A new name for the one that stands at a place: in quotes if the old one is, or always.
pub(super) fn new_name(sql: &str, at: &Range<usize>, name: &str, in_quotes: bool) -> String {
    let first = sql.as_bytes().get(at.start).copied().unwrap_or_default();
    let is_plain =
        first.is_ascii_alphanumeric() || first == b'_' || first == b'$' || !first.is_ascii();
    if !in_quotes && is_plain {
        return name.to_owned();
    }
    let space = if sql.get(at.end..).is_some_and(|rest| rest.starts_with('"')) { " " } else { "" };
    format!("{}{space}", quoted(name))
}

/// A name in double quotes as the text that it means.
pub(super) fn text_of(sql: &str, at: &Range<usize>, name: &str) -> String {
    let space = if sql.get(at.end..).is_some_and(|rest| rest.starts_with('\'')) { " " } else { "" };
    format!("'{}'{space}", name.replace('\'', "''"))
}
