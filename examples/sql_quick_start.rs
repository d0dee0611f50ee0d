//! SQL with concurrent writers: open, define, write from several tasks, read.
//!
//! `cargo run -p heddledb --example sql_quick_start`

use heddledb::{Builder, Database, Result, params};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let db = Builder::new_local(dir.path().join("shop.db")).build().await?;
    let conn = db.connect()?;
    conn.execute_batch(
        "CREATE TABLE product(id INTEGER PRIMARY KEY, name TEXT NOT NULL, stock INT CHECK (stock >= 0));
         CREATE TABLE sale(id INTEGER PRIMARY KEY, product REFERENCES product, buyer TEXT);",
    )
    .await?;
    for name in ["tea", "coffee", "cocoa"] {
        conn.execute("INSERT INTO product(name, stock) VALUES (?1, ?2)", params![name, 100])
            .await?;
    }

    // Each buyer has a connection of its own. Nothing asks for concurrency: it is how transactions are.
    let buyers: Vec<_> = (0..8i64).map(|buyer| tokio::spawn(buy(db.clone(), buyer))).collect();
    for buyer in buyers {
        buyer.await??;
    }

    let mut rows = conn
        .query(
            "SELECT name, stock, (SELECT count(*) FROM sale WHERE product = product.id) AS sold
             FROM product ORDER BY name",
            (),
        )
        .await?;
    while let Some(row) = rows.next().await? {
        let (name, stock): (String, i64) = (row.get("name")?, row.get("stock")?);
        println!("{name}: {stock} left, {} sold", row.get::<i64>("sold")?);
    }
    drop((rows, conn));
    // Afterwards the file is one that any SQLite program reads.
    db.close().await?;
    Ok(())
}

/// Buys twenty times. If another buyer was faster, the transaction is run again.
async fn buy(db: Database, buyer: i64) -> Result<()> {
    for turn in 0..20i64 {
        let product = (buyer + turn) % 3 + 1;
        db.transact(|tx| async move {
            tx.execute("UPDATE product SET stock = stock - 1 WHERE id = ?1", [product]).await?;
            let sale = "INSERT INTO sale(product, buyer) VALUES (?1, ?2)";
            tx.execute(sale, params![product, format!("buyer {buyer}")]).await?;
            Ok(())
        })
        .await?;
    }
    Ok(())
}
