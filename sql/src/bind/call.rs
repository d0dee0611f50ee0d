//! Calls of functions: scalar ones, and aggregates with the level at which they are computed.

use heddle_functions::{aggregate, is_known, scalar};
use heddle_value::{Collation, Value};

use super::scope::Allows;
use super::typed::{Typed, common_collation};
use super::{Binder, window};
use crate::ast::{self, FunctionCall};
use crate::plan::{
    AggregateCall, AggregateKind, ColumnId, ColumnInfo, Expr, Function, FunctionRef, SortKey,
};
use crate::{Error, Result};

/// The call of a function as an expression.
pub(super) fn function(function: FunctionRef, arguments: Vec<Expr>, collation: Collation) -> Expr {
    Expr::Function(Box::new(Function { function, arguments, collation }))
}

pub(super) fn wrong_number(name: &ast::Name) -> Error {
    Error::sql(format!("wrong number of arguments to function {name}()"))
}

impl Binder<'_> {
    pub(super) fn call(&mut self, call: &FunctionCall) -> Result<Typed> {
        if let Some(over) = &call.over {
            return self.window_call(call, over);
        }
        let count = call.arguments.len();
        let extensions = self.environment.extensions;
        let own = extensions.scalar(&call.name.text, count).is_some();
        if !own && let Some(kind) = self.aggregate_kind(call) {
            return self.aggregate_call(call, kind);
        }
        if !own && window::is_window_only(&call.name.text) {
            return Err(Error::sql(format!("misuse of window function {}()", call.name)));
        }
        if call.filter.is_some() {
            return Err(Error::sql(format!(
                "FILTER may not be used with non-aggregate {}()",
                call.name
            )));
        }
        if !call.order_by.is_empty() {
            return Err(Error::sql(format!(
                "ORDER BY may not be used with non-aggregate {}()",
                call.name
            )));
        }
        if call.star {
            return Err(self.unknown(&call.name));
        }
        let function = self.scalar_function(&call.name, count)?;
        let bound: Vec<Typed> =
            call.arguments.iter().map(|argument| self.expr(argument)).collect::<Result<_>>()?;
        Ok(self.scalar_call(function, bound))
    }

    fn scalar_function(&mut self, name: &ast::Name, count: usize) -> Result<FunctionRef> {
        if let Some(own) = self.environment.extensions.scalar(&name.text, count) {
            let own = own.clone();
            if !own.deterministic {
                self.note_unstable();
            }
            return Ok(FunctionRef::User(own));
        }
        let lower = name.text.to_ascii_lowercase();
        let special = match lower.as_str() {
            "coalesce" if count >= 2 => Some(FunctionRef::Coalesce),
            "ifnull" if count == 2 => Some(FunctionRef::Coalesce),
            "iif" | "if" if count >= 2 => Some(FunctionRef::Iif),
            "likelihood" if count == 2 => Some(FunctionRef::First),
            "likely" | "unlikely" if count == 1 => Some(FunctionRef::First),
            "coalesce" | "ifnull" | "iif" | "if" | "likelihood" | "likely" | "unlikely" => {
                return Err(wrong_number(name));
            }
            _ => None,
        };
        if let Some(special) = special {
            return Ok(special);
        }
        let Some(built_in) = scalar(&lower, count) else { return Err(self.unknown(name)) };
        if !built_in.deterministic {
            self.note_unstable();
        }
        Ok(FunctionRef::BuiltIn(built_in))
    }

    fn unknown(&self, name: &ast::Name) -> Error {
        let lazy = ["coalesce", "ifnull", "iif", "if", "likelihood", "likely", "unlikely"];
        let known = is_known(&name.text)
            || self.environment.extensions.is_known(&name.text)
            || lazy.iter().any(|lazy| name.is(lazy));
        match known {
            true => wrong_number(name),
            false => Error::sql(format!("no such function: {name}")),
        }
    }

    fn scalar_call(&mut self, what: FunctionRef, bound: Vec<Typed>) -> Typed {
        let collation = match (&what, &bound[..]) {
            // Only functions that compare their arguments look at it.
            (FunctionRef::BuiltIn(f), [left, right]) if f.name == "nullif" => {
                common_collation(left, right)
            }
            _ => {
                let first = bound.iter().find_map(|argument| argument.collation.clone());
                first.unwrap_or_default()
            }
        };
        let heard = bound.clone();
        let transparent = matches!(what, FunctionRef::First);
        let expr =
            function(what, bound.into_iter().map(|argument| argument.expr).collect(), collation);
        if transparent && let Some(first) = heard.first() {
            // likely(a) is a in all but its estimate.
            return Typed { expr, ..first.clone() };
        }
        Typed::of_parts(expr, &heard)
    }

    /// The aggregate function that a call names, if it does.
    pub(super) fn aggregate_kind(&self, call: &FunctionCall) -> Option<AggregateKind> {
        let count = call.arguments.len();
        if let Some(own) = self.environment.extensions.aggregate(&call.name.text, count) {
            return Some(AggregateKind::User(own.clone()));
        }
        if call.star && !call.name.is("count") {
            return None;
        }
        aggregate(&call.name.text, count).map(AggregateKind::BuiltIn)
    }

    /// An aggregate's arguments and what is said with them; aggregates are not allowed in them at this level.
    pub(super) fn aggregate_parts(
        &mut self,
        call: &FunctionCall,
        function: AggregateKind,
    ) -> Result<AggregateCall> {
        if call.distinct && call.arguments.len() != 1 {
            return Err(Error::sql("DISTINCT aggregates must have exactly one argument"));
        }
        let mut arguments = Vec::with_capacity(call.arguments.len());
        let mut collation = None;
        for argument in &call.arguments {
            let argument = self.expr(argument)?;
            collation = collation.or(argument.collation);
            arguments.push(argument.expr);
        }
        let filter = call.filter.as_ref().map(|filter| self.expr(filter)).transpose()?;
        let order_by: Vec<SortKey> =
            call.order_by.iter().map(|term| self.sort_key(term)).collect::<Result<_>>()?;
        Ok(AggregateCall {
            function,
            arguments,
            distinct: call.distinct,
            filter: filter.map(|filter| filter.expr),
            order_by,
            collation: collation.unwrap_or_default(),
        })
    }

    fn aggregate_call(&mut self, call: &FunctionCall, kind: AggregateKind) -> Result<Typed> {
        let Some(current) = self.scopes.len().checked_sub(1) else {
            return Err(misuse(call, false));
        };
        let known = self.scopes.get(current).and_then(|scope| {
            scope.written.iter().find(|(written, _)| written == call).map(|(_, column)| *column)
        });
        if let Some(column) = known
            && self.may_aggregate(current)
        {
            return Ok(self.aggregate_result(column, current));
        }
        let outside = self.deepest.take();
        // Met in its own arguments, an aggregate of this level is misused.
        let nested = self.enter_aggregate(current, true);
        let parts = self.aggregate_parts(call, kind);
        self.enter_aggregate(current, nested);
        let deepest = self.deepest.filter(|deepest| *deepest <= current);
        self.deepest = outside.max(deepest);
        let parts = parts?;
        let target = deepest.filter(|depth| self.may_aggregate(*depth)).unwrap_or(current);
        if !self.may_aggregate(target) {
            let aggregated = self.scopes.get(target).is_some_and(|scope| scope.aggregated);
            return Err(misuse(call, aggregated));
        }
        let column =
            self.new_column(ColumnInfo { name: call.name.text.clone(), ..Default::default() });
        if let Some(scope) = self.scopes.get_mut(target) {
            scope.aggregates.push((column, parts));
            if target == current {
                scope.written.push((call.clone(), column));
            }
        }
        Ok(self.aggregate_result(column, target))
    }

    fn aggregate_result(&mut self, column: ColumnId, depth: usize) -> Typed {
        self.note_outer(column, depth);
        self.deepest = self.deepest.max(Some(depth));
        Typed::plain(Expr::Column(column))
    }

    fn may_aggregate(&self, depth: usize) -> bool {
        self.scopes
            .get(depth)
            .is_some_and(|scope| scope.allows != Allows::Values && !scope.in_aggregate)
    }

    fn enter_aggregate(&mut self, depth: usize, inside: bool) -> bool {
        match self.scopes.get_mut(depth) {
            Some(scope) => std::mem::replace(&mut scope.in_aggregate, inside),
            None => false,
        }
    }

    /// A key of an order over bound expressions.
    pub(super) fn sort_key(&mut self, term: &ast::OrderTerm) -> Result<SortKey> {
        let value = self.expr(&term.expr)?;
        Ok(super::order::key(term, value.expr, value.collation))
    }
}

/// What is said of an aggregate where none may stand.
fn misuse(call: &FunctionCall, aggregated: bool) -> Error {
    match aggregated {
        true => Error::sql(format!("misuse of aggregate: {}()", call.name)),
        false => Error::sql(format!("misuse of aggregate function {}()", call.name)),
    }
}

/// An offset or count that window functions take: any value.
pub(super) fn or_null(value: Option<Typed>) -> Expr {
    value.map_or(Expr::Constant(Value::Null), |value| value.expr)
}
