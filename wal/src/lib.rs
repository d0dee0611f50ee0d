//! HeddleDB: wal.
