//! The figures as a table in Markdown, and as a picture.

use std::fmt::Write as _;

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

const COLOURS: &[&str] = &["#888888", "#2a9d2a", "#d62828", "#1d6fb8", "#e08a00", "#7a3fb0", "#00898a", "#5b4636"];
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 50.0;

/// Time over the number of parameters, both on logarithmic axes, each tool a line: with IMDS and 20 ms an answer.
pub fn picture(results: &[(Case, Vec<(&'static str, Outcome)>)]) -> String {
    let shown = |case: &Case| case.imds && case.delay == 20 && !case.slow_connect;
    let mut lines: Vec<(&str, Vec<(f64, f64)>)> = Vec::new();
    for (case, outcomes) in results.iter().filter(|(case, _)| shown(case)) {
        for (tool, outcome) in outcomes {
            let Ok(result) = outcome else { continue };
            let point = (case.size as f64, result.cost.wall.as_secs_f64() * 1e3);
            match lines.iter_mut().find(|(name, _)| name == tool) {
                Some((_, points)) => points.push(point),
                None => lines.push((tool, vec![point])),
            }
        }
    }
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"20\" \
         font-size=\"14\">Start to exit of /bin/true, credentials from IMDS, 20 ms an answer</text>\n"
    );
    axes(&mut svg);
    for (at, (tool, points)) in lines.iter().enumerate() {
        line(&mut svg, tool, points, COLOURS[at % COLOURS.len()], at);
    }
    svg.push_str("</svg>\n");
    svg
}

fn x(size: f64) -> f64 {
    LEFT + (size / 2.0).ln() / (700f64 / 2.0).ln() * (WIDTH - LEFT - 130.0)
}

fn y(ms: f64) -> f64 {
    HEIGHT - BOTTOM - (ms / 0.5).ln() / (4000f64 / 0.5).ln() * (HEIGHT - BOTTOM - 40.0)
}

fn axes(svg: &mut String) {
    for ms in [1.0, 10.0, 80.0, 100.0, 1000.0] {
        let (at, right) = (y(ms), WIDTH - 130.0);
        let _ = writeln!(svg, "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>");
        if ms != 80.0 {
            let _ =
                writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{ms} ms</text>", LEFT - 6.0, at + 4.0);
        }
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#777\">80 ms: four answers, one after the other</text>",
        LEFT + 6.0,
        y(80.0) + 14.0
    );
    for size in [3.0, 10.0, 100.0, 500.0] {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{size}</text>",
            x(size),
            HEIGHT - BOTTOM + 18.0
        );
    }
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">parameters</text>", WIDTH / 2.0 - 60.0, HEIGHT - 10.0);
}

fn line(svg: &mut String, tool: &str, points: &[(f64, f64)], colour: &str, at: usize) {
    let way: Vec<String> = points.iter().map(|(size, ms)| format!("{:.1},{:.1}", x(*size), y(*ms))).collect();
    let width = if tool == STEPZERO { 3 } else { 1 };
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
        way.join(" ")
    );
    let top = 50.0 + 18.0 * at as f64;
    let _ = writeln!(svg, "<text x=\"{}\" y=\"{top}\" fill=\"{colour}\">{tool}</text>", WIDTH - 120.0);
}
