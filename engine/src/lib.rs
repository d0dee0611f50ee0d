//! HeddleDB: engine.
