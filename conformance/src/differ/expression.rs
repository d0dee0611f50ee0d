//! Expressions over the columns in scope.

use super::generator::{Column, Generator, Kind};

/// A column as an expression names it.
#[derive(Debug, Clone)]
pub struct Named {
    /// With its table, if that is needed.
    pub text: String,
    /// What it usually holds.
    pub kind: Kind,
}

impl Named {
    /// A column, of a table if one is given.
    pub fn of(column: &Column, table: Option<&str>) -> Named {
        let text = match table {
            Some(table) => format!("{table}.{}", column.name),
            None => column.name.clone(),
        };
        Named { text, kind: column.kind }
    }
}

/// What expressions can name.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    columns: Vec<Named>,
}

impl Scope {
    /// These columns.
    pub fn of(columns: Vec<Named>) -> Scope {
        Scope { columns }
    }

    /// Its columns.
    pub fn columns(&self) -> &[Named] {
        &self.columns
    }
}

const WORDS: [&str; 14] =
    ["", "a", "A", "b", "ab", "AB", "abc", "b ", "10", "9", "1.5", "x_y", "x%", "\u{e9}t"];
const PATTERNS: [&str; 8] = ["a%", "%b", "_b", "%", "A_%", "x\\_%", "10", "%\u{e9}%"];
const GLOBS: [&str; 6] = ["a*", "*b", "?b", "[a-c]*", "*", "[^a]*"];

impl Generator {
    /// A constant.
    pub(super) fn literal(&mut self, kind: Kind) -> String {
        if self.one_in(12) {
            return "NULL".to_owned();
        }
        match kind {
            Kind::Integer => self.rng.i32(-9..40).to_string(),
            Kind::Real => format!("{:?}", f64::from(self.rng.i32(-40..400)) / 4.0),
            Kind::Text => format!("'{}'", self.pick(&WORDS)),
            Kind::Blob => self.pick(&["x''", "x'00'", "x'61'", "x'0102'", "x'ff'"]).to_owned(),
            Kind::Any => {
                let kinds = [Kind::Integer, Kind::Real, Kind::Text, Kind::Blob];
                let kind = kinds[self.rng.usize(0..kinds.len())];
                self.literal(kind)
            }
        }
    }

    /// A column of the scope, rather one of this kind.
    fn column(&mut self, scope: &Scope, kind: Kind) -> Option<String> {
        let fit =
            |column: &&Named| kind == Kind::Any || column.kind == kind || column.kind == Kind::Any;
        let fitting: Vec<&Named> = scope.columns.iter().filter(fit).collect();
        if !fitting.is_empty() && !self.one_in(8) {
            return Some(fitting[self.rng.usize(0..fitting.len())].text.clone());
        }
        let count = scope.columns.len();
        (count > 0).then(|| scope.columns[self.rng.usize(0..count)].text.clone())
    }

    fn leaf(&mut self, scope: &Scope, kind: Kind) -> String {
        if self.one_in(3) {
            return self.literal(kind);
        }
        match self.column(scope, kind) {
            Some(column) => column,
            None => self.literal(kind),
        }
    }

    /// An expression without subqueries, as indexes, checks and triggers take it.
    pub(super) fn plain_expression(&mut self, scope: &Scope, kind: Kind, depth: u32) -> String {
        if depth == 0 || self.one_in(4) {
            return self.leaf(scope, kind);
        }
        match kind {
            Kind::Integer | Kind::Real => self.number(scope, kind, depth - 1),
            Kind::Text => self.text(scope, depth - 1),
            Kind::Blob => {
                let inner = self.plain_expression(scope, Kind::Text, depth - 1);
                format!("CAST({inner} AS BLOB)")
            }
            Kind::Any => match self.rng.u32(0..4) {
                0 => self.any(scope, depth - 1),
                1 => self.text(scope, depth - 1),
                _ => self.number(scope, Kind::Integer, depth - 1),
            },
        }
    }

    fn number(&mut self, scope: &Scope, kind: Kind, depth: u32) -> String {
        let one = |own: &mut Generator| own.plain_expression(scope, kind, depth);
        match self.rng.u32(0..22) {
            0..3 => format!("({} + {})", one(self), one(self)),
            3..5 => format!("({} - {})", one(self), one(self)),
            5 => format!("{} * {}", self.leaf(scope, kind), self.leaf(scope, kind)),
            6 => format!("{} / {}", self.leaf(scope, kind), self.leaf(scope, kind)),
            7 => format!("({} % {})", one(self), self.rng.i32(-5..9)),
            8 => format!("(- {})", one(self)),
            9 => format!("abs({})", self.leaf(scope, kind)),
            10 => format!("length({})", self.plain_expression(scope, Kind::Any, depth)),
            11 => format!("({} & {})", one(self), one(self)),
            12 => format!("({} | {})", one(self), one(self)),
            13 => format!("({} << {})", self.leaf(scope, kind), self.rng.i32(-3..6)),
            14 => format!("round({}, {})", one(self), self.rng.i32(0..3)),
            15 => format!("{}({}, {})", self.pick(&["min", "max"]), one(self), one(self)),
            16 => format!(
                "CAST({} AS {})",
                self.leaf(scope, Kind::Text),
                self.pick(&["INTEGER", "REAL", "NUMERIC"])
            ),
            17 => {
                format!("instr({}, {})", self.leaf(scope, Kind::Text), self.leaf(scope, Kind::Text))
            }
            18 => format!("(~ {})", self.leaf(scope, Kind::Integer)),
            19 => format!("unicode({})", self.leaf(scope, Kind::Text)),
            20 => self.plain_condition_at(scope, depth),
            _ => self.any_of(scope, kind, depth),
        }
    }

    fn text(&mut self, scope: &Scope, depth: u32) -> String {
        let one = |own: &mut Generator| own.plain_expression(scope, Kind::Text, depth);
        match self.rng.u32(0..16) {
            0..3 => format!("{} || {}", self.leaf(scope, Kind::Text), self.leaf(scope, Kind::Any)),
            3 => format!("upper({})", one(self)),
            4 => format!("lower({})", one(self)),
            5 => format!("substr({}, {})", one(self), self.rng.i32(-4..5)),
            6 => format!("substr({}, {}, {})", one(self), self.rng.i32(-4..5), self.rng.i32(-3..5)),
            7 => format!("{}({})", self.pick(&["trim", "ltrim", "rtrim"]), one(self)),
            8 => format!(
                "replace({}, {}, {})",
                one(self),
                self.leaf(scope, Kind::Text),
                self.leaf(scope, Kind::Text)
            ),
            9 => format!("hex({})", self.leaf(scope, Kind::Any)),
            10 => format!("quote({})", self.leaf(scope, Kind::Any)),
            11 => format!("typeof({})", self.plain_expression(scope, Kind::Any, depth)),
            12 => format!("CAST({} AS TEXT)", self.plain_expression(scope, Kind::Any, depth)),
            13 => format!(
                "printf('%5d|%s', {}, {})",
                self.leaf(scope, Kind::Integer),
                self.leaf(scope, Kind::Any)
            ),
            _ => self.any_of(scope, Kind::Text, depth),
        }
    }

    fn any(&mut self, scope: &Scope, depth: u32) -> String {
        self.any_of(scope, Kind::Any, depth)
    }

    /// What gives one of its operands.
    fn any_of(&mut self, scope: &Scope, kind: Kind, depth: u32) -> String {
        let one = |own: &mut Generator| own.plain_expression(scope, kind, depth);
        match self.rng.u32(0..6) {
            0 => format!("coalesce({}, {})", one(self), one(self)),
            1 => format!("ifnull({}, {})", one(self), one(self)),
            2 => format!("nullif({}, {})", one(self), one(self)),
            3 => format!(
                "iif({}, {}, {})",
                self.plain_condition_at(scope, depth),
                one(self),
                one(self)
            ),
            4 => {
                let (when, then) = (self.plain_condition_at(scope, depth), one(self));
                let other =
                    if self.one_in(3) { String::new() } else { format!(" ELSE {}", one(self)) };
                format!("CASE WHEN {when} THEN {then}{other} END")
            }
            _ => {
                let (base, when, then) = (one(self), one(self), one(self));
                format!("CASE {base} WHEN {when} THEN {then} ELSE {} END", one(self))
            }
        }
    }

    /// A condition without subqueries.
    pub(super) fn plain_condition(&mut self, scope: &Scope) -> String {
        self.plain_condition_at(scope, 2)
    }

    fn plain_condition_at(&mut self, scope: &Scope, depth: u32) -> String {
        let depth = depth.saturating_sub(1);
        let kinds = [Kind::Integer, Kind::Integer, Kind::Real, Kind::Text, Kind::Text, Kind::Any];
        let kind = kinds[self.rng.usize(0..kinds.len())];
        let one = |own: &mut Generator| own.plain_expression(scope, kind, depth);
        match self.rng.u32(0..24) {
            0..7 => {
                let sign = self.pick(&["=", "<", ">", "<=", ">=", "<>", "=="]);
                format!("({} {sign} {})", self.leaf(scope, kind), one(self))
            }
            7 => format!(
                "({} {} {})",
                one(self),
                self.pick(&["IS", "IS NOT", "IS NOT DISTINCT FROM"]),
                one(self)
            ),
            8 => format!("({} {})", one(self), self.pick(&["IS NULL", "NOTNULL", "IS NOT NULL"])),
            9..11 => {
                let list: Vec<String> =
                    (0..1 + self.up_to(4)).map(|_| self.literal(kind)).collect();
                let not = self.pick(&["", "NOT "]);
                format!("({} {not}IN ({}))", self.leaf(scope, kind), list.join(", "))
            }
            11..13 => {
                let not = self.pick(&["", "NOT "]);
                format!(
                    "({} {not}BETWEEN {} AND {})",
                    self.leaf(scope, kind),
                    self.literal(kind),
                    one(self)
                )
            }
            13 => {
                let not = self.pick(&["", "NOT "]);
                format!("({} {not}LIKE '{}')", self.leaf(scope, Kind::Text), self.pick(&PATTERNS))
            }
            14 => format!("({} GLOB '{}')", self.leaf(scope, Kind::Text), self.pick(&GLOBS)),
            15 if depth > 0 => format!("(NOT {})", self.plain_condition_at(scope, depth)),
            16..18 if depth > 0 => {
                let sign = self.pick(&["AND", "OR"]);
                format!(
                    "({} {sign} {})",
                    self.plain_condition_at(scope, depth),
                    self.plain_condition_at(scope, depth)
                )
            }
            18 => format!(
                "(({}, {}) {} ({}, {}))",
                self.leaf(scope, kind),
                self.leaf(scope, Kind::Any),
                self.pick(&["=", "<", ">=", "IS"]),
                one(self),
                self.leaf(scope, Kind::Any)
            ),
            19 => format!(
                "({} = {} COLLATE {})",
                one(self),
                one(self),
                self.pick(&["NOCASE", "BINARY", "RTRIM"])
            ),
            _ => {
                let sign = self.pick(&["=", ">", "<"]);
                format!("({} {sign} {})", self.leaf(scope, kind), self.literal(kind))
            }
        }
    }

    /// An expression that may hold a subquery.
    pub(super) fn expression(&mut self, scope: &Scope, kind: Kind, depth: u32) -> String {
        if self.one_in(9) {
            self.scalar_subquery(scope)
        } else {
            self.plain_expression(scope, kind, depth)
        }
    }

    /// A condition that may hold a subquery.
    pub(super) fn condition(&mut self, scope: &Scope) -> String {
        match self.rng.u32(0..10) {
            0 => self.subquery_condition(scope),
            1 => {
                let sign = self.pick(&["AND", "OR"]);
                let other = self.subquery_condition(scope);
                format!("{} {sign} {other}", self.plain_condition(scope))
            }
            2..4 => {
                let sign = self.pick(&["AND", "OR"]);
                format!("{} {sign} {}", self.plain_condition(scope), self.plain_condition(scope))
            }
            _ => self.plain_condition(scope),
        }
    }

    /// A query's value: an aggregate, for that is one row whatever the order.
    fn scalar_subquery(&mut self, scope: &Scope) -> String {
        let table = self.source();
        let inner: Vec<Named> =
            table.columns.iter().map(|column| Named::of(column, Some("q"))).collect();
        let argument = inner[self.rng.usize(0..inner.len())].text.clone();
        let function = self.pick(&["count", "min", "max", "total"]);
        let condition = self.correlation(scope, &inner);
        format!("(SELECT {function}({argument}) FROM {} AS q{condition})", table.name)
    }

    /// A WHERE that may name the columns around.
    fn correlation(&mut self, scope: &Scope, inner: &[Named]) -> String {
        match self.rng.u32(0..4) {
            0 => String::new(),
            1 => format!(" WHERE {}", self.plain_condition(&Scope::of(inner.to_vec()))),
            _ => {
                let own = &inner[self.rng.usize(0..inner.len())];
                let outer = self.leaf(scope, own.kind);
                let sign = self.pick(&["=", "=", "<", ">"]);
                format!(" WHERE {} {sign} {outer}", own.text)
            }
        }
    }

    fn subquery_condition(&mut self, scope: &Scope) -> String {
        let table = self.source();
        let inner: Vec<Named> =
            table.columns.iter().map(|column| Named::of(column, Some("q"))).collect();
        let own = inner[self.rng.usize(0..inner.len())].clone();
        let condition = self.correlation(scope, &inner);
        let not = self.pick(&["", "NOT "]);
        if self.one_in(2) {
            return format!("{not}EXISTS (SELECT 1 FROM {} AS q{condition})", table.name);
        }
        let left = self.leaf(scope, own.kind);
        format!("{left} {not}IN (SELECT {} FROM {} AS q{condition})", own.text, table.name)
    }
}
