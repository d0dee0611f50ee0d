//! Expressions.

use sqlite3_parser::ast as parsed;

use super::convert::Converter;
use super::{literal, name};
use crate::ast::{
    BinaryOp, ConflictClause, Expr, FunctionCall, InSource, LikeOp, Literal, Name, OrderTerm,
    Raise, UnaryOp, Window, WindowBound, WindowExclude, WindowFrame, WindowFrameKind, WindowRef,
};
use crate::{Error, Result};

impl Converter<'_> {
    /// An expression, one level deeper than what it is in.
    pub(super) fn expr(&mut self, expr: &parsed::Expr<'_>) -> Result<Expr> {
        self.deeper(|this| this.expr_here(expr))
    }

    pub(super) fn boxed(&mut self, expr: &parsed::Expr<'_>) -> Result<Box<Expr>> {
        self.expr(expr).map(Box::new)
    }

    pub(super) fn maybe(&mut self, expr: Option<&parsed::Expr<'_>>) -> Result<Option<Expr>> {
        expr.map(|expr| self.expr(expr)).transpose()
    }

    fn maybe_boxed(&mut self, expr: Option<&parsed::Expr<'_>>) -> Result<Option<Box<Expr>>> {
        Ok(self.maybe(expr)?.map(Box::new))
    }

    pub(super) fn exprs(&mut self, exprs: &[parsed::Expr<'_>]) -> Result<Vec<Expr>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr_here(&mut self, expr: &parsed::Expr<'_>) -> Result<Expr> {
        Ok(match expr {
            parsed::Expr::Between { lhs, not, start, end } => Expr::Between {
                not: *not,
                value: self.boxed(lhs)?,
                low: self.boxed(start)?,
                high: self.boxed(end)?,
            },
            parsed::Expr::Binary(..) => self.binary(expr)?,
            parsed::Expr::Case { base, when_then_pairs, else_expr } => Expr::Case {
                base: self.maybe_boxed(*base)?,
                arms: when_then_pairs
                    .iter()
                    .map(|(when, then)| Ok((self.expr(when)?, self.expr(then)?)))
                    .collect::<Result<_>>()?,
                otherwise: self.maybe_boxed(*else_expr)?,
            },
            parsed::Expr::Cast { expr, type_name } => Expr::Cast {
                value: self.boxed(expr)?,
                to: type_name.as_ref().map(type_text).unwrap_or_default(),
            },
            parsed::Expr::Collate(expr, collation) => {
                Expr::Collate(self.boxed(expr)?, name::name(collation))
            }
            parsed::Expr::DoublyQualified(schema, table, column) => Expr::Column {
                schema: Some(name::of(schema)),
                table: Some(name::of(table)),
                name: name::of(column),
            },
            parsed::Expr::Qualified(table, column) => {
                Expr::Column { schema: None, table: Some(name::of(table)), name: name::of(column) }
            }
            parsed::Expr::Id(id) => bare(name::name(id.0)),
            parsed::Expr::Name(name) => bare(name::of(name)),
            parsed::Expr::Exists(select) => Expr::Exists(Box::new(self.select(select)?)),
            parsed::Expr::Subquery(select) => Expr::Subquery(Box::new(self.select(select)?)),
            parsed::Expr::FunctionCall { .. } | parsed::Expr::FunctionCallStar { .. } => {
                self.function(expr)?
            }
            parsed::Expr::InList { .. }
            | parsed::Expr::InSelect { .. }
            | parsed::Expr::InTable { .. } => self.membership(expr)?,
            parsed::Expr::IsNull(expr) => Expr::IsNull(self.boxed(expr)?),
            parsed::Expr::NotNull(expr) => Expr::NotNull(self.boxed(expr)?),
            parsed::Expr::Like { lhs, not, op, rhs, escape } => Expr::Like {
                op: match op {
                    parsed::LikeOperator::Glob => LikeOp::Glob,
                    parsed::LikeOperator::Like => LikeOp::Like,
                    parsed::LikeOperator::Match => LikeOp::Match,
                    parsed::LikeOperator::Regexp => LikeOp::Regexp,
                },
                not: *not,
                left: self.boxed(lhs)?,
                pattern: self.boxed(rhs)?,
                escape: self.maybe_boxed(*escape)?,
            },
            parsed::Expr::Literal(literal) => constant(literal)?,
            parsed::Expr::Parenthesized(exprs) => match exprs.as_slice() {
                [only] => Expr::Paren(self.boxed(only)?),
                several => Expr::Row(self.exprs(several)?),
            },
            parsed::Expr::Raise(action, message) => Expr::Raise(Raise {
                action: conflict(*action),
                message: self.maybe_boxed(*message)?,
            }),
            parsed::Expr::Unary(op, operand) => self.unary(*op, operand)?,
            parsed::Expr::Variable(written) => self.parameter(written)?,
        })
    }

    fn unary(&mut self, op: parsed::UnaryOperator, operand: &parsed::Expr<'_>) -> Result<Expr> {
        let negative = op == parsed::UnaryOperator::Negative;
        if let (true, parsed::Expr::Literal(parsed::Literal::Numeric(text))) = (negative, operand) {
            // The smallest integer is a number with a minus: without it, it would be a real.
            return Ok(Expr::Literal(Literal::Value(literal::number(text, true)?)));
        }
        let op = match op {
            parsed::UnaryOperator::BitwiseNot => UnaryOp::BitNot,
            parsed::UnaryOperator::Negative => UnaryOp::Negate,
            parsed::UnaryOperator::Not => UnaryOp::Not,
            parsed::UnaryOperator::Positive => UnaryOp::Plus,
        };
        Ok(Expr::Unary(op, self.boxed(operand)?))
    }

    /// A chain of operators: down its left side in a loop, for that is where long ones are deep.
    fn binary(&mut self, expr: &parsed::Expr<'_>) -> Result<Expr> {
        let mut rights = Vec::new();
        let mut left = expr;
        while let parsed::Expr::Binary(inner, op, right) = left {
            rights.push((*op, *right));
            self.check_depth(rights.len())?;
            left = inner;
        }
        let chain = rights.len();
        let mut built = self.deeper_by(chain, |this| this.expr_here(left))?;
        for (place, (op, right)) in rights.into_iter().rev().enumerate() {
            let right = self.deeper_by(chain - place, |this| this.expr_here(right))?;
            built = match operator(op) {
                Ok(op) => Expr::Binary(op, Box::new(built), Box::new(right)),
                Err(function) => call(function, vec![built, right]),
            };
        }
        Ok(built)
    }

    fn membership(&mut self, expr: &parsed::Expr<'_>) -> Result<Expr> {
        Ok(match expr {
            parsed::Expr::InList { lhs, not, rhs } => Expr::In {
                not: *not,
                value: self.boxed(lhs)?,
                source: InSource::List(self.exprs(rhs.unwrap_or_default())?),
            },
            parsed::Expr::InSelect { lhs, not, rhs } => Expr::In {
                not: *not,
                value: self.boxed(lhs)?,
                source: InSource::Select(Box::new(self.select(rhs)?)),
            },
            parsed::Expr::InTable { lhs, not, rhs, args } => Expr::In {
                not: *not,
                value: self.boxed(lhs)?,
                source: InSource::Table(
                    name::qualified(rhs),
                    self.exprs(args.unwrap_or_default())?,
                ),
            },
            _ => return Err(Error::sql("not an IN")),
        })
    }

    fn function(&mut self, expr: &parsed::Expr<'_>) -> Result<Expr> {
        let mut call = match expr {
            parsed::Expr::FunctionCall { name, distinctness, args, order_by, .. } => FunctionCall {
                name: name::name(name.0),
                arguments: self.exprs(args.unwrap_or_default())?,
                star: false,
                distinct: *distinctness == Some(parsed::Distinctness::Distinct),
                order_by: match order_by {
                    Some(parsed::FunctionCallOrder::SortList(terms)) => self.order_terms(terms)?,
                    None => Vec::new(),
                },
                filter: None,
                over: None,
            },
            parsed::Expr::FunctionCallStar { name, .. } => FunctionCall {
                name: name::name(name.0),
                arguments: Vec::new(),
                star: true,
                distinct: false,
                order_by: Vec::new(),
                filter: None,
                over: None,
            },
            _ => return Err(Error::sql("not a call")),
        };
        let (parsed::Expr::FunctionCall { filter_over, .. }
        | parsed::Expr::FunctionCallStar { filter_over, .. }) = expr
        else {
            return Ok(Expr::Function(Box::new(call)));
        };
        if let Some(tail) = filter_over {
            call.filter = self.maybe(tail.filter_clause)?;
            call.over = match tail.over_clause {
                Some(parsed::Over::Name(name)) => Some(WindowRef::Name(name::of(name))),
                Some(parsed::Over::Window(window)) => Some(WindowRef::Window(self.window(window)?)),
                None => None,
            };
        }
        Ok(Expr::Function(Box::new(call)))
    }

    pub(super) fn order_terms(
        &mut self,
        terms: &[parsed::SortedColumn<'_>],
    ) -> Result<Vec<OrderTerm>> {
        let term = |term: &parsed::SortedColumn<'_>| {
            Ok(OrderTerm {
                expr: self.expr(&term.expr)?,
                descending: term.order == Some(parsed::SortOrder::Desc),
                nulls_first: term.nulls.map(|nulls| nulls == parsed::NullsOrder::First),
            })
        };
        terms.iter().map(term).collect()
    }

    pub(super) fn window(&mut self, window: &parsed::Window<'_>) -> Result<Window> {
        Ok(Window {
            base: window.base.as_ref().map(name::of),
            partition_by: self.exprs(window.partition_by.unwrap_or_default())?,
            order_by: self.order_terms(window.order_by.unwrap_or_default())?,
            frame: window.frame_clause.as_ref().map(|frame| self.frame(frame)).transpose()?,
        })
    }

    fn frame(&mut self, frame: &parsed::FrameClause<'_>) -> Result<WindowFrame> {
        Ok(WindowFrame {
            kind: match frame.mode {
                parsed::FrameMode::Groups => WindowFrameKind::Groups,
                parsed::FrameMode::Range => WindowFrameKind::Range,
                parsed::FrameMode::Rows => WindowFrameKind::Rows,
            },
            start: self.frame_bound(&frame.start)?,
            end: match &frame.end {
                Some(end) => self.frame_bound(end)?,
                None => WindowBound::CurrentRow,
            },
            exclude: match frame.exclude {
                None | Some(parsed::FrameExclude::NoOthers) => WindowExclude::NoOthers,
                Some(parsed::FrameExclude::CurrentRow) => WindowExclude::CurrentRow,
                Some(parsed::FrameExclude::Group) => WindowExclude::Group,
                Some(parsed::FrameExclude::Ties) => WindowExclude::Ties,
            },
        })
    }

    fn frame_bound(&mut self, bound: &parsed::FrameBound<'_>) -> Result<WindowBound> {
        Ok(match bound {
            parsed::FrameBound::CurrentRow => WindowBound::CurrentRow,
            parsed::FrameBound::Following(expr) => WindowBound::Following(self.boxed(expr)?),
            parsed::FrameBound::Preceding(expr) => WindowBound::Preceding(self.boxed(expr)?),
            parsed::FrameBound::UnboundedFollowing => WindowBound::UnboundedFollowing,
            parsed::FrameBound::UnboundedPreceding => WindowBound::UnboundedPreceding,
        })
    }
}

fn bare(name: Name) -> Expr {
    Expr::Column { schema: None, table: None, name }
}

fn call(function: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(Box::new(FunctionCall {
        name: Name::new(function),
        arguments,
        star: false,
        distinct: false,
        order_by: Vec::new(),
        filter: None,
        over: None,
    }))
}

fn constant(literal: &parsed::Literal<'_>) -> Result<Expr> {
    Ok(Expr::Literal(match literal {
        parsed::Literal::Numeric(text) => Literal::Value(literal::number(text, false)?),
        parsed::Literal::String(text) => Literal::Value(literal::string(text)),
        parsed::Literal::Blob(digits) => Literal::Value(literal::blob(digits)),
        parsed::Literal::Null => Literal::Value(heddle_value::Value::Null),
        parsed::Literal::CurrentDate => Literal::CurrentDate,
        parsed::Literal::CurrentTime => Literal::CurrentTime,
        parsed::Literal::CurrentTimestamp => Literal::CurrentTimestamp,
        // ON, DELETE or DEFAULT as the value of a pragma.
        parsed::Literal::Keyword(word) => return Ok(bare(Name::new(*word))),
    }))
}

/// The operator, or the name of the function that it is.
fn operator(op: parsed::Operator) -> std::result::Result<BinaryOp, &'static str> {
    Ok(match op {
        parsed::Operator::Add => BinaryOp::Add,
        parsed::Operator::And => BinaryOp::And,
        parsed::Operator::ArrowRight => return Err("->"),
        parsed::Operator::ArrowRightShift => return Err("->>"),
        parsed::Operator::BitwiseAnd => BinaryOp::BitAnd,
        parsed::Operator::BitwiseOr => BinaryOp::BitOr,
        parsed::Operator::Concat => BinaryOp::Concat,
        parsed::Operator::Equals => BinaryOp::Equal,
        parsed::Operator::Divide => BinaryOp::Divide,
        parsed::Operator::Greater => BinaryOp::Greater,
        parsed::Operator::GreaterEquals => BinaryOp::GreaterEqual,
        parsed::Operator::Is => BinaryOp::Is,
        parsed::Operator::IsNot => BinaryOp::IsNot,
        parsed::Operator::LeftShift => BinaryOp::ShiftLeft,
        parsed::Operator::Less => BinaryOp::Less,
        parsed::Operator::LessEquals => BinaryOp::LessEqual,
        parsed::Operator::Modulus => BinaryOp::Modulo,
        parsed::Operator::Multiply => BinaryOp::Multiply,
        parsed::Operator::NotEquals => BinaryOp::NotEqual,
        parsed::Operator::Or => BinaryOp::Or,
        parsed::Operator::RightShift => BinaryOp::ShiftRight,
        parsed::Operator::Subtract => BinaryOp::Subtract,
    })
}

pub(super) fn conflict(action: parsed::ResolveType) -> ConflictClause {
    match action {
        parsed::ResolveType::Rollback => ConflictClause::Rollback,
        parsed::ResolveType::Abort => ConflictClause::Abort,
        parsed::ResolveType::Fail => ConflictClause::Fail,
        parsed::ResolveType::Ignore => ConflictClause::Ignore,
        parsed::ResolveType::Replace => ConflictClause::Replace,
    }
}

/// A declared type as SQLite keeps it: its words, and its sizes in parentheses.
pub(super) fn type_text(declared: &parsed::Type<'_>) -> Box<str> {
    let name = declared.name.split_whitespace().map(name::unquoted).collect::<Vec<_>>().join(" ");
    match &declared.size {
        None => name.into(),
        Some(parsed::TypeSize::MaxSize(size)) => format!("{name}({size})").into(),
        Some(parsed::TypeSize::TypeSize(a, b)) => format!("{name}({a},{b})").into(),
    }
}
