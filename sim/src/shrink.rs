//! Makes a failing plan smaller: leaves out lives, clients, acts, operations and faults while it still fails.
//!
//! Any failure counts, not only the first one's words: the smallest plan that fails is the one worth reading. What
//! the plan leaves to the simulator's dice changes as the plan does, so every candidate is tried under a few seeds.

use crate::plan::{Act, Ending, Plan};
use crate::run::Report;

/// Seeds of the simulator under which a candidate is tried.
const DICE: u64 = 4;

/// The smallest plan found that still fails, and its report; `budget` bounds the runs.
pub fn shrink(plan: &Plan, run: impl Fn(&Plan) -> Report, mut budget: usize) -> (Plan, Report) {
    let mut best = (plan.clone(), run(plan));
    loop {
        let mut improved = false;
        for candidate in candidates(&best.0) {
            for dice in 0..DICE {
                if budget == 0 {
                    return best;
                }
                budget -= 1;
                let mut candidate = candidate.clone();
                candidate.seed = candidate.seed.wrapping_add(dice);
                let report = run(&candidate);
                if report.failure.is_some() {
                    best = (candidate, report);
                    improved = true;
                    break;
                }
            }
            if improved {
                break;
            }
        }
        if !improved {
            return best;
        }
    }
}

/// Plans with one part less, large parts first.
fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut Plan)| {
        let mut smaller = plan.clone();
        change(&mut smaller);
        found.push(smaller);
    };
    for life in 0..plan.lives.len() {
        if plan.lives.len() > 1 {
            with(&|plan| drop(plan.lives.remove(life)));
        }
    }
    for (at, life) in plan.lives.iter().enumerate() {
        for client in 0..life.clients.len() {
            with(&|plan| drop(plan.lives[at].clients.remove(client)));
        }
        for fault in 0..life.faults.len() {
            with(&|plan| _ = plan.lives[at].faults.remove(fault));
        }
        for stop in 0..life.aftermath.interrupted.len() {
            with(&|plan| _ = plan.lives[at].aftermath.interrupted.remove(stop));
        }
        for fault in 0..life.aftermath.hindered.len() {
            with(&|plan| _ = plan.lives[at].aftermath.hindered.remove(fault));
        }
        if life.aftermath.stock {
            with(&|plan| plan.lives[at].aftermath.stock = false);
        }
        if let Ending::PowerOff(count) | Ending::Kill(count) = life.ending
            && count > 8
        {
            with(&|plan| {
                plan.lives[at].ending = match life.ending {
                    Ending::PowerOff(_) => Ending::PowerOff(count * 3 / 4),
                    _ => Ending::Kill(count * 3 / 4),
                }
            });
        }
        for (number, client) in life.clients.iter().enumerate() {
            // Halves first, so that long clients shrink fast.
            if client.acts.len() > 3 {
                let half = client.acts.len() / 2;
                with(&|plan| drop(plan.lives[at].clients[number].acts.drain(..half)));
                with(&|plan| plan.lives[at].clients[number].acts.truncate(half));
            }
            for act in 0..client.acts.len() {
                with(&|plan| drop(plan.lives[at].clients[number].acts.remove(act)));
            }
        }
        for (number, client) in life.clients.iter().enumerate() {
            for (act, what) in client.acts.iter().enumerate() {
                let ops = match what {
                    Act::Transaction(plan) => plan.ops.len(),
                    Act::Snapshot(ops) => ops.len(),
                    _ => 0,
                };
                for op in 0..ops {
                    with(&|plan| match &mut plan.lives[at].clients[number].acts[act] {
                        Act::Transaction(plan) => drop(plan.ops.remove(op)),
                        Act::Snapshot(ops) => drop(ops.remove(op)),
                        _ => {}
                    });
                }
            }
        }
    }
    found
}
