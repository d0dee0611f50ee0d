//! Window functions: which function over which window with which frame (windowfunctions.html).

use heddle_value::{Affinity, Value};

use super::Binder;
use super::call::wrong_number;
use super::scope::{Allows, WindowGroup};
use super::typed::Typed;
use crate::ast::{self, FunctionCall, WindowBound, WindowExclude, WindowFrameKind, WindowRef};
use crate::plan::{ColumnInfo, Expr, Frame, FrameBound, WindowCall, WindowFunction};
use crate::{Error, Result};

const WINDOW_ONLY: [&str; 11] = [
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

/// Whether it is a function that makes sense over a window only.
pub(super) fn is_window_only(name: &str) -> bool {
    WINDOW_ONLY.iter().any(|window| window.eq_ignore_ascii_case(name))
}

impl Binder<'_> {
    pub(super) fn window_call(&mut self, call: &FunctionCall, over: &WindowRef) -> Result<Typed> {
        let Some(current) = self.scopes.len().checked_sub(1) else {
            return Err(misuse(call));
        };
        let allowed = self.scopes.get(current).is_some_and(|scope| scope.allows == Allows::Windows);
        let windows = is_window_only(&call.name.text);
        let kind = self.aggregate_kind(call);
        if !windows && kind.is_none() {
            let known = heddle_functions::is_known(&call.name.text)
                || self.environment.extensions.is_known(&call.name.text);
            return Err(match known {
                true => Error::sql(format!("{}() may not be used as a window function", call.name)),
                false => Error::sql(format!("no such function: {}", call.name)),
            });
        }
        if !allowed {
            return Err(misuse(call));
        }
        if call.distinct {
            return Err(Error::sql("DISTINCT is not supported for window functions"));
        }
        let window = match over {
            WindowRef::Name(name) => self.named_window(name, current)?,
            WindowRef::Window(window) => self.resolved(window, current)?,
        };
        // Aggregates may stand in the arguments, other window functions not.
        let before = self.allow(current, Allows::Aggregates);
        let bound = self.window_parts(call, kind, &window, current);
        self.allow(current, before);
        let (function, group) = bound?;
        let frame = self.frame(&window, current)?;
        let info = ColumnInfo { name: call.name.text.clone(), ..ColumnInfo::default() };
        let column = self.new_column(info);
        if let Some(scope) = self.scopes.get_mut(current)
            && let Some(group) = scope.calls.get_mut(group)
        {
            group.calls.push((column, WindowCall { function, frame }));
        }
        Ok(Typed::plain(Expr::Column(column)))
    }

    /// Sets what may stand at a level, and gives what might before.
    pub(super) fn allow(&mut self, depth: usize, allows: Allows) -> Allows {
        match self.scopes.get_mut(depth) {
            Some(scope) => std::mem::replace(&mut scope.allows, allows),
            None => allows,
        }
    }

    fn named_window(&mut self, name: &ast::Name, depth: usize) -> Result<ast::Window> {
        let windows =
            self.scopes.get(depth).map(|scope| scope.windows.as_slice()).unwrap_or_default();
        let Some((_, window)) = windows.iter().find(|(other, _)| other == name) else {
            return Err(Error::sql(format!("no such window: {name}")));
        };
        let window = window.clone();
        self.resolved(&window, depth)
    }

    /// A window with what its base says.
    fn resolved(&mut self, window: &ast::Window, depth: usize) -> Result<ast::Window> {
        let Some(base) = &window.base else { return Ok(window.clone()) };
        let windows =
            self.scopes.get(depth).map(|scope| scope.windows.as_slice()).unwrap_or_default();
        // A window may be based on those defined before it.
        let Some(at) = windows.iter().position(|(other, _)| other == base) else {
            return Err(Error::sql(format!("no such window: {base}")));
        };
        let of =
            windows.get(at).map(|(_, window)| window.clone()).unwrap_or_else(|| window.clone());
        let refused =
            |what: &str| Err(Error::sql(format!("cannot override {what} of window: {base}")));
        if !window.partition_by.is_empty() {
            return refused("PARTITION clause");
        }
        if !window.order_by.is_empty() && !of.order_by.is_empty() {
            return refused("ORDER BY clause");
        }
        if of.frame.is_some() {
            return refused("frame specification");
        }
        let earlier = windows.get(..at).unwrap_or_default().to_vec();
        let of = match of.base {
            None => of,
            Some(_) => {
                let all =
                    self.scopes.get_mut(depth).map(|s| std::mem::replace(&mut s.windows, earlier));
                let resolved = self.resolved(&of, depth);
                if let (Some(scope), Some(all)) = (self.scopes.get_mut(depth), all) {
                    scope.windows = all;
                }
                resolved?
            }
        };
        let order_by =
            if window.order_by.is_empty() { of.order_by } else { window.order_by.clone() };
        Ok(ast::Window {
            base: None,
            partition_by: of.partition_by,
            order_by,
            frame: window.frame.clone(),
        })
    }

    fn window_parts(
        &mut self,
        call: &FunctionCall,
        kind: Option<crate::plan::AggregateKind>,
        window: &ast::Window,
        depth: usize,
    ) -> Result<(WindowFunction, usize)> {
        let function = match kind {
            Some(kind) => {
                if !call.order_by.is_empty() {
                    return Err(Error::sql("ORDER BY is not supported for window functions"));
                }
                WindowFunction::Aggregate(self.aggregate_parts(call, kind)?)
            }
            None => {
                if call.filter.is_some() {
                    return Err(Error::sql(
                        "FILTER clause may only be used with aggregate window functions",
                    ));
                }
                self.window_function(call)?
            }
        };
        let group = self.window_group(window, depth)?;
        Ok((function, group))
    }

    fn window_function(&mut self, call: &FunctionCall) -> Result<WindowFunction> {
        let mut arguments: Vec<Expr> = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            arguments.push(self.expr(argument)?.expr);
        }
        let count = arguments.len();
        let mut next = arguments.into_iter();
        let name = call.name.text.to_ascii_lowercase();
        let function = match (name.as_str(), count, next.next()) {
            ("row_number", 0, _) => WindowFunction::RowNumber,
            ("rank", 0, _) => WindowFunction::Rank,
            ("dense_rank", 0, _) => WindowFunction::DenseRank,
            ("percent_rank", 0, _) => WindowFunction::PercentRank,
            ("cume_dist", 0, _) => WindowFunction::CumeDist,
            ("ntile", 1, Some(buckets)) => WindowFunction::Ntile(buckets),
            ("lag", 1..=3, Some(value)) => WindowFunction::Lag(value, next.next(), next.next()),
            ("lead", 1..=3, Some(value)) => WindowFunction::Lead(value, next.next(), next.next()),
            ("first_value", 1, Some(value)) => WindowFunction::FirstValue(value),
            ("last_value", 1, Some(value)) => WindowFunction::LastValue(value),
            ("nth_value", 2, Some(value)) => {
                WindowFunction::NthValue(value, super::call::or_null(next.next().map(Typed::plain)))
            }
            _ => return Err(wrong_number(&call.name)),
        };
        Ok(function)
    }

    /// The group of calls with this partition and order.
    fn window_group(&mut self, window: &ast::Window, depth: usize) -> Result<usize> {
        let written = (window.partition_by.clone(), window.order_by.clone());
        let groups = self.scopes.get(depth).map(|scope| scope.calls.as_slice()).unwrap_or_default();
        if let Some(at) = groups.iter().position(|group| group.written == written) {
            return Ok(at);
        }
        let mut partition = Vec::with_capacity(window.partition_by.len());
        for expr in &window.partition_by {
            let term = ast::OrderTerm { expr: expr.clone(), descending: false, nulls_first: None };
            partition.push(self.sort_key(&term)?);
        }
        let mut order = Vec::with_capacity(window.order_by.len());
        for term in &window.order_by {
            order.push(self.sort_key(term)?);
        }
        let Some(scope) = self.scopes.get_mut(depth) else { return Ok(0) };
        scope.calls.push(WindowGroup { written, partition, order, calls: Vec::new() });
        Ok(scope.calls.len() - 1)
    }

    fn frame(&mut self, window: &ast::Window, depth: usize) -> Result<Frame> {
        let Some(frame) = &window.frame else {
            return Ok(Frame {
                kind: WindowFrameKind::Range,
                start: FrameBound::UnboundedPreceding,
                end: FrameBound::CurrentRow,
                exclude: WindowExclude::NoOthers,
            });
        };
        let distance = |bound: &WindowBound| {
            matches!(bound, WindowBound::Preceding(_) | WindowBound::Following(_))
        };
        if frame.kind == WindowFrameKind::Range
            && (distance(&frame.start) || distance(&frame.end))
            && window.order_by.len() != 1
        {
            return Err(Error::sql(
                "RANGE with offset PRECEDING/FOLLOWING requires one ORDER BY expression",
            ));
        }
        let unsupported = || Error::sql("unsupported frame specification");
        let rank = |bound: &WindowBound| match bound {
            WindowBound::UnboundedPreceding => 0,
            WindowBound::Preceding(_) => 1,
            WindowBound::CurrentRow => 2,
            WindowBound::Following(_) => 3,
            WindowBound::UnboundedFollowing => 4,
        };
        let (start, end) = (rank(&frame.start), rank(&frame.end));
        if start == 4 || end == 0 || start > end {
            return Err(unsupported());
        }
        let before = self.allow(depth, Allows::Values);
        let bounds = self
            .frame_bound(&frame.start)
            .and_then(|start| Ok((start, self.frame_bound(&frame.end)?)));
        self.allow(depth, before);
        let (start, end) = bounds?;
        Ok(Frame { kind: frame.kind, start, end, exclude: frame.exclude })
    }

    fn frame_bound(&mut self, bound: &WindowBound) -> Result<FrameBound> {
        Ok(match bound {
            WindowBound::UnboundedPreceding => FrameBound::UnboundedPreceding,
            WindowBound::Preceding(distance) => FrameBound::Preceding(self.distance(distance)?),
            WindowBound::CurrentRow => FrameBound::CurrentRow,
            WindowBound::Following(distance) => FrameBound::Following(self.distance(distance)?),
            WindowBound::UnboundedFollowing => FrameBound::UnboundedFollowing,
        })
    }

    /// A distance is the same for all rows: what names a column has none (SQLite takes NULL, and refuses it when it runs).
    fn distance(&mut self, distance: &ast::Expr) -> Result<Expr> {
        let value = self.expr(distance)?;
        let constant = match &value.expr {
            Expr::Constant(Value::Text(_)) => {
                Expr::Apply(Box::new(value.expr.clone()), Affinity::Numeric)
            }
            other => other.clone(),
        };
        Ok(constant)
    }
}

fn misuse(call: &FunctionCall) -> Error {
    Error::sql(format!("misuse of window function {}()", call.name))
}
