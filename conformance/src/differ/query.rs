//! Queries.

use super::expression::{Named, Scope};
use super::generator::{Column, Compared, Generator, Kind, Statement};

const KINDS: [Kind; 4] = [Kind::Integer, Kind::Integer, Kind::Text, Kind::Any];

/// What stands in front of a query, and its FROM.
struct Sources {
    with: String,
    from: String,
    scope: Scope,
}

impl Generator {
    fn any_kind(&mut self) -> Kind {
        KINDS[self.rng.usize(0..KINDS.len())]
    }

    pub(super) fn select(&mut self, statements: &mut Vec<Statement>) {
        let sql = match self.rng.u32(0..24) {
            0..12 => self.plain_select(),
            12..16 => self.grouped(),
            16..18 => self.compound(),
            18..20 => self.windowed(),
            20 => self.recursive(),
            21 => self.constant(),
            _ => self.distinct(),
        };
        let marks =
            ["DISTINCT", "GROUP BY", "UNION", "INTERSECT", "EXCEPT", "min(", "max(", "total("];
        let is_loose = marks.iter().any(|mark| sql.contains(mark));
        let compared = if is_loose { Compared::Loosely } else { Compared::AsBag };
        statements.push(Statement { sql, compared });
    }

    /// One to three tables, views, subqueries or common table expressions.
    fn sources(&mut self) -> Sources {
        let mut sources =
            Sources { with: String::new(), from: String::new(), scope: Scope::default() };
        let mut named: Vec<Named> = Vec::new();
        let count = [1, 1, 1, 1, 2, 2, 2, 3][self.rng.usize(0..8)];
        for at in 0..count {
            let table = self.source();
            let alias = format!("{}", char::from(b'x' + u8::try_from(at).unwrap_or(0)));
            let own: Vec<Named> =
                table.columns.iter().map(|column| Named::of(column, Some(&alias))).collect();
            let text = match self.rng.u32(0..10) {
                0 => format!("(SELECT * FROM {}) AS {alias}", table.name),
                1 if table.columns.len() > 1 => {
                    let plain =
                        table.columns.iter().map(|column| Named::of(column, None)).collect();
                    let condition = self.plain_condition(&Scope::of(plain));
                    format!("(SELECT * FROM {} WHERE {condition}) {alias}", table.name)
                }
                2 if sources.with.is_empty() => {
                    let hint = self.pick(&["", "MATERIALIZED ", "NOT MATERIALIZED "]);
                    sources.with = format!("WITH w AS {hint}(SELECT * FROM {}) ", table.name);
                    format!("w AS {alias}")
                }
                _ => format!("{} AS {alias}", table.name),
            };
            if at == 0 {
                sources.from = text;
                named.extend(own);
                continue;
            }
            let joins = [
                "JOIN",
                "JOIN",
                "LEFT JOIN",
                "LEFT JOIN",
                "CROSS JOIN",
                ",",
                "RIGHT JOIN",
                "FULL JOIN",
            ];
            let join = self.pick(&joins);
            let left = Scope::of(named.clone());
            named.extend(own.clone());
            sources.from.push_str(&format!(" {join} {text}"));
            if join != "," && join != "CROSS JOIN" {
                let key = own[self.rng.usize(0..own.len())].clone();
                let other = self.plain_expression(&left, key.kind, 0);
                let sign = self.pick(&["=", "=", "=", "<", "IS"]);
                sources.from.push_str(&format!(" ON {} {sign} {other}", key.text));
                if self.one_in(5) {
                    let more = self.plain_condition(&Scope::of(named.clone()));
                    sources.from.push_str(&format!(" AND {more}"));
                }
            }
        }
        sources.scope = Scope::of(named);
        sources
    }

    fn results(&mut self, scope: &Scope) -> Vec<String> {
        let mut results = Vec::new();
        for at in 0..1 + self.up_to(3) {
            let kind = self.any_kind();
            let mut text = self.expression(scope, kind, 3);
            if self.one_in(2) {
                text.push_str(&format!(" AS r{at}"));
            }
            results.push(text);
        }
        results
    }

    /// An order in which only equal rows can change places, and a LIMIT for now and then.
    fn ending(&mut self, count: usize) -> String {
        match self.rng.u32(0..4) {
            0 => {
                let terms: Vec<String> = (1..=count)
                    .map(|at| {
                        let how = self.pick(&["", " DESC", " ASC NULLS LAST", " DESC NULLS FIRST"]);
                        format!("{at} COLLATE BINARY{how}")
                    })
                    .collect();
                let limit = match self.rng.u32(0..3) {
                    0 => String::new(),
                    1 => format!(" LIMIT {}", self.rng.i32(-1..8)),
                    _ => format!(" LIMIT {} OFFSET {}", self.rng.u32(0..8), self.rng.i32(-1..5)),
                };
                format!(" ORDER BY {}{limit}", terms.join(", "))
            }
            1 => format!(" ORDER BY {}", 1 + self.rng.usize(0..count)),
            _ => String::new(),
        }
    }

    fn filter(&mut self, scope: &Scope) -> String {
        if self.one_in(3) { String::new() } else { format!(" WHERE {}", self.condition(scope)) }
    }

    fn plain_select(&mut self) -> String {
        let sources = self.sources();
        let filter = self.filter(&sources.scope);
        if self.one_in(8) {
            return format!("{}SELECT * FROM {}{filter}", sources.with, sources.from);
        }
        let results = self.results(&sources.scope);
        let ending = self.ending(results.len());
        format!(
            "{}SELECT {} FROM {}{filter}{ending}",
            sources.with,
            results.join(", "),
            sources.from
        )
    }

    fn distinct(&mut self) -> String {
        let sources = self.sources();
        let filter = self.filter(&sources.scope);
        let results = self.results(&sources.scope);
        format!(
            "{}SELECT DISTINCT {} FROM {}{filter}",
            sources.with,
            results.join(", "),
            sources.from
        )
    }

    fn aggregate(&mut self, scope: &Scope) -> String {
        let columns = scope.columns();
        let column = columns[self.rng.usize(0..columns.len())].clone();
        let distinct = if self.one_in(5) { "DISTINCT " } else { "" };
        let filter = if self.one_in(6) {
            format!(" FILTER (WHERE {})", self.plain_condition(scope))
        } else {
            String::new()
        };
        let text = match self.rng.u32(0..8) {
            0..2 => "count(*)".to_owned(),
            2 => format!("count({distinct}{})", column.text),
            3 => format!("sum({distinct}CAST({} AS INTEGER))", column.text),
            4 => format!("avg(CAST({} AS INTEGER))", column.text),
            5 => format!("min({})", column.text),
            6 => format!("max({})", column.text),
            _ => format!("total(length({}))", column.text),
        };
        text + &filter
    }

    fn grouped(&mut self) -> String {
        let sources = self.sources();
        let filter = self.filter(&sources.scope);
        let mut keys = Vec::new();
        for _ in 0..self.up_to(2) {
            let kind = self.any_kind();
            keys.push(self.plain_expression(&sources.scope, kind, 1));
        }
        // A constant would be taken for the number of a column.
        keys.retain(|key| key.contains(['x', 'y', 'z']) && key.contains('.'));
        let mut results = keys.clone();
        for _ in 0..1 + self.up_to(2) {
            results.push(self.aggregate(&sources.scope));
        }
        let group =
            if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
        let having = if !keys.is_empty() && self.one_in(4) {
            format!(" HAVING {} > {}", self.aggregate(&sources.scope), self.rng.i32(0..3))
        } else {
            String::new()
        };
        let Sources { with, from, .. } = sources;
        format!("{with}SELECT {} FROM {from}{filter}{group}{having}", results.join(", "))
    }

    fn compound(&mut self) -> String {
        let count = 1 + self.up_to(2);
        let mut text = String::new();
        for at in 0..2 + self.up_to(1) {
            if at > 0 {
                text.push_str(self.pick(&[" UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT "]));
            }
            if self.one_in(6) {
                let values: Vec<String> = (0..count).map(|_| self.literal(Kind::Any)).collect();
                text.push_str(&format!("VALUES ({})", values.join(", ")));
                continue;
            }
            let table = self.source();
            let scope =
                Scope::of(table.columns.iter().map(|column| Named::of(column, None)).collect());
            let results: Vec<String> =
                (0..count).map(|_| self.plain_expression(&scope, Kind::Integer, 1)).collect();
            let filter = self.filter(&scope);
            text.push_str(&format!("SELECT {} FROM {}{filter}", results.join(", "), table.name));
        }
        text
    }

    /// Windows over a total order, so that every row's place is known.
    fn windowed(&mut self) -> String {
        let table = self.source();
        let named: Vec<Named> =
            table.columns.iter().map(|column| Named::of(column, None)).collect();
        let scope = Scope::of(named.clone());
        let order: Vec<String> =
            named.iter().map(|column| format!("{} COLLATE BINARY", column.text)).collect();
        let partition = if self.one_in(2) {
            format!("PARTITION BY {} COLLATE BINARY ", named[self.rng.usize(0..named.len())].text)
        } else {
            String::new()
        };
        let frame = match self.rng.u32(0..5) {
            0 => {
                let start = self.pick(&[
                    "UNBOUNDED PRECEDING",
                    "2 PRECEDING",
                    "CURRENT ROW",
                    "1 FOLLOWING",
                ]);
                let end = self.pick(&["CURRENT ROW", "2 FOLLOWING", "UNBOUNDED FOLLOWING"]);
                let unit = self.pick(&["ROWS", "GROUPS"]);
                let exclude = self.pick(&[
                    "",
                    " EXCLUDE CURRENT ROW",
                    " EXCLUDE GROUP",
                    " EXCLUDE TIES",
                    " EXCLUDE NO OTHERS",
                ]);
                format!(" {unit} BETWEEN {start} AND {end}{exclude}")
            }
            _ => String::new(),
        };
        let argument = self.plain_expression(&scope, Kind::Integer, 1);
        let function = match self.rng.u32(0..12) {
            0 => "row_number()".to_owned(),
            1 => "rank()".to_owned(),
            2 => "dense_rank()".to_owned(),
            3 => "percent_rank()".to_owned(),
            4 => "cume_dist()".to_owned(),
            5 => format!("ntile({})", 1 + self.up_to(3)),
            6 => format!("lag({argument}, {})", self.up_to(2)),
            7 => format!("lead({argument}, 1, 'none')"),
            8 => format!("first_value({argument})"),
            9 => format!("nth_value({argument}, 2)"),
            10 => format!("sum(CAST({argument} AS INTEGER))"),
            _ => format!("count({argument})"),
        };
        let columns: Vec<&str> = named.iter().map(|column| column.text.as_str()).collect();
        format!(
            "SELECT {}, {function} OVER ({partition}ORDER BY {}{frame}) AS w FROM {}",
            columns.join(", "),
            order.join(", "),
            table.name
        )
    }

    fn recursive(&mut self) -> String {
        let limit = 3 + self.up_to(20);
        let step = 1 + self.up_to(3);
        let union = self.pick(&["UNION ALL", "UNION"]);
        let table = self.source();
        let column = &table.columns[self.rng.usize(0..table.columns.len())].name.clone();
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 {union} SELECT i + {step} FROM n WHERE i < {limit}) \
             SELECT i, count({column}) FROM n LEFT JOIN {} ON {column} = i GROUP BY i",
            table.name
        )
    }

    fn constant(&mut self) -> String {
        let mut results = Vec::new();
        for _ in 0..1 + self.up_to(3) {
            let kind = self.any_kind();
            results.push(self.plain_expression(&Scope::default(), kind, 4));
        }
        format!("SELECT {}", results.join(", "))
    }

    /// The query of a view, and its columns.
    pub(super) fn view_query(&mut self) -> (String, Vec<Column>) {
        let table = self.table();
        let scope = Scope::of(table.columns.iter().map(|column| Named::of(column, None)).collect());
        let mut columns = Vec::new();
        let mut results = Vec::new();
        for _ in 0..1 + self.up_to(3) {
            let kind = self.any_kind();
            let name = self.name("w");
            results.push(format!("{} AS {name}", self.plain_expression(&scope, kind, 2)));
            columns.push(Column { name, kind, is_written: false });
        }
        let filter = if self.one_in(2) {
            format!(" WHERE {}", self.plain_condition(&scope))
        } else {
            String::new()
        };
        (format!("SELECT {} FROM {}{filter}", results.join(", "), table.name), columns)
    }
}
