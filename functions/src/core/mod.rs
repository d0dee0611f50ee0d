//! The core scalar functions, which every SQLite has.
//!
//! - [`choice`]: those that choose one of their arguments. [`text`], [`strip`], [`hexadecimal`], [`quote`]: texts and blobs.
//!   [`number`]: numbers. [`pattern`]: LIKE and GLOB. [`connection`]: what is around a call.

mod choice;
mod connection;
mod hexadecimal;
mod number;
mod pattern;
pub(crate) mod quote;
mod soundex;
mod strip;
mod text;
mod unicode;

use crate::ScalarFunction;

pub use connection::compile_options;

/// The core functions.
pub(crate) const SCALARS: &[ScalarFunction] = &[
    ScalarFunction::new("abs", 1, Some(1), number::abs),
    ScalarFunction::new("changes", 0, Some(0), connection::changes).nondeterministic(),
    ScalarFunction::new("char", 0, None, unicode::char),
    ScalarFunction::new("coalesce", 2, None, choice::coalesce),
    ScalarFunction::new("concat", 1, None, text::concat),
    ScalarFunction::new("concat_ws", 2, None, text::concat_ws),
    ScalarFunction::new("glob", 2, Some(2), pattern::glob),
    ScalarFunction::new("hex", 1, Some(1), hexadecimal::hex),
    ScalarFunction::new("if", 2, None, choice::iif),
    ScalarFunction::new("ifnull", 2, Some(2), choice::coalesce),
    ScalarFunction::new("iif", 2, None, choice::iif),
    ScalarFunction::new("instr", 2, Some(2), text::instr),
    ScalarFunction::new("last_insert_rowid", 0, Some(0), connection::last_insert_rowid)
        .nondeterministic(),
    ScalarFunction::new("length", 1, Some(1), text::length),
    ScalarFunction::new("like", 2, Some(3), pattern::like),
    ScalarFunction::new("likelihood", 2, Some(2), choice::first),
    ScalarFunction::new("likely", 1, Some(1), choice::first),
    ScalarFunction::new("load_extension", 1, Some(2), connection::load_extension),
    ScalarFunction::new("lower", 1, Some(1), text::lower),
    ScalarFunction::new("ltrim", 1, Some(2), strip::ltrim),
    ScalarFunction::new("max", 2, None, choice::max),
    ScalarFunction::new("min", 2, None, choice::min),
    ScalarFunction::new("nullif", 2, Some(2), choice::nullif),
    ScalarFunction::new("octet_length", 1, Some(1), text::octet_length),
    ScalarFunction::new("quote", 1, Some(1), quote::quote),
    ScalarFunction::new("random", 0, Some(0), connection::random).nondeterministic(),
    ScalarFunction::new("randomblob", 1, Some(1), connection::randomblob).nondeterministic(),
    ScalarFunction::new("replace", 3, Some(3), text::replace),
    ScalarFunction::new("round", 1, Some(2), number::round),
    ScalarFunction::new("rtrim", 1, Some(2), strip::rtrim),
    ScalarFunction::new("sign", 1, Some(1), number::sign),
    ScalarFunction::new("soundex", 1, Some(1), soundex::soundex),
    ScalarFunction::new("sqlite_compileoption_get", 1, Some(1), connection::compileoption_get),
    ScalarFunction::new("sqlite_compileoption_used", 1, Some(1), connection::compileoption_used),
    ScalarFunction::new("sqlite_log", 2, Some(2), connection::log).nondeterministic(),
    ScalarFunction::new("sqlite_source_id", 0, Some(0), connection::source_id),
    ScalarFunction::new("sqlite_version", 0, Some(0), connection::version),
    ScalarFunction::new("substr", 2, Some(3), text::substr),
    ScalarFunction::new("substring", 2, Some(3), text::substr),
    ScalarFunction::new("subtype", 1, Some(1), choice::subtype),
    ScalarFunction::new("total_changes", 0, Some(0), connection::total_changes).nondeterministic(),
    ScalarFunction::new("trim", 1, Some(2), strip::trim),
    ScalarFunction::new("typeof", 1, Some(1), choice::type_of),
    ScalarFunction::new("unhex", 1, Some(2), hexadecimal::unhex),
    ScalarFunction::new("unicode", 1, Some(1), unicode::unicode),
    ScalarFunction::new("unistr", 1, Some(1), unicode::unistr),
    ScalarFunction::new("unistr_quote", 1, Some(1), quote::unistr_quote),
    ScalarFunction::new("unlikely", 1, Some(1), choice::first),
    ScalarFunction::new("upper", 1, Some(1), text::upper),
    ScalarFunction::new("zeroblob", 1, Some(1), hexadecimal::zeroblob),
];
