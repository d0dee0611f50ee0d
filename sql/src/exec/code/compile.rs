//! From expressions of a plan to code.

use heddle_value::Value;

use super::{Code, CompareNode, InNode, InSource, InTable, LikeNode, Node, Subqueries};
use crate::ast::LikeOp;
use crate::exec::compile::Compiler;
use crate::exec::subquery::Kind;
use crate::plan::{ColumnId, Comparison, Expr, Function, FunctionRef, InSet, Members, Subquery};
use crate::{Error, Result};

/// The compilation of one expression.
struct Expression<'c, 'q> {
    compiler: &'c mut Compiler<'q>,
    /// The columns of the input by slot.
    input: &'c [ColumnId],
    subqueries: Subqueries,
    depth: usize,
    deepest: usize,
}

impl<'q> Compiler<'q> {
    /// The code of an expression over an input of these columns; others are looked for in registers.
    ///
    /// # Errors
    /// An operator or a subquery that can't be run.
    pub(crate) fn code(&mut self, expr: &Expr, input: &[ColumnId]) -> Result<Code> {
        let mut expression = Expression {
            compiler: self,
            input,
            subqueries: Subqueries::None,
            depth: 0,
            deepest: 0,
        };
        let node = expression.node(expr)?;
        let (depth, subqueries) = (expression.deepest, expression.subqueries);
        Ok(Code { node, depth, subqueries })
    }

    /// The codes of several.
    ///
    /// # Errors
    /// As [`Compiler::code`].
    pub(crate) fn codes<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        input: &[ColumnId],
    ) -> Result<Vec<Code>> {
        exprs.into_iter().map(|expr| self.code(expr, input)).collect()
    }
}

impl Expression<'_, '_> {
    fn node(&mut self, expr: &Expr) -> Result<Node> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        let node = stacker::maybe_grow(64 << 10, 1 << 20, || self.node_here(expr));
        self.depth -= 1;
        node
    }

    fn boxed(&mut self, expr: &Expr) -> Result<Box<Node>> {
        Ok(Box::new(self.node(expr)?))
    }

    fn optional(&mut self, expr: Option<&Expr>) -> Result<Option<Box<Node>>> {
        expr.map(|expr| self.boxed(expr)).transpose()
    }

    fn nodes(&mut self, exprs: &[Expr]) -> Result<Vec<Node>> {
        exprs.iter().map(|expr| self.node(expr)).collect()
    }

    fn node_here(&mut self, expr: &Expr) -> Result<Node> {
        Ok(match expr {
            Expr::Constant(value) => Node::Constant(value.clone()),
            Expr::Parameter(number) => Node::Parameter(*number as usize),
            Expr::Column(id) => self.column(*id),
            Expr::Row(column) => {
                self.compiler.images_used = true;
                Node::Image(*column)
            }
            Expr::Arithmetic(op, left, right) => {
                Node::Arithmetic(*op, Box::new([self.node(left)?, self.node(right)?]))
            }
            Expr::Negate(value) => Node::Negate(self.boxed(value)?),
            Expr::BitNot(value) => Node::BitNot(self.boxed(value)?),
            Expr::Not(value) => Node::Not(self.boxed(value)?),
            Expr::And(parts) => Node::And(self.nodes(parts)?),
            Expr::Or(parts) => Node::Or(self.nodes(parts)?),
            Expr::Compare(comparison) => Node::Compare(Box::new(self.comparison(comparison)?)),
            Expr::CompareRows(op, parts) => {
                let parts: Result<_> = parts.iter().map(|part| self.comparison(part)).collect();
                Node::CompareRows(*op, parts?)
            }
            Expr::Between { value, low, high, not } => Node::Between {
                value: self.boxed(value)?,
                low: Box::new(self.right_side(low)?),
                high: Box::new(self.right_side(high)?),
                not: *not,
            },
            Expr::IsTruth { value, wanted, not } => {
                Node::IsTruth { value: self.boxed(value)?, wanted: *wanted, not: *not }
            }
            Expr::IsNull(value) => Node::IsNull(self.boxed(value)?),
            Expr::NotNull(value) => Node::NotNull(self.boxed(value)?),
            Expr::In(set) => Node::In(Box::new(self.set(set)?)),
            Expr::Like { op, value, pattern, escape, not } => {
                return self.like(*op, value, pattern, escape.as_deref(), *not);
            }
            Expr::Case { base, arms, otherwise } => {
                return self.case(base.as_deref(), arms, otherwise.as_deref());
            }
            Expr::Cast(value, to) => Node::Cast(self.boxed(value)?, *to),
            Expr::Apply(value, to) => Node::Apply(self.boxed(value)?, *to),
            Expr::Collate(value, _) => self.node(value)?,
            Expr::Function(function) => self.function(function)?,
            Expr::Subquery(query) => self.row_of(query, 0)?,
            Expr::SubqueryColumn(query, column) => self.row_of(query, *column)?,
            Expr::Exists(query) => {
                let (index, outer) = self.subquery(query, Kind::Exists)?;
                Node::Exists { index, outer }
            }
            Expr::Raise(action, message) => {
                Node::Raise(*action, self.optional(message.as_deref())?)
            }
        })
    }

    /// A column of the input, or of a relation around.
    fn column(&mut self, id: ColumnId) -> Node {
        match self.input.iter().position(|column| *column == id) {
            Some(slot) => Node::Slot(slot),
            None => {
                self.compiler.registers.insert(id);
                Node::Register(id)
            }
        }
    }

    fn comparison(&mut self, comparison: &Comparison) -> Result<CompareNode> {
        let left = self.node(&comparison.left)?;
        Ok(CompareNode { left, ..self.right_side(comparison)? })
    }

    /// A comparison whose left side is evaluated elsewhere.
    fn right_side(&mut self, comparison: &Comparison) -> Result<CompareNode> {
        Ok(CompareNode {
            op: comparison.op,
            left: Node::Constant(Value::Null),
            right: self.node(&comparison.right)?,
            left_affinity: comparison.left_affinity,
            right_affinity: comparison.right_affinity,
            collation: comparison.collation.clone(),
        })
    }

    fn set(&mut self, set: &InSet) -> Result<InNode> {
        let values = self.nodes(&set.values)?;
        let source = self.source(set)?;
        Ok(InNode {
            values,
            affinities: set.affinities.clone(),
            collations: set.collations.clone(),
            source,
            not: set.not,
        })
    }

    fn source(&mut self, set: &InSet) -> Result<InSource> {
        Ok(match &set.set {
            Members::List(items) => {
                let constant = |item: &Expr| match item {
                    Expr::Constant(value) => Some(value.clone()),
                    _ => None,
                };
                match items.iter().map(constant).collect::<Option<Vec<Value>>>() {
                    Some(constants) => {
                        let mut table = InTable::new(&set.affinities, &set.collations);
                        constants.into_iter().for_each(|value| table.insert(vec![value]));
                        InSource::Constants(table)
                    }
                    None => InSource::List(self.nodes(items)?),
                }
            }
            Members::Query(query) => {
                let kind = Kind::Set {
                    affinities: set.affinities.clone(),
                    collations: set.collations.clone(),
                };
                let (index, outer) = self.subquery(query, kind)?;
                InSource::Query { index, outer }
            }
        })
    }

    fn like(
        &mut self,
        op: LikeOp,
        value: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        not: bool,
    ) -> Result<Node> {
        match op {
            LikeOp::Like | LikeOp::Glob => {}
            LikeOp::Match => {
                return Err(Error::sql("unable to use function MATCH in the requested context"));
            }
            LikeOp::Regexp => return Err(Error::sql("no such function: REGEXP")),
        }
        let cache = self.compiler.patterns;
        self.compiler.patterns += 1;
        Ok(Node::Like(Box::new(LikeNode {
            op,
            value: self.node(value)?,
            pattern: self.node(pattern)?,
            escape: escape.map(|escape| self.node(escape)).transpose()?,
            not,
            cache,
        })))
    }

    fn case(
        &mut self,
        base: Option<&Expr>,
        arms: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) -> Result<Node> {
        let otherwise = self.optional(otherwise)?;
        let Some(base) = base else {
            let arms: Result<_> =
                arms.iter().map(|(when, then)| Ok((self.node(when)?, self.node(then)?))).collect();
            return Ok(Node::Case { arms: arms?, otherwise });
        };
        let base = self.boxed(base)?;
        let mut compiled = Vec::with_capacity(arms.len());
        for (when, then) in arms {
            let Expr::Compare(comparison) = when else {
                return Err(Error::sql("a CASE with a base compares it"));
            };
            compiled.push((self.right_side(comparison)?, self.node(then)?));
        }
        Ok(Node::CaseOf { base, arms: compiled, otherwise })
    }

    fn function(&mut self, function: &Function) -> Result<Node> {
        let arguments = self.nodes(&function.arguments)?;
        Ok(match &function.function {
            FunctionRef::BuiltIn(code) => Node::Call(code, function.collation.clone(), arguments),
            FunctionRef::User(code) => Node::UserCall(code.clone(), arguments),
            FunctionRef::Coalesce => Node::Coalesce(arguments),
            FunctionRef::Iif => Node::Iif(arguments),
            FunctionRef::First => match arguments.into_iter().next() {
                Some(first) => first,
                None => Node::Constant(Value::Null),
            },
        })
    }

    fn row_of(&mut self, query: &Subquery, column: usize) -> Result<Node> {
        let (index, outer) = self.subquery(query, Kind::Row)?;
        Ok(Node::Subquery { index, outer, column })
    }

    /// The index of a subquery, and where the columns around it that it uses are here.
    fn subquery(&mut self, query: &Subquery, kind: Kind) -> Result<(usize, Vec<Node>)> {
        let index = self.compiler.subquery(query, kind)?;
        let (outer, stable) = self.compiler.needs(index);
        let outer: Vec<Node> = outer.into_iter().map(|id| self.column(id)).collect();
        let constant = stable && outer.iter().all(|node| !matches!(node, Node::Slot(_)));
        let level = if constant { Subqueries::Constant } else { Subqueries::Varying };
        self.subqueries = self.subqueries.max(level);
        Ok((index, outer))
    }
}
