//! HeddleDB: an embedded SQL database in which many writers commit at once.
