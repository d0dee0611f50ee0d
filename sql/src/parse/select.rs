//! Queries.

use sqlite3_parser::ast as parsed;

use super::convert::Converter;
use super::name;
use crate::ast::{
    CompoundOp, Cte, From, FromItem, IndexHint, Join, JoinConstraint, JoinKind, Limit,
    Materialized, Name, ResultColumn, Select, SelectBody, SelectCore, With,
};
use crate::{Error, Result};

impl Converter<'_> {
    pub(super) fn select(&mut self, select: &parsed::Select<'_>) -> Result<Select> {
        self.deeper(|this| {
            let with = this.with(select.with.as_ref())?;
            let first = this.core(&select.body.select)?;
            let mut rest = Vec::new();
            for compound in select.body.compounds.iter().flatten() {
                let op = match compound.operator {
                    parsed::CompoundOperator::Union => CompoundOp::Union,
                    parsed::CompoundOperator::UnionAll => CompoundOp::UnionAll,
                    parsed::CompoundOperator::Except => CompoundOp::Except,
                    parsed::CompoundOperator::Intersect => CompoundOp::Intersect,
                };
                rest.push((op, this.core(&compound.select)?));
            }
            let last = rest.last().map_or(&first, |(_, core)| core);
            if matches!(last, SelectCore::Values(_)) {
                // SQLite's grammar has neither after VALUES.
                let more =
                    [(select.order_by.is_some(), "ORDER"), (select.limit.is_some(), "LIMIT")];
                if let Some((_, word)) = more.iter().find(|(there, _)| *there) {
                    return Err(Error::sql(format!("near \"{word}\": syntax error")));
                }
            }
            Ok(Select {
                with,
                body: SelectBody { first, rest },
                order_by: this.order_terms(select.order_by.unwrap_or_default())?,
                limit: this.limit(select.limit)?,
            })
        })
    }

    pub(super) fn with(&mut self, with: Option<&parsed::With<'_>>) -> Result<Option<With>> {
        let Some(with) = with else { return Ok(None) };
        let mut ctes: Vec<Cte> = Vec::new();
        for cte in with.ctes {
            let name = name::of(&cte.tbl_name);
            if ctes.iter().any(|other| other.name == name) {
                return Err(Error::sql(format!("duplicate WITH table name: {name}")));
            }
            ctes.push(Cte {
                name,
                columns: columns(cte.columns)?,
                materialized: match cte.materialized {
                    parsed::Materialized::Any => Materialized::Any,
                    parsed::Materialized::Yes => Materialized::Yes,
                    parsed::Materialized::No => Materialized::No,
                },
                select: Box::new(self.select(cte.select)?),
            });
        }
        Ok(Some(With { recursive: with.recursive, ctes }))
    }

    pub(super) fn limit(&mut self, limit: Option<&parsed::Limit<'_>>) -> Result<Option<Limit>> {
        let Some(limit) = limit else { return Ok(None) };
        // `LIMIT a, b` and `LIMIT a OFFSET b` are the same to the parser.
        let offset_first = self.spans.next_limit();
        let first = self.expr(&limit.expr)?;
        let second = self.maybe(limit.offset.as_ref())?;
        Ok(Some(match second {
            Some(count) if offset_first => Limit { count, offset: Some(first) },
            offset => Limit { count: first, offset },
        }))
    }

    fn core(&mut self, core: &parsed::OneSelect<'_>) -> Result<SelectCore> {
        let parsed::OneSelect::Select {
            distinctness,
            columns,
            from,
            where_clause,
            group_by,
            having,
            window_clause,
        } = core
        else {
            let parsed::OneSelect::Values(rows) = core else { return Err(Error::sql("no query")) };
            let width = rows.first().map_or(0, |row| row.len());
            if rows.iter().any(|row| row.len() != width) {
                return Err(Error::sql("all VALUES must have the same number of terms"));
            }
            return Ok(SelectCore::Values(
                rows.iter().map(|row| self.exprs(row)).collect::<Result<_>>()?,
            ));
        };
        let columns = self.result_columns(columns)?;
        let from = from.as_ref().map(|from| self.from(from)).transpose()?.flatten();
        let filter = self.maybe(*where_clause)?;
        let group_by = self.exprs(group_by.unwrap_or_default())?;
        let having = self.maybe(*having)?;
        let mut windows = Vec::new();
        for definition in window_clause.unwrap_or_default() {
            windows.push((name::of(&definition.name), self.window(&definition.window)?));
        }
        Ok(SelectCore::Select {
            distinct: *distinctness == Some(parsed::Distinctness::Distinct),
            columns,
            from,
            filter,
            group_by,
            having,
            windows,
        })
    }

    /// The columns of a SELECT or of RETURNING, whose texts are the next ones.
    pub(super) fn result_columns(
        &mut self,
        columns: &[parsed::ResultColumn<'_>],
    ) -> Result<Vec<ResultColumn>> {
        let texts = self.spans.next_list();
        let mut converted = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            converted.push(match column {
                parsed::ResultColumn::Star => ResultColumn::Star,
                parsed::ResultColumn::TableStar(table) => ResultColumn::TableStar(name::of(table)),
                parsed::ResultColumn::Expr(expr, alias) => {
                    let (alias, elided) = alias_of(alias.as_ref());
                    let mut text = self.text(texts.get(place).cloned().unwrap_or_default());
                    if elided {
                        // The last token of the text is the alias.
                        text = without_last_word(text);
                    }
                    ResultColumn::Expr { text: text.into(), expr: self.expr(expr)?, alias }
                }
            });
        }
        Ok(converted)
    }

    /// `None` for a FROM clause that is not there.
    pub(super) fn from(&mut self, from: &parsed::FromClause<'_>) -> Result<Option<From>> {
        let Some(first) = from.select else { return Ok(None) };
        let first = self.source(first)?;
        let mut joins = Vec::new();
        for join in from.joins.iter().flatten() {
            let (kind, natural) = join_kind(join.operator);
            joins.push(Join {
                kind,
                natural,
                item: self.source(&join.table)?,
                constraint: match &join.constraint {
                    None => JoinConstraint::None,
                    Some(parsed::JoinConstraint::On(on)) => JoinConstraint::On(self.expr(on)?),
                    Some(parsed::JoinConstraint::Using(names)) => {
                        JoinConstraint::Using(names.iter().map(name::of).collect())
                    }
                },
            });
        }
        Ok(Some(From { first, joins }))
    }

    fn source(&mut self, item: &parsed::SelectTable<'_>) -> Result<FromItem> {
        self.deeper(|this| {
            Ok(match item {
                parsed::SelectTable::Table(table, alias, indexed) => FromItem::Table {
                    name: name::qualified(table),
                    alias: alias_of(alias.as_ref()).0,
                    hint: hint(indexed.as_ref()),
                },
                parsed::SelectTable::TableCall(function, arguments, alias) => FromItem::Function {
                    name: name::qualified(function),
                    arguments: this.exprs(arguments.unwrap_or_default())?,
                    alias: alias_of(alias.as_ref()).0,
                },
                parsed::SelectTable::Select(select, alias) => FromItem::Select {
                    select: Box::new(this.select(select)?),
                    alias: alias_of(alias.as_ref()).0,
                },
                parsed::SelectTable::Sub(from, alias) => match this.from(from)? {
                    Some(from) => {
                        FromItem::Join { from: Box::new(from), alias: alias_of(alias.as_ref()).0 }
                    }
                    None => return Err(Error::sql("incomplete input")),
                },
            })
        })
    }
}

fn join_kind(operator: parsed::JoinOperator) -> (JoinKind, bool) {
    let parsed::JoinOperator::TypedJoin(Some(kind)) = operator else {
        return (JoinKind::Inner, false);
    };
    let natural = kind.contains(parsed::JoinType::NATURAL);
    let both = parsed::JoinType::LEFT | parsed::JoinType::RIGHT;
    let kind = if kind.contains(both) {
        JoinKind::Full
    } else if kind.contains(parsed::JoinType::LEFT) {
        JoinKind::Left
    } else if kind.contains(parsed::JoinType::RIGHT) {
        JoinKind::Right
    } else if kind.contains(parsed::JoinType::CROSS) {
        JoinKind::Cross
    } else {
        JoinKind::Inner
    };
    (kind, natural)
}

pub(super) fn hint(indexed: Option<&parsed::Indexed<'_>>) -> IndexHint {
    match indexed {
        None => IndexHint::None,
        Some(parsed::Indexed::IndexedBy(index)) => IndexHint::IndexedBy(name::of(index)),
        Some(parsed::Indexed::NotIndexed) => IndexHint::NotIndexed,
    }
}

/// The alias, and whether it was written without AS.
fn alias_of(alias: Option<&parsed::As<'_>>) -> (Option<Name>, bool) {
    match alias {
        None => (None, false),
        Some(parsed::As::As(alias)) => (Some(name::of(alias)), false),
        Some(parsed::As::Elided(alias)) => (Some(name::of(alias)), true),
    }
}

/// A text without its last word or quoted name, which is an alias: then nothing asks for the rest to the letter.
fn without_last_word(text: &str) -> &str {
    text.trim_end().rsplit_once(char::is_whitespace).map_or(text, |(rest, _)| rest.trim_end())
}

/// Names of columns in parentheses, as of a CTE or a view.
pub(super) fn columns(columns: Option<&[parsed::IndexedColumn<'_>]>) -> Result<Vec<Name>> {
    let mut names = Vec::new();
    for column in columns.unwrap_or_default() {
        if column.collation_name.is_some() || column.order.is_some() {
            let written = name::of(&column.col_name);
            return Err(Error::sql(format!("syntax error after column name \"{written}\"")));
        }
        names.push(name::of(&column.col_name));
    }
    Ok(names)
}
