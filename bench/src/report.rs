//! Samples of a run, medians of several runs, tables of peers side by side, and the JSON of it all.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

/// What one peer's run gave: the figure by which peers are compared, and others.
#[derive(Debug, Clone)]
pub struct Sample {
    pub headline: f64,
    /// In the order in which they are shown.
    pub figures: Vec<(&'static str, f64)>,
}

/// One workload in one setting.
#[derive(Debug, Clone)]
pub struct Case {
    pub workload: &'static str,
    pub setting: String,
    /// What the headline figure is.
    pub unit: &'static str,
    pub better: Better,
}

/// A case's samples, by peer in the order of their turns.
#[derive(Debug)]
pub struct Result {
    case: Case,
    samples: Vec<(&'static str, Vec<Sample>)>,
    failures: Vec<(&'static str, String)>,
}

/// Peers that are SQLite in one shape or another.
const SQLITE: [&str; 2] = ["sqlite", "sqlite-queue"];
const OURS: &str = "heddle";

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A figure in about four digits.
fn shown(value: f64) -> String {
    match value.abs() {
        v if v >= 10_000.0 => format!("{:.0}", value),
        v if v >= 100.0 => format!("{:.0}", value),
        v if v >= 10.0 => format!("{:.1}", value),
        0.0 => "0".to_owned(),
        _ => format!("{:.3}", value),
    }
}

impl Result {
    pub fn new(case: Case) -> Self {
        Result { case, samples: Vec::new(), failures: Vec::new() }
    }

    pub fn add(&mut self, peer: &'static str, sample: Sample) {
        match self.samples.iter_mut().find(|(name, _)| *name == peer) {
            Some((_, samples)) => samples.push(sample),
            None => self.samples.push((peer, vec![sample])),
        }
    }

    pub fn fail(&mut self, peer: &'static str, error: &anyhow::Error) {
        self.failures.push((peer, format!("{error:#}")));
    }

    fn headline(&self, peer: &str) -> Option<f64> {
        let (_, samples) = self.samples.iter().find(|(name, _)| *name == peer)?;
        Some(median(samples.iter().map(|sample| sample.headline).collect()))
    }

    fn best(&self, among: impl Fn(&str) -> bool) -> Option<f64> {
        let names = self.samples.iter().map(|(name, _)| *name).filter(|name| among(name));
        names.filter_map(|name| self.headline(name)).reduce(|a, b| match self.case.better {
            Better::Higher => a.max(b),
            Better::Lower => a.min(b),
        })
    }

    /// How many times as good as `other` a figure is.
    fn ratio(&self, figure: f64, other: f64) -> f64 {
        match self.case.better {
            Better::Higher => figure / other,
            Better::Lower => other / figure,
        }
    }

    /// Each figure's median over the runs of one peer.
    fn medians(samples: &[Sample]) -> BTreeMap<&'static str, f64> {
        let names = samples.iter().flat_map(|sample| sample.figures.iter().map(|(name, _)| *name));
        names
            .map(|name| {
                let find = |sample: &Sample| {
                    sample.figures.iter().find(|(other, _)| *other == name).map(|(_, v)| *v)
                };
                (name, median(samples.iter().filter_map(find).collect()))
            })
            .collect()
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut columns: Vec<&'static str> = Vec::new();
        for (_, samples) in &self.samples {
            for (name, _) in samples.iter().flat_map(|sample| &sample.figures) {
                if !columns.contains(name) {
                    columns.push(name);
                }
            }
        }
        let (sqlite, peers) = (self.best(|n| SQLITE.contains(&n)), self.best(|n| n != OURS));
        let mut lines = vec![vec!["".to_owned(), self.case.unit.to_owned()]];
        lines[0].extend(["x sqlite", "x best peer"].map(str::to_owned));
        lines[0].extend(columns.iter().map(|name| (*name).to_owned()));
        for (peer, samples) in &self.samples {
            let headline = self.headline(peer).unwrap_or(f64::NAN);
            let ratio = |other: Option<f64>| {
                other.map_or("-".to_owned(), |other| shown(self.ratio(headline, other)))
            };
            let mut line = vec![(*peer).to_owned(), shown(headline), ratio(sqlite), ratio(peers)];
            let medians = Self::medians(samples);
            line.extend(
                columns
                    .iter()
                    .map(|name| medians.get(name).map_or("-".to_owned(), |value| shown(*value))),
            );
            lines.push(line);
        }
        let width = |column: usize| lines.iter().map(|l| l[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
        let mut text = format!("\n{}, {}\n", self.case.workload, self.case.setting);
        for line in &lines {
            for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let cell = match at {
                    0 => format!("  {cell:<width$}"),
                    _ => format!("  {cell:>width$}"),
                };
                text.push_str(&cell);
            }
            text.push('\n');
        }
        for (peer, error) in &self.failures {
            text.push_str(&format!("  {peer} failed: {error}\n"));
        }
        text
    }

    pub fn json(&self) -> Value {
        let (sqlite, best) = (self.best(|n| SQLITE.contains(&n)), self.best(|n| n != OURS));
        let peer = |(name, samples): &(&'static str, Vec<Sample>)| {
            let headline = self.headline(name).unwrap_or(f64::NAN);
            json!({
                "peer": name,
                "headline": headline,
                "runs": samples.iter().map(|sample| sample.headline).collect::<Vec<_>>(),
                "ratio_to_sqlite": sqlite.map(|other| self.ratio(headline, other)),
                "ratio_to_best_peer": best.map(|other| self.ratio(headline, other)),
                "figures": Self::medians(samples),
            })
        };
        json!({
            "workload": self.case.workload,
            "setting": self.case.setting,
            "unit": self.case.unit,
            "lower_is_better": self.case.better == Better::Lower,
            "peers": self.samples.iter().map(peer).collect::<Vec<_>>(),
            "failures": self.failures.iter().map(|(p, e)| json!({"peer": p, "error": e})).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(better: Better, headlines: &[(&'static str, &[f64])]) -> Result {
        let mut result =
            Result::new(Case { workload: "w", setting: "s".to_owned(), unit: "u", better });
        for (peer, runs) in headlines {
            for headline in *runs {
                result.add(peer, Sample { headline: *headline, figures: vec![] });
            }
        }
        result
    }

    #[test]
    fn peers_are_compared_by_medians_with_the_better_sqlite_and_the_best_peer() {
        let peers: [(&str, &[f64]); 4] = [
            ("sqlite", &[1.0, 100.0, 2.0]),
            ("sqlite-queue", &[4.0]),
            ("redb", &[8.0]),
            ("heddle", &[16.0]),
        ];
        let json = result(Better::Higher, &peers).json();
        assert_eq!(json["peers"][0]["headline"], 2.0);
        assert_eq!(json["peers"][3]["ratio_to_sqlite"], 4.0);
        assert_eq!(json["peers"][3]["ratio_to_best_peer"], 2.0);
    }

    #[test]
    fn a_ratio_above_one_is_better_where_lower_is_better_too() {
        let peers: [(&str, &[f64]); 2] = [("sqlite", &[30.0]), ("heddle", &[10.0])];
        let json = result(Better::Lower, &peers).json();
        assert_eq!(json["peers"][1]["ratio_to_sqlite"], 3.0);
    }
}
