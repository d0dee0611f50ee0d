//! One file opened by several in one process: whoever comes finds it open, waits until it has ended, or opens it himself; whoever
//! closes his handle leaves the others theirs.
#![cfg(heddle_shuttle)]

use heddle_engine::{Database, Direction, Env, Options};
use heddle_shuttle_tests::{run, world};
use shuttle::future::block_on;
use shuttle::thread;

const PATH: &str = "/d/x.db";
const CLIENTS: i64 = 3;
const VISITS: i64 = 2;

async fn open(env: &Env) -> Database {
    let options = Options {
        env: Some(env.clone()),
        page_size: 512,
        auto_checkpoint: false,
        ..Options::default()
    };
    Database::open(PATH, options).await.unwrap()
}

/// Opens it, commits a row, and goes, some visits long.
async fn client(env: Env, number: i64, closes: bool) {
    for visit in 0..VISITS {
        let db = open(&env).await;
        db.insert("t", (number * VISITS + visit, number)).await.unwrap();
        match closes {
            true => db.close().await.unwrap(),
            false => drop(db),
        }
    }
}

fn visits(closes: impl Fn(i64) -> bool + Send + Sync + 'static) {
    run(move || {
        let env = world::env();
        block_on(async {
            let db = open(&env).await;
            let mut tx = db.begin().await.unwrap();
            tx.create_table("CREATE TABLE t (id INTEGER PRIMARY KEY, n INT)").await.unwrap();
            tx.commit().await.unwrap();
            db.close().await.unwrap();
        });
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (env, closes) = (env.clone(), closes(number));
                thread::spawn(move || block_on(client(env, number, closes)))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        block_on(async {
            let db = open(&env).await;
            let mut tx = db.begin().await.unwrap();
            let mut table = tx.table("t").unwrap();
            let mut scan = table.scan(.., Direction::Ascending).unwrap();
            let mut found = Vec::new();
            while let Some(row) = scan.next().await.unwrap() {
                found.push(row.get::<i64>("id").unwrap());
            }
            assert_eq!(found, (0..CLIENTS * VISITS).collect::<Vec<_>>());
            drop(tx);
            assert_eq!(db.check().await.unwrap(), Vec::<String>::new());
            db.close().await.unwrap();
        });
    });
}

#[test]
fn one_of_several_who_opened_it_closes_only_his_own() {
    visits(|_| true);
}

#[test]
fn one_of_several_who_opened_it_drops_only_his_own() {
    visits(|number| number == 0);
}
