//! Draws how a fleet of 1000 machines starts against a quota of 40 calls a second, and holds `docs/boots.svg` and the figures
//! of RELIABILITY.md to it. `STEPZERO_DRAW=1 cargo test --lib picture` draws it anew.

use std::path::Path;

use super::{Outcome, THOUSAND, Who};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
/// The time axis ends here.
const SECONDS: f64 = 120.0;

#[test]
fn the_picture_and_the_figures_are_true() {
    let (ours, sdk) = (THOUSAND.boot(Who::Stepzero, 1), THOUSAND.boot(Who::SdkDefault, 1));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("docs/boots.svg");
    let drawn = format!("{}\n", picture(&ours, &sdk));
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

fn picture(ours: &Outcome, sdk: &Outcome) -> String {
    let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
    let (width, height) = (right + 30.0, bottom + 50.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <title>1000 machines start at once, 3 calls each, 40 calls a second</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\">Share started: 1000 machines at once, 3 calls each, a quota of 40 calls a second</text>\n"
    );
    for tick in 0..=6 {
        let (x, seconds) = (across(f64::from(tick) * 20.0), tick * 20);
        svg += &format!(
            "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{seconds} s</text>\n",
            bottom + 20.0
        );
    }
    for tick in 0..=4 {
        let (y, percent) = (up(f64::from(tick) / 4.0), tick * 25);
        svg += &format!(
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent} %</text>\n",
            LEFT - 6.0,
            y + 4.0
        );
    }
    let floor = format!("M{:.1} {:.1}L{:.1} {:.1}H{right}", across(0.0), up(0.0), across(THOUSAND.floor()), up(1.0));
    let lines = [
        ("the floor: boots × calls ÷ quota", floor, "#888\" stroke-dasharray=\"5 4"),
        ("stepzero, 120 s deadline", curve(ours), "#0a6"),
        ("the SDK's default, 3 attempts", curve(sdk), "#c33"),
    ];
    for (at, (name, path, color)) in (0_u8..).zip(lines) {
        let y = bottom - 70.0 + f64::from(at) * 20.0;
        let (from, to) = (right - 240.0, right - 215.0);
        svg += &format!("<path d=\"{path}\" fill=\"none\" stroke-width=\"2\" stroke=\"{color}\"/>\n");
        svg += &format!(
            "<path d=\"M{from} {y}H{to}\" stroke-width=\"2\" stroke=\"{color}\"/><text x=\"{}\" y=\"{}\">{name}</text>\n",
            to + 6.0,
            y + 4.0
        );
    }
    svg + "</svg>"
}

/// One step for every half second.
fn curve(outcome: &Outcome) -> String {
    let mut path = format!("M{:.1} {:.1}", across(0.0), up(0.0));
    for half in 1..=240 {
        let seconds = f64::from(half) / 2.0;
        let started = outcome.started.partition_point(|at| *at <= seconds);
        let share = started as f64 / f64::from(THOUSAND.boots);
        path += &format!("L{:.1} {:.1}", across(seconds), up(share));
    }
    path
}

fn across(seconds: f64) -> f64 {
    LEFT + WIDTH * seconds / SECONDS
}

fn up(share: f64) -> f64 {
    TOP + HEIGHT * (1.0 - share)
}
