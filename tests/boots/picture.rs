//! Draws how a fleet of 1000 machines starts against a quota of 40 calls a second, and holds `docs/boots.svg` and the figures
//! of RELIABILITY.md to it. `STEPZERO_DRAW=1 cargo test --lib picture` draws it anew.

#[path = "../chart/mod.rs"]
mod chart;

use std::path::Path;

use super::{Fleet, Outcome, THOUSAND, Who};
use chart::{Axis, Chart, Line, Role};

/// The time axis ends here.
const SECONDS: f64 = 120.0;

#[test]
fn the_picture_and_the_figures_are_true() {
    let (ours, sdk) = (THOUSAND.boot(Who::Stepzero, 1), THOUSAND.boot(Who::SdkDefault, 1));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("docs/boots.svg");
    let drawn = picture(&ours, &sdk);
    if std::env::var_os("STEPZERO_DRAW").is_some() {
        std::fs::write(&file, &drawn).expect("the file can be written");
    }
    assert!(std::fs::read_to_string(file).is_ok_and(|kept| kept == drawn), "draw docs/boots.svg anew");
    let page = std::fs::read_to_string(root.join("RELIABILITY.md")).expect("it is there");
    let figures = |outcome: &Outcome| {
        let last = outcome.started.last().copied().unwrap_or_default();
        let factor = f64::from(outcome.calls) / f64::from(THOUSAND.boots * THOUSAND.calls);
        format!("| {} | {} | {last:.1} s | {factor:.1} × |", outcome.started.len(), outcome.failed)
    };
    for figures in [figures(&ours), figures(&sdk), format!("| 1000 | 0 | {:.1} s | 1.0 × |", THOUSAND.floor())] {
        assert!(page.contains(&figures), "not in RELIABILITY.md: {figures}");
    }
}

/// 30 keys in four scopes are 12 calls, and their lock is 3.
#[test]
fn the_figures_of_a_lock_are_true() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("RELIABILITY.md"));
    let page = page.expect("it is there");
    for (what, calls) in [("the spec", 12), ("its lock", 3)] {
        let Outcome { started, failed, longest, calls: asked } = Fleet { calls, ..THOUSAND }.boot(Who::Stepzero, 1);
        let figures = format!("| {what} | {calls} | {} | {failed} | {longest:.1} s | {asked} |", started.len());
        assert!(page.contains(&figures), "not in RELIABILITY.md: {figures}");
    }
}

fn picture(ours: &Outcome, sdk: &Outcome) -> String {
    let floor = vec![(0.0, 0.0), (THOUSAND.floor(), 1.0), (SECONDS, 1.0)];
    let lines = [
        ("the AWS SDK", Role::Peer, curve(sdk)),
        ("stepzero", Role::Ours, curve(ours)),
        ("the floor", Role::Floor, floor),
    ];
    let lines = lines.into_iter().map(|(name, role, points)| Line { name: name.into(), role, points });
    let seconds = (0..=6).map(|tick| (f64::from(tick * 20), format!("{} s", tick * 20)));
    let shares = (0..=4).map(|tick| (f64::from(tick) / 4.0, format!("{} %", tick * 25)));
    let chart = Chart {
        title: "How many of 1000 machines have started",
        subtitle: "All boot at once, 3 calls each, against a quota of 40 calls a second".into(),
        x: Axis { from: 0.0, to: SECONDS, logarithmic: false, ticks: seconds.collect(), name: "after the boot" },
        y: Axis { from: 0.0, to: 1.0, logarithmic: false, ticks: shares.collect(), name: "" },
        lines: lines.collect(),
    };
    chart.draw()
}

/// One step for every half second.
fn curve(outcome: &Outcome) -> Vec<(f64, f64)> {
    let halves = (0..=240).map(|half| f64::from(half) / 2.0);
    let started = |seconds: f64| outcome.started.partition_point(|at| *at <= seconds) as f64;
    halves.map(|seconds| (seconds, started(seconds) / f64::from(THOUSAND.boots))).collect()
}
