//! Orders that rows have by the way they are found, and sorts of which only the first rows are asked for.

use heddle_value::Collation;

use super::Optimizer;
use super::access::{covers, usable};
use crate::plan::{
    Access, Bound, ColumnId, Expr, JoinAlgorithm, JoinKind, Relation, Scan, SortKey,
};
use crate::schema::IndexKey;

/// A sort that its input's order makes unnecessary is left out; one below a LIMIT is told how many rows are wanted.
pub(super) fn sorted_by_access(relation: Relation, optimizer: &Optimizer<'_>) -> Relation {
    match relation {
        Relation::Sort { mut input, keys, top: None } => {
            match order(&mut input, &keys, false, optimizer) {
                true => *input,
                false => Relation::Sort { input, keys, top: None },
            }
        }
        Relation::Limit { input, count, offset } => match *input {
            Relation::Sort { mut input, keys, top: None } => {
                let input = match order(&mut input, &keys, true, optimizer) {
                    true => input,
                    false => {
                        let top = Some(Box::new((count.clone(), offset.clone())));
                        Box::new(Relation::Sort { input, keys, top })
                    }
                };
                Relation::Limit { input, count, offset }
            }
            other => Relation::Limit { input: Box::new(other), count, offset },
        },
        other => other,
    }
}

/// One wanted key over a column.
#[derive(Clone)]
struct Wanted {
    column: ColumnId,
    descending: bool,
    nulls_first: bool,
    collation: Collation,
}

/// Makes a relation give its rows by these keys, if it can without sorting. `few`: only the first are asked for.
pub(super) fn order(
    relation: &mut Relation,
    keys: &[SortKey],
    few: bool,
    optimizer: &Optimizer<'_>,
) -> bool {
    let wanted: Option<Vec<Wanted>> = keys
        .iter()
        .map(|key| match key.expr {
            Expr::Column(column) => Some(Wanted {
                column,
                descending: key.descending,
                nulls_first: key.nulls_first,
                collation: key.collation.clone(),
            }),
            _ => None,
        })
        .collect();
    wanted.is_some_and(|wanted| by_columns(relation, wanted, few, optimizer))
}

fn by_columns(
    relation: &mut Relation,
    mut wanted: Vec<Wanted>,
    few: bool,
    optimizer: &Optimizer<'_>,
) -> bool {
    match relation {
        Relation::Filter { input, .. } => by_columns(input, wanted, few, optimizer),
        Relation::Project { input, columns } => {
            for key in &mut wanted {
                match columns.iter().find(|(id, _)| *id == key.column) {
                    Some((_, Expr::Column(from))) => key.column = *from,
                    _ => return false,
                }
            }
            by_columns(input, wanted, few, optimizer)
        }
        // The left side's rows come in its order, whatever they are joined with.
        Relation::Join { kind, left, algorithm, .. }
            if matches!(
                kind,
                JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti
            ) && matches!(algorithm, JoinAlgorithm::Loop) =>
        {
            let given = super::columns::given(left);
            wanted.iter().all(|key| given.contains(&key.column))
                && by_columns(left, wanted, few, optimizer)
        }
        Relation::Scan(scan) => scan_by(scan, &wanted, few, optimizer),
        _ => false,
    }
}

fn scan_by(scan: &mut Scan, wanted: &[Wanted], few: bool, optimizer: &Optimizer<'_>) -> bool {
    if scan.backward {
        return false;
    }
    match &scan.access {
        Access::Rowid(bound) if super::access::is_point(bound) => true,
        Access::Full | Access::Rowid(_) if by_rowid(scan, wanted) => {
            scan.backward = wanted.first().is_some_and(|key| key.descending);
            true
        }
        Access::Full => by_index(scan, wanted, few, optimizer),
        Access::Index { index, equal, .. } => {
            let keys = match index {
                Some(index) => &index.keys,
                None => &scan.table.primary_key,
            };
            let fixed = equal.len();
            match direction(scan, keys, fixed, wanted, index.is_some(), optimizer) {
                Some(backward) => {
                    scan.backward = backward;
                    true
                }
                None => false,
            }
        }
        Access::Rowid(_) | Access::Union(_) | Access::Each { .. } => false,
    }
}

fn is_rowid(scan: &Scan, column: ColumnId) -> bool {
    let place = scan.columns.iter().find(|(_, id)| *id == column).map(|(place, _)| *place);
    scan.rowid == Some(column)
        || place.is_some_and(|place| scan.table.rowid_alias == Some(usize::from(place)))
}

fn by_rowid(scan: &Scan, wanted: &[Wanted]) -> bool {
    // No two rows have the same rowid: keys after it say nothing.
    !scan.table.without_rowid && wanted.first().is_some_and(|key| is_rowid(scan, key.column))
}

/// Over a whole table in an index's order: if the index has all columns, or few rows are asked for.
fn by_index(scan: &mut Scan, wanted: &[Wanted], few: bool, optimizer: &Optimizer<'_>) -> bool {
    if scan.table.without_rowid {
        let keys = &scan.table.primary_key;
        if let Some(backward) = direction(scan, keys, 0, wanted, false, optimizer) {
            scan.backward = backward;
            return true;
        }
    }
    let indexes =
        scan.table.indexes.iter().filter(|index| usable(scan, index) && index.filter.is_none());
    let found = indexes.into_iter().find_map(|index| {
        let covering = covers(scan, index);
        let backward = direction(scan, &index.keys, 0, wanted, true, optimizer)?;
        (covering || few).then(|| (index.clone(), covering, backward))
    });
    let Some((index, covering, backward)) = found else { return false };
    scan.access = Access::Index {
        index: Some(index),
        equal: Vec::new(),
        is: Vec::new(),
        range: Bound::default(),
        covering,
    };
    scan.backward = backward;
    true
}

/// Whether keys of a tree, the first `fixed` being one value, give the wanted order, and then whether from its end.
fn direction(
    scan: &Scan,
    keys: &[IndexKey],
    fixed: usize,
    wanted: &[Wanted],
    rowid_after: bool,
    optimizer: &Optimizer<'_>,
) -> Option<bool> {
    let place = |column: ColumnId| {
        scan.columns.iter().find(|(_, id)| *id == column).map(|(place, _)| *place)
    };
    let constant: Vec<&IndexKey> = keys.iter().take(fixed).collect();
    let mut next = keys.iter().skip(fixed);
    let mut backward = None;
    for want in wanted {
        let of = place(want.column);
        let same_texts = |key: &IndexKey| key.collation.name() == want.collation.name();
        if constant.iter().any(|key| key.column == of && same_texts(key)) && of.is_some() {
            continue;
        }
        let turned = match next.next() {
            Some(key) => {
                let matches = key.column.is_some()
                    && key.column == of
                    && key.collation.name() == want.collation.name();
                if !matches {
                    return None;
                }
                key.descending != want.descending
            }
            // After an index's keys comes the rowid, ascending.
            None if rowid_after && is_rowid(scan, want.column) => want.descending,
            None => return None,
        };
        let not_null =
            optimizer.infos.get(want.column.0 as usize).is_some_and(|info| info.not_null);
        // NULLs lie before all values.
        if want.nulls_first == want.descending && !not_null {
            return None;
        }
        if *backward.get_or_insert(turned) != turned {
            return None;
        }
    }
    Some(backward.unwrap_or(false))
}
