//! The databases that take part.

#[cfg(feature = "heddle")]
pub mod bare;
#[cfg(feature = "heddle")]
pub mod heddle;
pub mod keyvalue;
pub mod lmdb;
pub mod lsm;
pub mod redb;
#[cfg(feature = "rocksdb")]
pub mod rocks;
pub mod sqlite;
#[cfg(feature = "turso")]
pub mod turso;
