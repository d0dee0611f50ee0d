//! What the tests of the reader share: databases made by stock SQLite, and their shapes as stock tells them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::expect_used, reason = "a test that can't be set up fails")]

pub mod draft;
pub mod image;
pub mod states;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use heddle_base::PageNo;
use heddle_btree::check::{Order, Problem, Subject, check};
use heddle_btree::collation::Collation;
use heddle_btree::header::Header;
use heddle_btree::key::{KeyColumn, KeyShape};
use heddle_btree::text::Encoding;
use heddle_btree::tree::Tree;
use heddle_btree::tree::TreeKind;
use heddle_btree::value::ValueRef;
use rusqlite::Connection;
use rusqlite::types::Value;

use image::FileImage;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A database file in a directory of its own.
pub struct Scratch {
    pub dir: tempfile::TempDir,
    pub path: PathBuf,
}

pub fn scratch() -> Scratch {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("x.db");
    Scratch { dir, path }
}

/// Makes a database with stock SQLite by running `sql`.
pub fn stock(path: &Path, sql: &str) -> Connection {
    let connection = Connection::open(path).expect("stock opens");
    connection.execute_batch(sql).expect("stock runs the script");
    connection
}

pub fn encoding_of(stock: &Connection) -> Encoding {
    let name: String = stock.query_row("PRAGMA encoding", [], |r| r.get(0)).expect("an encoding");
    match name.as_str() {
        "UTF-16le" => Encoding::Utf16Le,
        "UTF-16be" => Encoding::Utf16Be,
        _ => Encoding::Utf8,
    }
}

/// A tree that stock says is in the file.
pub struct Known {
    pub name: String,
    pub table: String,
    pub tree: Tree,
    /// For a table with rowids: which column is the rowid.
    pub alias: Option<usize>,
    /// Index trees: record columns as expressions on the table, in the order stored.
    pub columns: Option<Vec<String>>,
    /// Whether every row of the table has an entry.
    pub complete: bool,
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn rows<T>(
    stock: &Connection,
    sql: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut statement = stock.prepare(sql).expect("prepares");
    let rows = statement.query_map([], read).expect("runs");
    rows.collect::<Result<_, _>>().expect("rows")
}

/// All tables and indexes that have a tree and whose columns stock can name.
pub fn trees(stock: &Connection) -> Vec<Known> {
    let encoding = encoding_of(stock);
    let mut out = Vec::new();
    let tables: Vec<(String, u32)> = rows(
        stock,
        "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table' AND rootpage > 0",
        |r| Ok((r.get(0)?, r.get(1)?)),
    );
    for (table, root) in tables {
        let indexes: Vec<(String, bool, String, bool)> =
            rows(stock, &format!("PRAGMA index_list({})", quote(&table)), |r| {
                Ok((r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))
            });
        let without_rowid: bool = stock
            .query_row(
                "SELECT wr FROM pragma_table_list(?1) WHERE schema = 'main'",
                [&table],
                |r| r.get(0),
            )
            .expect("a table list");
        if !without_rowid {
            let columns: Vec<(isize, String, isize)> =
                rows(stock, &format!("PRAGMA table_info({})", quote(&table)), |r| {
                    Ok((r.get(0)?, r.get(2)?, r.get(5)?))
                });
            let keys: Vec<_> = columns.iter().filter(|c| c.2 > 0).collect();
            let alias = match keys[..] {
                [key]
                    if key.1.eq_ignore_ascii_case("integer")
                        && !indexes.iter().any(|i| i.2 == "pk") =>
                {
                    usize::try_from(key.0).ok()
                }
                _ => None,
            };
            out.push(Known {
                name: table.clone(),
                table: table.clone(),
                tree: Tree::table(PageNo(root)),
                alias,
                columns: None,
                complete: true,
            });
        }
        for (index, unique, origin, partial) in indexes {
            let info: Vec<(Option<String>, bool, Option<String>, bool)> =
                rows(stock, &format!("PRAGMA index_xinfo({})", quote(&index)), |r| {
                    Ok((r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?))
                });
            let own: Option<u32> = stock
                .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [&index], |r| {
                    r.get(0)
                })
                .ok();
            let is_table = without_rowid && origin == "pk";
            let Some(root) = own.or(is_table.then_some(root)) else {
                continue;
            };
            let declared = info.iter().filter(|c| c.3).count();
            // A key of all record columns, but in the tree of a table only those of its primary key.
            let key_len = if is_table { declared } else { info.len() };
            let key_columns: Option<Vec<_>> = info[..key_len]
                .iter()
                .map(|(_, descending, collation, _)| {
                    Some(KeyColumn {
                        collation: Collation::from_name(collation.as_deref()?)?,
                        descending: *descending,
                    })
                })
                .collect();
            let Some(key_columns) = key_columns else {
                continue;
            };
            let mut shape = KeyShape::new(key_columns, encoding);
            if unique && !is_table {
                shape = shape.unique(declared);
            }
            out.push(Known {
                name: index,
                table: table.clone(),
                tree: Tree::index(PageNo(root), shape),
                alias: None,
                columns: info
                    .iter()
                    .enumerate()
                    .map(|(i, c)| match &c.0 {
                        Some(name) => Some(quote(name)),
                        None if i + 1 == info.len() && !without_rowid => Some("rowid".to_owned()),
                        None => None,
                    })
                    .collect(),
                complete: !partial,
            });
        }
    }
    out
}

/// Whether a stored value is what stock gives for the column.
pub fn same(stored: &ValueRef<'_>, stock: &Value, encoding: Encoding) -> bool {
    match (stored, stock) {
        (ValueRef::Null, Value::Null) => true,
        (ValueRef::Integer(a), Value::Integer(b)) => a == b,
        // A column of REAL affinity may store an integer.
        (ValueRef::Integer(a), Value::Real(b)) => *a as f64 == *b,
        (ValueRef::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
        (ValueRef::Text(_), Value::Text(b)) => stored.text(encoding).as_deref() == Some(b.as_str()),
        (ValueRef::Blob(a), Value::Blob(b)) => a == b,
        _ => false,
    }
}

/// Reads the newest state of a database that nobody has open.
pub fn snapshot(path: &Path) -> FileImage {
    FileImage::read(path, true).expect("the file opens")
}

/// A file that may not be a database at all.
pub fn try_snapshot(path: &Path) -> Option<FileImage> {
    FileImage::read(path, true)
}

/// A database given as bytes.
pub fn snapshot_of(bytes: &[u8]) -> FileImage {
    FileImage::new(bytes, true).expect("the file opens")
}

/// The files of a folder beside the repository that not everybody has.
pub fn shared(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(folder);
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("{} is absent: nothing of it is tested", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = files
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| !path.extension().is_some_and(|e| e == "md" || e == "tsv"))
        .collect();
    files.sort();
    files
}

/// A value of stock's; what is not valid in a text becomes U+FFFD.
pub fn lossy(value: rusqlite::types::ValueRef<'_>) -> Value {
    match value {
        rusqlite::types::ValueRef::Text(bytes) => {
            Value::Text(String::from_utf8_lossy(bytes).into_owned())
        }
        other => Value::try_from(other).expect("a value"),
    }
}

/// What the check has to know of a tree.
pub fn subject(tree: &Tree) -> Subject {
    let order = match tree.kind() {
        TreeKind::Table => Order::Table,
        TreeKind::Index(shape) => Order::Index(shape.clone()),
    };
    Subject { root: tree.root(), order }
}

/// What our own check finds wrong with a file.
pub fn problems(bytes: &[u8], subjects: &[Subject]) -> Vec<Problem> {
    let image = FileImage::new(bytes, true).expect("a database");
    let header = Header::parse(bytes).expect("a header");
    block_on(check(&image, &header, subjects, 100)).expect("the image can be read")
}

/// What stock's check says of a file, or why it can't.
pub fn integrity(path: &Path) -> Vec<String> {
    let check = || -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open(path)?;
        let mut statement = connection.prepare("PRAGMA integrity_check")?;
        statement.query_map([], |r| r.get(0))?.collect()
    };
    check().unwrap_or_else(|error| vec![error.to_string()])
}
