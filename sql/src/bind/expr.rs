//! Expressions.

use heddle_value::{Affinity, Value};

use super::column::{Written, written_truth};
use super::typed::{Typed, comparison};
use super::{Binder, call};
use crate::ast::{self, BinaryOp, LikeOp, Literal, UnaryOp};
use crate::plan::{Arithmetic, CompareOp, Expr, FunctionRef};
use crate::{Error, Result};

/// How much stack must be left to go one level deeper, and how much more is taken if it is not.
const RED_ZONE: usize = 128 * 1024;
const MORE_STACK: usize = 2 * 1024 * 1024;

impl Binder<'_> {
    /// Binds an expression that gives one value.
    pub(crate) fn expr(&mut self, expr: &ast::Expr) -> Result<Typed> {
        stacker::maybe_grow(RED_ZONE, MORE_STACK, || self.expr_here(expr))
    }

    fn expr_here(&mut self, expr: &ast::Expr) -> Result<Typed> {
        match expr {
            ast::Expr::Literal(literal) => self.literal(literal),
            ast::Expr::Parameter { number, .. } => {
                Ok(Typed::plain(Expr::Parameter(number.saturating_sub(1))))
            }
            ast::Expr::Column { schema, table, name } => {
                self.column(Written { schema: schema.as_ref(), table: table.as_ref(), name })
            }
            ast::Expr::Unary(op, operand) => self.unary(*op, operand),
            ast::Expr::Binary(op, left, right) => self.binary(*op, left, right, expr),
            ast::Expr::Like { op, not, left, pattern, escape } => {
                self.like(*op, *not, left, pattern, escape.as_deref())
            }
            ast::Expr::Between { not, value, low, high } => self.between(*not, value, low, high),
            ast::Expr::In { not, value, source } => self.is_in(*not, value, source),
            ast::Expr::IsNull(value) => self.nullness(value, Expr::IsNull),
            ast::Expr::NotNull(value) => self.nullness(value, Expr::NotNull),
            ast::Expr::Case { base, arms, otherwise } => {
                self.case(base.as_deref(), arms, otherwise.as_deref())
            }
            ast::Expr::Cast { value, to } => {
                let value = self.expr(value)?;
                let affinity = Affinity::of_type(to);
                let expr = Expr::Cast(Box::new(value.expr.clone()), affinity);
                Ok(Typed { expr, affinity: Some(affinity), declared_type: None, ..value })
            }
            ast::Expr::Collate(value, name) => {
                let value = self.expr(value)?;
                let collation = Some(self.collation(name)?);
                Ok(Typed { collation, explicit: true, ..value })
            }
            ast::Expr::Function(call) => self.call(call),
            ast::Expr::Subquery(select) => self.scalar_subquery(select),
            ast::Expr::Exists(select) => self.exists(select),
            ast::Expr::Row(_) => Err(Error::sql("row value misused")),
            ast::Expr::Paren(inner) => self.expr(inner),
            ast::Expr::Raise(raise) => self.raise(raise),
        }
    }

    fn literal(&mut self, literal: &Literal) -> Result<Typed> {
        let name = match literal {
            Literal::Value(value) => return Ok(Typed::constant(value.clone())),
            Literal::CurrentDate => "current_date",
            Literal::CurrentTime => "current_time",
            Literal::CurrentTimestamp => "current_timestamp",
        };
        let found = heddle_functions::scalar(name, 0);
        let function = found.ok_or_else(|| Error::sql(format!("no such function: {name}")))?;
        Ok(Typed::plain(call::function(
            FunctionRef::BuiltIn(function),
            Vec::new(),
            Default::default(),
        )))
    }

    fn unary(&mut self, op: UnaryOp, operand: &ast::Expr) -> Result<Typed> {
        if op == UnaryOp::Plus {
            return Ok(self.expr(operand)?.without_affinity());
        }
        let operand = self.expr(operand)?;
        let inner = Box::new(operand.expr.clone());
        let expr = match op {
            UnaryOp::Negate => match operand.expr {
                Expr::Constant(ref value) => {
                    Expr::Constant(heddle_value::arithmetic::negate(value))
                }
                _ => Expr::Negate(inner),
            },
            UnaryOp::BitNot => Expr::BitNot(inner),
            UnaryOp::Not | UnaryOp::Plus => Expr::Not(inner),
        };
        Ok(Typed::of_parts(expr, [&operand]))
    }

    fn nullness(&mut self, value: &ast::Expr, make: fn(Box<Expr>) -> Expr) -> Result<Typed> {
        let value = self.expr(value)?;
        Ok(Typed::of_parts(make(Box::new(value.expr.clone())), [&value]))
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        left: &ast::Expr,
        right: &ast::Expr,
        whole: &ast::Expr,
    ) -> Result<Typed> {
        let arithmetic = match op {
            BinaryOp::And | BinaryOp::Or => return self.junction(op, whole),
            BinaryOp::Equal => return self.compare(CompareOp::Equal, left, right),
            BinaryOp::NotEqual => return self.compare(CompareOp::NotEqual, left, right),
            BinaryOp::Less => return self.compare(CompareOp::Less, left, right),
            BinaryOp::LessEqual => return self.compare(CompareOp::LessEqual, left, right),
            BinaryOp::Greater => return self.compare(CompareOp::Greater, left, right),
            BinaryOp::GreaterEqual => return self.compare(CompareOp::GreaterEqual, left, right),
            BinaryOp::Is => return self.is(false, left, right),
            BinaryOp::IsNot => return self.is(true, left, right),
            BinaryOp::Add => Arithmetic::Add,
            BinaryOp::Subtract => Arithmetic::Subtract,
            BinaryOp::Multiply => Arithmetic::Multiply,
            BinaryOp::Divide => Arithmetic::Divide,
            BinaryOp::Modulo => Arithmetic::Modulo,
            BinaryOp::Concat => Arithmetic::Concat,
            BinaryOp::BitAnd => Arithmetic::BitAnd,
            BinaryOp::BitOr => Arithmetic::BitOr,
            BinaryOp::ShiftLeft => Arithmetic::ShiftLeft,
            BinaryOp::ShiftRight => Arithmetic::ShiftRight,
        };
        let left = self.expr(left)?;
        let right = self.expr(right)?;
        let expr =
            Expr::Arithmetic(arithmetic, Box::new(left.expr.clone()), Box::new(right.expr.clone()));
        Ok(Typed::of_parts(expr, [&left, &right]))
    }

    /// A chain of ANDs or ORs as one, without going a level deeper for each.
    fn junction(&mut self, op: BinaryOp, whole: &ast::Expr) -> Result<Typed> {
        let mut parts = Vec::new();
        let mut next = whole;
        while let ast::Expr::Binary(same, left, right) = next
            && *same == op
        {
            parts.push(right.as_ref());
            next = left;
        }
        parts.push(next);
        let bound: Vec<Typed> =
            parts.into_iter().rev().map(|part| self.expr(part)).collect::<Result<_>>()?;
        let exprs: Vec<Expr> = bound.iter().map(|part| part.expr.clone()).collect();
        let expr = if op == BinaryOp::And { Expr::And(exprs) } else { Expr::Or(exprs) };
        Ok(Typed::of_parts(expr, &bound))
    }

    fn is(&mut self, not: bool, left: &ast::Expr, right: &ast::Expr) -> Result<Typed> {
        if let Some((written, wanted)) = written_truth(right)
            && self.find(written)?.is_none()
        {
            let value = self.expr(left)?;
            let expr = Expr::IsTruth { value: Box::new(value.expr.clone()), wanted, not };
            return Ok(Typed::of_parts(expr, [&value]));
        }
        if let ast::Expr::Literal(Literal::Value(Value::Null)) = right {
            return self.nullness(left, if not { Expr::NotNull } else { Expr::IsNull });
        }
        self.compare(if not { CompareOp::IsNot } else { CompareOp::Is }, left, right)
    }

    fn like(
        &mut self,
        op: LikeOp,
        not: bool,
        left: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::Expr>,
    ) -> Result<Typed> {
        let value = self.expr(left)?;
        let pattern = self.expr(pattern)?;
        let escape = escape.map(|escape| self.expr(escape)).transpose()?;
        let name = match op {
            LikeOp::Like => "like",
            LikeOp::Glob => "glob",
            LikeOp::Match => "match",
            LikeOp::Regexp => "regexp",
        };
        let count = 2 + usize::from(escape.is_some());
        // A user's function of this name takes the operator over.
        let own = self.environment.extensions.scalar(name, count).cloned();
        let built_in = matches!(op, LikeOp::Like | LikeOp::Glob);
        let heard = [Some(&value), Some(&pattern), escape.as_ref()];
        let heard: Vec<Typed> = heard.into_iter().flatten().cloned().collect();
        let expr = match own {
            Some(own) => {
                let mut arguments = vec![pattern.expr, value.expr];
                arguments.extend(escape.map(|escape| escape.expr));
                let call = call::function(FunctionRef::User(own), arguments, Default::default());
                if not { Expr::Not(Box::new(call)) } else { call }
            }
            None if op == LikeOp::Match => {
                return Err(Error::sql("unable to use function MATCH in the requested context"));
            }
            None if !built_in => {
                return Err(Error::sql(format!("no such function: {}", name.to_uppercase())));
            }
            None => Expr::Like {
                op,
                value: Box::new(value.expr),
                pattern: Box::new(pattern.expr),
                escape: escape.map(|escape| Box::new(escape.expr)),
                not,
            },
        };
        Ok(Typed::of_parts(expr, &heard))
    }

    fn case(
        &mut self,
        base: Option<&ast::Expr>,
        arms: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Typed> {
        let base = base.map(|base| self.expr(base)).transpose()?;
        let mut heard = Vec::new();
        let mut bound = Vec::with_capacity(arms.len());
        for (when, then) in arms {
            let when = self.expr(when)?;
            let then = self.expr(then)?;
            heard.extend([when.clone(), then.clone()]);
            let condition = match &base {
                Some(base) => {
                    Expr::Compare(Box::new(comparison(CompareOp::Equal, base.clone(), when)))
                }
                None => when.expr,
            };
            bound.push((condition, then.expr));
        }
        let otherwise = otherwise.map(|otherwise| self.expr(otherwise)).transpose()?;
        heard.extend(otherwise.clone());
        let expr = Expr::Case {
            base: base.map(|base| Box::new(base.expr)),
            arms: bound,
            otherwise: otherwise.map(|otherwise| Box::new(otherwise.expr)),
        };
        Ok(Typed::of_parts(expr, &heard))
    }

    fn raise(&mut self, raise: &ast::Raise) -> Result<Typed> {
        let in_trigger = self
            .scopes
            .iter()
            .any(|scope| scope.row.as_ref().is_some_and(|row| row.new || row.old));
        if !in_trigger {
            return Err(Error::sql("RAISE() may only be used within a trigger-program"));
        }
        let message = raise.message.as_deref().map(|message| self.expr(message)).transpose()?;
        Ok(Typed::plain(Expr::Raise(raise.action, message.map(|message| Box::new(message.expr)))))
    }

    /// A constant for where a value is wanted and only NULL makes sense.
    pub(super) fn null() -> Typed {
        Typed::constant(Value::Null)
    }
}
