//! Pragmas: their names and columns, and the answers of those that only look.
//!
//! A pragma that answers is a statement (`PRAGMA table_info(t)`) and a table (`SELECT .. FROM pragma_table_info('t')`); both get
//! their rows from [`Facts`]. What sets something is the session's matter ([`crate::session`]).
//!
//! - [`facts`]: what is known when a statement begins; [`tables`], [`indexes`], [`listings`]: rows about the schema and the connection.

mod facts;
mod indexes;
mod listings;
mod tables;

pub use facts::{DatabaseFacts, Facts};

/// The hidden columns that a pragma's arguments fill.
pub const PARAMETERS: [&str; 2] = ["arg", "schema"];

/// Names and columns of all that answer without changing anything.
const TABLES: [(&str, &[&str]); 46] = [
    ("analysis_limit", &["analysis_limit"]),
    ("application_id", &["application_id"]),
    ("auto_vacuum", &["auto_vacuum"]),
    ("automatic_index", &["automatic_index"]),
    ("busy_timeout", &["timeout"]),
    ("cache_size", &["cache_size"]),
    ("cache_spill", &["cache_spill"]),
    ("cell_size_check", &["cell_size_check"]),
    ("collation_list", &["seq", "name"]),
    ("compile_options", &["compile_options"]),
    ("data_version", &["data_version"]),
    ("database_list", &["seq", "name", "file"]),
    ("default_cache_size", &["cache_size"]),
    ("defer_foreign_keys", &["defer_foreign_keys"]),
    ("encoding", &["encoding"]),
    ("foreign_key_check", &["table", "rowid", "parent", "fkid"]),
    ("foreign_key_list", &["id", "seq", "table", "from", "to", "on_update", "on_delete", "match"]),
    ("foreign_keys", &["foreign_keys"]),
    ("freelist_count", &["freelist_count"]),
    ("function_list", &["name", "builtin", "type", "enc", "narg", "flags"]),
    ("ignore_check_constraints", &["ignore_check_constraints"]),
    ("index_info", &["seqno", "cid", "name"]),
    ("index_list", &["seq", "name", "unique", "origin", "partial"]),
    ("index_xinfo", &["seqno", "cid", "name", "desc", "coll", "key"]),
    ("integrity_check", &["integrity_check"]),
    ("journal_mode", &["journal_mode"]),
    ("journal_size_limit", &["journal_size_limit"]),
    ("legacy_alter_table", &["legacy_alter_table"]),
    ("locking_mode", &["locking_mode"]),
    ("max_page_count", &["max_page_count"]),
    ("mmap_size", &["mmap_size"]),
    ("module_list", &["name"]),
    ("page_count", &["page_count"]),
    ("page_size", &["page_size"]),
    ("pragma_list", &["name"]),
    ("query_only", &["query_only"]),
    ("quick_check", &["quick_check"]),
    ("read_uncommitted", &["read_uncommitted"]),
    ("recursive_triggers", &["recursive_triggers"]),
    ("schema_version", &["schema_version"]),
    ("synchronous", &["synchronous"]),
    ("table_info", &["cid", "name", "type", "notnull", "dflt_value", "pk"]),
    ("table_list", &["schema", "name", "type", "ncol", "wr", "strict"]),
    ("table_xinfo", &["cid", "name", "type", "notnull", "dflt_value", "pk", "hidden"]),
    ("temp_store", &["temp_store"]),
    ("user_version", &["user_version"]),
];

/// The columns of a pragma that can be used as a table.
pub fn columns(name: &str) -> Option<&'static [&'static str]> {
    TABLES.iter().find(|(pragma, _)| pragma.eq_ignore_ascii_case(name)).map(|(_, columns)| *columns)
}

/// The names of all that answer.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(name, _)| *name)
}
