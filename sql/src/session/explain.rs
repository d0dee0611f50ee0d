//! EXPLAIN QUERY PLAN: what a plan reads and how, as a tree of lines in SQLite's words.

use std::sync::Arc;

use heddle_value::Value;

use super::prepared::{OutputColumn, Prepared};
use super::run::Finished;
use super::state::Session;
use crate::Result;
use crate::ast::{CompoundOp, Statement};
use crate::bind::{self, Environment};
use crate::optimize::optimize;
use crate::plan::{Access, Bound, Query, Relation, RowSource, Scan};

impl Session {
    /// The plan of a statement, line by line.
    ///
    /// # Errors
    /// What is wrong with the statement.
    ///
    /// # Cancel safety
    /// It only reads.
    pub(super) async fn explain(
        &mut self,
        prepared: &Prepared,
        statement: &Statement,
    ) -> Result<Finished> {
        self.check_usable()?;
        if self.is_autocommit() {
            let own = self.own_resources().await?;
            self.see(&own.transactions);
        } else {
            self.begin_open().await?;
            let lent = self.lend();
            self.see(&lent.transactions);
            self.take_back(lent);
        }
        let environment = Environment { databases: &self.known, extensions: &self.extensions };
        let parameters = prepared.parameter_count();
        let mut lines = Lines::default();
        match statement {
            Statement::Select(select) => {
                let mut query = bind::query(environment, select, parameters)?;
                optimize(&mut query);
                lines.query(&query);
            }
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                let plan = bind::modification(environment, statement, parameters)?;
                lines.query(&plan.write.source);
            }
            // Others have no plan, and SQLite gives no lines for them.
            _ => {}
        }
        let columns = ["id", "parent", "notused", "detail"];
        let columns = columns.map(|name| OutputColumn {
            name: name.into(),
            declared_type: None,
            origin: None,
        });
        Ok(Finished { changes: 0, columns: Arc::new(columns), rows: lines.rows })
    }
}

/// The lines so far, each with its number and that of the line it belongs to.
#[derive(Default)]
struct Lines {
    rows: Vec<Vec<Value>>,
}

impl Lines {
    fn add(&mut self, parent: i64, detail: &str) -> i64 {
        let id = i64::try_from(self.rows.len()).unwrap_or(i64::MAX).saturating_add(1);
        let detail = Value::text(detail.as_bytes());
        self.rows.push(vec![Value::Integer(id), Value::Integer(parent), Value::Integer(0), detail]);
        id
    }

    fn query(&mut self, query: &Query) {
        for shared in &query.shared {
            if let Some(relation) = &shared.relation {
                let id = self.add(0, &format!("MATERIALIZE {}", shared.id.0));
                self.relation(id, relation);
            }
        }
        self.relation(0, &query.relation);
    }

    fn relation(&mut self, parent: i64, relation: &Relation) {
        match relation {
            Relation::Unit | Relation::Empty => {}
            Relation::Values { rows, .. } => {
                if rows.len() > 1 {
                    self.add(parent, &format!("SCAN {}-ROW VALUES CLAUSE", rows.len()));
                }
            }
            Relation::Scan(scan) => {
                self.scan(parent, scan);
            }
            Relation::Rows { source, .. } => {
                let name = match source {
                    RowSource::Function(function) => function.name,
                    RowSource::Pragma(name) => name,
                };
                self.add(parent, &format!("SCAN {name} VIRTUAL TABLE INDEX 0:"));
            }
            Relation::Filter { input, .. }
            | Relation::Project { input, .. }
            | Relation::Limit { input, .. } => self.relation(parent, input),
            Relation::Join { left, right, .. } => {
                self.relation(parent, left);
                self.relation(parent, right);
            }
            Relation::Aggregate { input, groups, ordered, .. } => {
                self.relation(parent, input);
                if !groups.is_empty() && !ordered {
                    self.add(parent, "USE TEMP B-TREE FOR GROUP BY");
                }
            }
            Relation::Window { input, .. } => {
                let id = self.add(parent, "CO-ROUTINE (window)");
                self.relation(id, input);
            }
            Relation::Distinct { input, .. } => {
                self.relation(parent, input);
                self.add(parent, "USE TEMP B-TREE FOR DISTINCT");
            }
            Relation::Sort { input, .. } => {
                self.relation(parent, input);
                self.add(parent, "USE TEMP B-TREE FOR ORDER BY");
            }
            Relation::Compound { op, left, right, .. } => {
                let id = self.add(parent, "COMPOUND QUERY");
                let first = self.add(id, "LEFT-MOST SUBQUERY");
                self.relation(first, &left.0);
                let how = match op {
                    CompoundOp::UnionAll => "UNION ALL",
                    CompoundOp::Union => "UNION USING TEMP B-TREE",
                    CompoundOp::Intersect => "INTERSECT USING TEMP B-TREE",
                    CompoundOp::Except => "EXCEPT USING TEMP B-TREE",
                };
                let second = self.add(id, how);
                self.relation(second, &right.0);
            }
            Relation::Shared { id, .. } => {
                self.add(parent, &format!("SCAN {}", id.0));
            }
            Relation::Recursive { initial, step, .. } => {
                let setup = self.add(parent, "SETUP");
                self.relation(setup, &initial.0);
                let again = self.add(parent, "RECURSIVE STEP");
                self.relation(again, &step.0);
            }
        }
    }

    fn scan(&mut self, parent: i64, scan: &Scan) {
        let access = match &scan.access {
            Access::Each { access, .. } => access,
            access => access,
        };
        if let Access::Union(parts) = access {
            let id = self.add(parent, "MULTI-INDEX OR");
            for part in parts {
                self.add(id, &line(scan, part));
            }
            return;
        }
        self.add(parent, &line(scan, access));
    }
}

/// One access to a table.
fn line(scan: &Scan, access: &Access) -> String {
    let label = match &*scan.label {
        "" => &*scan.table.name,
        label => label,
    };
    match access {
        Access::Full | Access::Union(_) => format!("SCAN {label}"),
        Access::Rowid(bound) => {
            format!("SEARCH {label} USING INTEGER PRIMARY KEY ({})", rowid_terms(bound))
        }
        Access::Index { index, equal, range, covering, .. } => {
            let keys = index.as_ref().map_or(&scan.table.primary_key, |index| &index.keys);
            let name = |at: usize| {
                let column = keys.get(at).and_then(|key| key.column);
                let column = column.and_then(|column| scan.table.columns.get(usize::from(column)));
                column.map_or("<expr>", |column| &column.name)
            };
            let mut terms: Vec<String> =
                (0..equal.len()).map(|at| format!("{}=?", name(at))).collect();
            terms.extend(limits(name(equal.len()), range));
            let how = match index {
                None => "PRIMARY KEY".to_owned(),
                Some(index) if *covering => format!("COVERING INDEX {}", index.name),
                Some(index) => format!("INDEX {}", index.name),
            };
            match terms.is_empty() {
                true => format!("SCAN {label} USING {how}"),
                false => format!("SEARCH {label} USING {how} ({})", terms.join(" AND ")),
            }
        }
        Access::Each { access, .. } => line(scan, access),
    }
}

/// The limits of a range, one that is a single value as such.
fn rowid_terms(bound: &Bound) -> String {
    let is_point = match (&bound.low, &bound.high) {
        (Some((low, true)), Some((high, true))) => format!("{low:?}") == format!("{high:?}"),
        _ => false,
    };
    if is_point { "rowid=?".to_owned() } else { limits("rowid", bound).join(" AND ") }
}

fn limits(name: &str, bound: &Bound) -> Vec<String> {
    let low = bound.low.as_ref().map(|_| format!("{name}>?"));
    let high = bound.high.as_ref().map(|_| format!("{name}<?"));
    low.into_iter().chain(high).collect()
}
