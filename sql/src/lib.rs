//! SQLite's dialect of SQL over HeddleDB's engine: parse, bind, plan, run.
