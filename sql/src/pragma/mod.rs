//! Pragmas that answer questions, which are tables too (`SELECT .. FROM pragma_table_info('t')`): their columns.

/// The hidden columns that a pragma's arguments fill.
pub const PARAMETERS: [&str; 2] = ["arg", "schema"];

/// Names and columns of all of them.
const TABLES: [(&str, &[&str]); 20] = [
    ("application_id", &["application_id"]),
    ("collation_list", &["seq", "name"]),
    ("compile_options", &["compile_options"]),
    ("database_list", &["seq", "name", "file"]),
    ("encoding", &["encoding"]),
    ("foreign_key_check", &["table", "rowid", "parent", "fkid"]),
    ("foreign_key_list", &["id", "seq", "table", "from", "to", "on_update", "on_delete", "match"]),
    ("foreign_keys", &["foreign_keys"]),
    ("freelist_count", &["freelist_count"]),
    ("function_list", &["name", "builtin", "type", "enc", "narg", "flags"]),
    ("index_info", &["seqno", "cid", "name"]),
    ("index_list", &["seq", "name", "unique", "origin", "partial"]),
    ("index_xinfo", &["seqno", "cid", "name", "desc", "coll", "key"]),
    ("integrity_check", &["integrity_check"]),
    ("page_count", &["page_count"]),
    ("page_size", &["page_size"]),
    ("table_info", &["cid", "name", "type", "notnull", "dflt_value", "pk"]),
    ("table_list", &["schema", "name", "type", "ncol", "wr", "strict"]),
    ("table_xinfo", &["cid", "name", "type", "notnull", "dflt_value", "pk", "hidden"]),
    ("user_version", &["user_version"]),
];

/// The columns of a pragma that can be used as a table.
pub fn columns(name: &str) -> Option<&'static [&'static str]> {
    TABLES.iter().find(|(pragma, _)| pragma.eq_ignore_ascii_case(name)).map(|(_, columns)| *columns)
}
