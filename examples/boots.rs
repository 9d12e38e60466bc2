//! Draws how a fleet of 1000 machines starts against a quota of 40 calls a second: `cargo run --example boots > docs/boots.svg`.
//! The figures go to stderr.

#[path = "../tests/faults/boots.rs"]
mod boots;

use boots::{Outcome, THOUSAND, Who};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
/// The time axis ends here.
const SECONDS: f64 = 120.0;

fn main() {
    let (ours, sdk) = (THOUSAND.boot(Who::Stepzero, 1), THOUSAND.boot(Who::SdkDefault, 1));
    for (name, outcome) in [("stepzero", &ours), ("SDK default", &sdk)] {
        let last = outcome.started.last().copied().unwrap_or_default();
        let (started, failed, calls) = (outcome.started.len(), outcome.failed, outcome.calls);
        eprintln!(
            "{name}: {started} started, the last after {last:.1} s; {failed} failed; {calls} calls, {:.2} x needed",
            f64::from(calls) / f64::from(THOUSAND.boots * THOUSAND.calls)
        );
    }
    eprintln!("floor: {:.1} s", THOUSAND.floor());
    println!("{}", picture(&ours, &sdk));
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
