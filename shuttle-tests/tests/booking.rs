//! The service of `examples/booking`, unchanged, under shuttle: its clients interleave in every way that the schedulers
//! think of, down to single steps of locks and atomics. What `docs/testing.md` shows.
#![cfg(heddle_shuttle)]

use heddle_shuttle_tests::{run, world};
use shuttle::future::block_on;
use shuttle::thread;

#[path = "../../examples/booking/service.rs"]
#[allow(dead_code)]
mod service;
use service::Hall;

const PATH: &str = "/hall/seats.db";

#[test]
fn seats_are_sold_once_and_always_two_together() {
    run(|| {
        let env = world::env();
        let hall = block_on(Hall::open(env.clone(), PATH)).unwrap();
        let clients: Vec<_> = [(1, [1, 2]), (2, [2, 3]), (3, [3, 4])]
            .into_iter()
            .map(|(guest, seats)| {
                let hall = hall.clone();
                thread::spawn(move || {
                    let booked = block_on(hall.book(guest, seats)).unwrap();
                    let given_back = guest == 2 && block_on(hall.cancel(guest)).unwrap() > 0;
                    (guest, booked && !given_back)
                })
            })
            .collect();
        let told: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        block_on(hall.close()).unwrap();

        let hall = block_on(Hall::open(env, PATH)).unwrap();
        let guests = block_on(hall.guests()).unwrap();
        for (guest, has_seats) in told {
            assert_eq!(guests.contains_key(&guest), has_seats, "guest {guest}: {guests:?}");
        }
        assert!(guests.values().all(|seats| seats.len() == 2), "{guests:?}");
        block_on(hall.close()).unwrap();
    });
}
