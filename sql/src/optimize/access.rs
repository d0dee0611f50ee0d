//! How the rows of one table are found: by rowid or by an index, with equalities and a range, by IN and OR.

use std::sync::Arc;

use heddle_value::Value;

use super::columns::Columns;
use super::estimate::{SEEK, of_access};
use super::indexed::{holds_all, subject};
use super::pushdown::filtered;
use super::terms::{How, Subject, Term};
use super::{Optimizer, terms};
use crate::ast::IndexHint;
use crate::plan::{Access, Bound, ColumnId, Expr, InSet, Members, Relation, Scan};
use crate::schema::{Index, IndexKey};

/// The longest OR that is looked at as a union.
const MAX_UNION: usize = 64;

/// A way to find rows and the predicates that it serves wholly.
struct Way {
    access: Access,
    serves: Vec<usize>,
}

/// Whether a range is one value.
pub(super) fn is_point(bound: &Bound) -> bool {
    match (&bound.low, &bound.high) {
        (Some((low, true)), Some((high, true))) => same(low, high),
        _ => false,
    }
}

/// Whether both are the same expression, as far as their parts tell.
pub(super) fn same(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Column(a), Expr::Column(b)) => a == b,
        (Expr::Parameter(a), Expr::Parameter(b)) => a == b,
        (Expr::Constant(a), Expr::Constant(b)) => format!("{a:?}") == format!("{b:?}"),
        (Expr::Apply(a, to_a), Expr::Apply(b, to_b)) => to_a == to_b && same(a, b),
        _ => format!("{a:?}") == format!("{b:?}"),
    }
}

impl Optimizer<'_> {
    /// A scan with the best access for these predicates; those that it does not serve stay above it.
    pub(super) fn scan(&mut self, mut scan: Scan, predicates: Vec<Expr>) -> Relation {
        if !matches!(scan.access, Access::Full) {
            return filtered(Relation::Scan(Box::new(scan)), predicates);
        }
        let Some(way) = self.best_way(&scan, &predicates) else {
            return filtered(Relation::Scan(Box::new(scan)), predicates);
        };
        scan.access = way.access;
        let left = predicates
            .into_iter()
            .enumerate()
            .filter(|(at, _)| !way.serves.contains(at))
            .map(|(_, predicate)| predicate)
            .collect();
        filtered(Relation::Scan(Box::new(scan)), left)
    }

    fn best_way(&mut self, scan: &Scan, predicates: &[Expr]) -> Option<Way> {
        let own: Columns = scan.columns.iter().map(|(_, id)| *id).chain(scan.rowid).collect();
        let terms = terms::of(predicates, &own, self.infos);
        let full = of_access(&Access::Full, scan).cost;
        let named = matches!(scan.hint, IndexHint::IndexedBy(_));
        let mut best: Option<(f64, Way)> = None;
        let mut consider = |way: Option<Way>| {
            let Some(way) = way else { return };
            let cost = of_access(&way.access, scan).cost;
            let limit =
                best.as_ref().map_or(if named { f64::INFINITY } else { full }, |(cost, _)| *cost);
            if cost < limit {
                best = Some((cost, way));
            }
        };
        if !named {
            consider(self.by_rowid(scan, &terms));
        }
        if scan.table.without_rowid && !named {
            consider(self.by_keys(scan, None, &scan.table.primary_key, &terms));
        }
        for index in &scan.table.indexes {
            if usable(scan, index) && holds_all(scan, index, predicates, &terms) {
                consider(self.by_keys(scan, Some(index), &index.keys, &terms));
            }
        }
        if !named {
            for (at, predicate) in predicates.iter().enumerate() {
                if let Expr::Or(parts) = predicate {
                    consider(self.union(scan, parts, &own, at));
                }
            }
        }
        best.map(|(_, way)| way)
    }

    /// By rowid, or by the column that is another name for it.
    fn by_rowid(&mut self, scan: &Scan, terms: &[Term]) -> Option<Way> {
        if scan.table.without_rowid {
            return None;
        }
        let alias = scan.table.rowid_alias.and_then(|alias| u16::try_from(alias).ok());
        let alias = scan.columns.iter().find(|(place, _)| Some(*place) == alias).map(|(_, id)| *id);
        let is_rowid = |subject: &Subject| match subject {
            Subject::Column(column) => Some(*column) == scan.rowid || Some(*column) == alias,
            Subject::Looks(_) => false,
        };
        let terms: Vec<&Term> = terms.iter().filter(|term| is_rowid(&term.subject)).collect();
        let point = |value: &Expr| {
            let limit = || Some((value.clone(), true));
            Access::Rowid(Bound { low: limit(), high: limit() })
        };
        for term in &terms {
            // The rowid is never NULL: IS is as good as equal.
            if let How::Equal(value) | How::Is(value) = &term.how {
                return Some(Way { access: point(value), serves: vec![term.predicate] });
            }
        }
        for term in &terms {
            if let How::In(set) = &term.how {
                let column = self.new_column();
                let each = each(column, set, point(&Expr::Column(column)));
                return Some(Way { access: each, serves: vec![term.predicate] });
            }
        }
        let (range, serves) = range(&terms);
        (!serves.is_empty()).then_some(Way { access: Access::Rowid(range), serves })
    }

    /// By the keys of an index, or of a table without rowids.
    fn by_keys(
        &mut self,
        scan: &Scan,
        index: Option<&Arc<Index>>,
        keys: &[IndexKey],
        terms: &[Term],
    ) -> Option<Way> {
        let mut equal = Vec::new();
        let mut is = Vec::new();
        let mut sets: Vec<(ColumnId, InSet)> = Vec::new();
        let mut serves = Vec::new();
        let mut limits = Bound::default();
        for key in keys {
            let Some(subject) = subject(scan, key) else { break };
            let about = |term: &&Term| term.subject == subject && is_about(term, key);
            let of_key: Vec<&Term> = terms.iter().filter(about).collect();
            let found = of_key.iter().find_map(|term| match &term.how {
                How::Equal(value) => Some((value.clone(), false, term.predicate)),
                How::Is(value) => Some((value.clone(), true, term.predicate)),
                _ => None,
            });
            if let Some((value, null_too, predicate)) = found {
                equal.push(value);
                is.push(null_too);
                serves.push(predicate);
                continue;
            }
            let member = of_key.iter().find_map(|term| match &term.how {
                How::In(set) => Some((set.clone(), term.predicate)),
                _ => None,
            });
            if let Some((set, predicate)) = member {
                let column = self.new_column();
                equal.push(Expr::Column(column));
                is.push(false);
                sets.push((column, set));
                serves.push(predicate);
                continue;
            }
            let (range, ranged) = range(&of_key);
            serves.extend(ranged);
            limits = range;
            break;
        }
        if serves.is_empty() {
            return None;
        }
        serves.sort_unstable();
        let covering = index.is_none_or(|index| covers(scan, index));
        let index = index.cloned();
        let mut access = Access::Index { index, equal, is, range: limits, covering };
        for (column, set) in sets.iter().rev() {
            access = each(*column, set, access);
        }
        Some(Way { access, serves })
    }

    /// Each part of an OR by an access of its own. The OR stays in the filter: rows are checked against all of it.
    fn union(&mut self, scan: &Scan, parts: &[Expr], own: &Columns, _at: usize) -> Option<Way> {
        if parts.len() > MAX_UNION {
            return None;
        }
        let mut ways = Vec::with_capacity(parts.len());
        for part in parts {
            let predicates = super::pushdown::parts(part);
            let terms = terms::of(&predicates, own, self.infos);
            let mut best = self.by_rowid(scan, &terms);
            if scan.table.without_rowid {
                best = self.by_keys(scan, None, &scan.table.primary_key, &terms);
            }
            let indexes = scan.table.indexes.iter();
            let usable = |index: &&Arc<Index>| {
                usable(scan, index) && holds_all(scan, index, &predicates, &terms)
            };
            for index in indexes.filter(usable) {
                let way = self.by_keys(scan, Some(index), &index.keys, &terms);
                best = match (best, way) {
                    (Some(a), Some(b)) => {
                        let cost = |way: &Way| of_access(&way.access, scan).cost;
                        Some(if cost(&b) < cost(&a) { b } else { a })
                    }
                    (a, b) => a.or(b),
                };
            }
            ways.push(best?.access);
        }
        let cost: f64 = ways.iter().map(|way| of_access(way, scan).cost + SEEK).sum();
        let full = of_access(&Access::Full, scan).cost;
        // A row found twice is given once, which is not free.
        (cost * 1.5 < full).then_some(Way { access: Access::Union(ways), serves: Vec::new() })
    }
}

/// Whether an index may be used: the statement allows it, and its order is known.
pub(super) fn usable(scan: &Scan, index: &Index) -> bool {
    let allowed = match &scan.hint {
        IndexHint::None => true,
        IndexHint::IndexedBy(name) => name.is(&index.name),
        IndexHint::NotIndexed => false,
    };
    allowed && index.tree.is_ordered()
}

/// Whether an index holds all columns that a scan gives.
pub(super) fn covers(scan: &Scan, index: &Index) -> bool {
    let alias = scan.table.rowid_alias;
    scan.columns.iter().all(|(place, _)| {
        Some(usize::from(*place)) == alias
            || index.keys.iter().chain(&index.row_keys).any(|key| key.column == Some(*place))
    })
}

/// Whether a term compares its subject's texts as the key orders them.
fn is_about(term: &Term, key: &IndexKey) -> bool {
    let compares_texts = match &term.how {
        How::Is(Expr::Constant(Value::Null)) => false,
        // A number compares in the same way by any collation.
        How::Equal(Expr::Constant(value)) => matches!(value, Value::Text(_)),
        _ => true,
    };
    !compares_texts || term.collation.name() == key.collation.name()
}

/// At most one lower and one upper limit, and the predicates that are served by them: a BETWEEN only if both of its are.
fn range(terms: &[&Term]) -> (Bound, Vec<usize>) {
    let mut bound = Bound::default();
    let (mut low_of, mut high_of) = (None, None);
    for term in terms {
        match &term.how {
            How::Above(value, with) if bound.low.is_none() => {
                bound.low = Some((value.clone(), *with));
                low_of = Some(term.predicate);
            }
            How::Below(value, with) if bound.high.is_none() => {
                bound.high = Some((value.clone(), *with));
                high_of = Some(term.predicate);
            }
            _ => {}
        }
    }
    // Of a predicate with two limits (BETWEEN), one alone does not serve it: it is then no limit here.
    let halves = |predicate: usize| {
        terms
            .iter()
            .filter(|term| {
                term.predicate == predicate && matches!(term.how, How::Above(..) | How::Below(..))
            })
            .count()
    };
    if low_of != high_of {
        if low_of.is_some_and(|predicate| halves(predicate) > 1) {
            (bound.low, low_of) = (None, None);
        }
        if high_of.is_some_and(|predicate| halves(predicate) > 1) {
            (bound.high, high_of) = (None, None);
        }
    }
    let mut serves: Vec<usize> = low_of.into_iter().chain(high_of).collect();
    serves.dedup();
    (bound, serves)
}

/// For each of an IN's values an access.
fn each(column: ColumnId, set: &InSet, access: Access) -> Access {
    let set = match &set.set {
        Members::List(_) | Members::Query(_) => Box::new(set.clone()),
    };
    Access::Each { column, set, access: Box::new(access) }
}
