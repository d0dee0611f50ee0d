//! HeddleDB: txn.
