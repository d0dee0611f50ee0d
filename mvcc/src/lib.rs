//! HeddleDB: mvcc.
