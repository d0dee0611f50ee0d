//! The core scalar functions, which every SQLite has.
//!
//! - [`choice`]: those that choose one of their arguments. [`text`], [`strip`], [`hexadecimal`], [`quote`]: texts and blobs.
//!   [`number`]: numbers. [`pattern`]: LIKE and GLOB. [`connection`]: what is around a call.

mod choice;
mod connection;
mod hexadecimal;
mod number;
mod pattern;
mod quote;
mod soundex;
mod strip;
mod text;
mod unicode;

use crate::ScalarFunction;
use crate::arguments::{pure, varying};

pub use connection::compile_options;

/// The core functions.
pub(crate) const SCALARS: &[ScalarFunction] = &[
    pure("abs", 1, Some(1), number::abs),
    varying("changes", 0, connection::changes),
    pure("char", 0, None, unicode::char),
    pure("coalesce", 2, None, choice::coalesce),
    pure("concat", 1, None, text::concat),
    pure("concat_ws", 2, None, text::concat_ws),
    pure("glob", 2, Some(2), pattern::glob),
    pure("hex", 1, Some(1), hexadecimal::hex),
    pure("if", 2, None, choice::iif),
    pure("ifnull", 2, Some(2), choice::coalesce),
    pure("iif", 2, None, choice::iif),
    pure("instr", 2, Some(2), text::instr),
    varying("last_insert_rowid", 0, connection::last_insert_rowid),
    pure("length", 1, Some(1), text::length),
    pure("like", 2, Some(3), pattern::like),
    pure("likelihood", 2, Some(2), choice::first),
    pure("likely", 1, Some(1), choice::first),
    pure("load_extension", 1, Some(2), connection::load_extension),
    pure("lower", 1, Some(1), text::lower),
    pure("ltrim", 1, Some(2), strip::ltrim),
    pure("max", 2, None, choice::max),
    pure("min", 2, None, choice::min),
    pure("nullif", 2, Some(2), choice::nullif),
    pure("octet_length", 1, Some(1), text::octet_length),
    pure("quote", 1, Some(1), quote::quote),
    varying("random", 0, connection::random),
    varying("randomblob", 1, connection::randomblob),
    pure("replace", 3, Some(3), text::replace),
    pure("round", 1, Some(2), number::round),
    pure("rtrim", 1, Some(2), strip::rtrim),
    pure("sign", 1, Some(1), number::sign),
    pure("soundex", 1, Some(1), soundex::soundex),
    pure("sqlite_compileoption_get", 1, Some(1), connection::compileoption_get),
    pure("sqlite_compileoption_used", 1, Some(1), connection::compileoption_used),
    varying("sqlite_log", 2, connection::log),
    pure("sqlite_source_id", 0, Some(0), connection::source_id),
    pure("sqlite_version", 0, Some(0), connection::version),
    pure("substr", 2, Some(3), text::substr),
    pure("substring", 2, Some(3), text::substr),
    pure("subtype", 1, Some(1), choice::subtype),
    varying("total_changes", 0, connection::total_changes),
    pure("trim", 1, Some(2), strip::trim),
    pure("typeof", 1, Some(1), choice::type_of),
    pure("unhex", 1, Some(2), hexadecimal::unhex),
    pure("unicode", 1, Some(1), unicode::unicode),
    pure("unistr", 1, Some(1), unicode::unistr),
    pure("unistr_quote", 1, Some(1), quote::unistr_quote),
    pure("unlikely", 1, Some(1), choice::first),
    pure("upper", 1, Some(1), text::upper),
    pure("zeroblob", 1, Some(1), hexadecimal::zeroblob),
];
