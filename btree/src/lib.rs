//! HeddleDB: btree.
