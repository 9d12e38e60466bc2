//! The figures as a table in Markdown, and as a picture.

use std::fmt::Write as _;

use crate::chart::{Axis, Chart, Line, Role};
use crate::tool::{BARE, FLOOR, STEPZERO};
use crate::{Case, Outcome};

type Outcomes = [(&'static str, Outcome)];

/// One case: a row for each tool.
pub fn table(case: &Case, outcomes: &Outcomes) -> String {
    let mut text = format!("\n### {}\n\n", title(case));
    text.push_str(
        "| tool | wall ms | × bare | × floor | CPU ms | RSS MB | page faults | system calls | connections | calls |\n",
    );
    text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    let wall = |name: &str| {
        let found = outcomes.iter().find(|(tool, _)| *tool == name);
        found.and_then(|(_, outcome)| outcome.as_ref().ok()).map(|result| result.cost.wall.as_secs_f64())
    };
    let (bare, floor) = (wall(BARE), wall(FLOOR));
    for (tool, outcome) in outcomes {
        let row = match outcome {
            Err(why) => format!("| {tool} | failed: {} | | | | | | | | |", why.replace('|', "/")),
            Ok(result) => {
                let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
                let ratio = |other: Option<f64>| {
                    other.map_or_else(String::new, |other| format!("{:.2}", result.cost.wall.as_secs_f64() / other))
                };
                format!(
                    "| {tool} | {:.1} | {} | {} | {:.1} | {:.1} | {} | {} | {} | {} |",
                    ms(result.cost.wall),
                    ratio(bare),
                    ratio(floor),
                    ms(result.cost.cpu),
                    result.cost.rss_kib as f64 / 1024.0,
                    result.cost.faults,
                    result.system_calls.map_or_else(|| "no strace".into(), |calls| calls.to_string()),
                    result.seen.connections,
                    result.seen.calls,
                )
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{row}");
    }
    text
}

fn title(case: &Case) -> String {
    let from = if case.imds { "credentials from IMDS" } else { "static keys" };
    let (size, delay) = (case.size, case.delay);
    if size == 0 {
        return "nothing to fetch".to_owned();
    }
    let connect = if case.slow_connect { ", and a connection" } else { "" };
    match delay {
        0 => format!("{size} parameters, {from}, no delay"),
        _ => format!("{size} parameters, {from}, {delay} ms an answer{connect}"),
    }
}

/// The cases that the picture shows.
const SHOWN: &str = " parameters, credentials from IMDS, 20 ms an answer";

/// Time over the number of parameters, each tool a line, of the tables that `table` has written.
pub fn picture(tables: &str) -> String {
    let lines = lines(tables);
    let last = |points: &[(f64, f64)]| points.last().map_or(f64::MAX, |point| point.1);
    let peers = lines.iter().filter(|(name, _)| ![BARE, FLOOR, STEPZERO].contains(&name.as_str()));
    let best = peers.min_by(|one, other| last(&one.1).total_cmp(&last(&other.1))).map(|(name, _)| name.clone());
    let bare = lines.iter().find(|(name, _)| name == BARE).map(|(_, points)| last(points)).unwrap_or_default();
    let named = |(name, points): (String, Vec<(f64, f64)>)| match name.as_str() {
        FLOOR => Line { name: "the floor".into(), role: Role::Floor, points },
        STEPZERO => Line { name, role: Role::Ours, points },
        _ if Some(&name) == best.as_ref() => Line { name, role: Role::Peer, points },
        _ => Line { name, role: Role::Other, points },
    };
    let sizes = [3.0, 10.0, 30.0, 100.0, 500.0].map(|size: f64| (size, size.to_string()));
    let times = [50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0].map(|ms: f64| (ms, format!("{ms} ms")));
    let chart = Chart {
        title: "From the start to the end of /bin/true",
        subtitle: format!("Credentials from IMDS, 20 ms an answer; /bin/true alone takes {bare:.1} ms"),
        x: Axis { from: 2.5, to: 500.0, logarithmic: true, ticks: sizes.into(), name: "parameters" },
        y: Axis { from: 50.0, to: 2000.0, logarithmic: true, ticks: times.into(), name: "" },
        lines: lines.into_iter().filter(|(name, _)| name != BARE).map(named).collect(),
    };
    chart.draw()
}

/// Each tool, and its milliseconds for each number of parameters. The same program linked in another way is no tool of its own.
fn lines(tables: &str) -> Vec<(String, Vec<(f64, f64)>)> {
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    let mut size = None;
    for row in tables.lines() {
        if let Some(title) = row.strip_prefix("### ") {
            size = title.strip_suffix(SHOWN).and_then(|size| size.parse::<f64>().ok());
        } else if !row.is_empty() && !row.starts_with('|') {
            // A page has text and other tables behind these.
            size = None;
        }
        let (Some(size), Some(cells)) = (size, row.strip_prefix("| ")) else { continue };
        let mut cells = cells.split(" | ");
        let (Some(tool), Some(Ok(ms))) = (cells.next(), cells.next().map(str::parse::<f64>)) else { continue };
        if tool.starts_with("stepzero-") {
            continue;
        }
        match lines.iter_mut().find(|(name, _)| name == tool) {
            Some((_, points)) => points.push((size, ms)),
            None => lines.push((tool.to_owned(), vec![(size, ms)])),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    /// `STEPZERO_DRAW=1 cargo test --package bench` draws it anew.
    #[test]
    fn the_picture_shows_the_figures_of_the_page() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let file = root.join("docs/bench.svg");
        let page = std::fs::read_to_string(root.join("BENCHMARKS.md")).expect("it is in the repository");
        let lines = super::lines(&page);
        assert!(lines.len() > 5 && lines.iter().all(|(_, points)| points.len() >= 3), "{lines:?}");
        let drawn = super::picture(&page);
        if std::env::var_os("STEPZERO_DRAW").is_some() {
            std::fs::write(&file, &drawn).expect("the file can be written");
        }
        assert!(std::fs::read_to_string(file).is_ok_and(|kept| kept == drawn), "draw docs/bench.svg anew");
    }
}
