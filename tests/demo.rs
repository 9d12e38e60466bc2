//! `docs/demo.svg` is the terminal of a real run of the demo, and holds it to what the demo prints today.
//! `STEPZERO_DRAW=1 cargo test --test demo` draws it anew.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The parts that are shown, by how they begin. A picture of all of them would not fit a page.
const SHOWN: [&str; 3] = ["exec: ", "check: ", "A parameter that does not exist"];
const COLUMNS: usize = 120;
const LINE: usize = 19;
/// Of a character of a monospaced font, in thousandths of its size.
const ADVANCE: usize = 602;
const SIZE: usize = 14;
const MARGIN: usize = 20;
const BAR: usize = 34;

#[test]
fn the_picture_is_what_the_demo_prints() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/demo.svg");
    let drawn = picture(&shown(&terminal()));
    if std::env::var_os("STEPZERO_DRAW").is_some() {
        std::fs::write(&file, &drawn).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(&file).expect("docs/demo.svg is in the repository");
    assert_eq!(words(&kept), words(&drawn), "draw docs/demo.svg anew: STEPZERO_DRAW=1 cargo test --test demo");
}

/// What the demo prints on a terminal, bold and dim included, without what differs from run to run.
fn terminal() -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let demo = format!("stty cols {COLUMNS} && exec '{cargo}' run --quiet --locked --example demo");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &demo, "/dev/null"]).stdin(Stdio::null());
    script.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("NO_COLOR").env("SHELL", "/bin/sh");
    // As in the demo: with these, which cargo sets for a test, ring is built anew.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|begin| name.to_string_lossy().starts_with(begin)) {
            script.env_remove(name);
        }
    }
    let output = script.output().expect("script is of util-linux, which every Debian has");
    let text = String::from_utf8(output.stdout).expect("the demo prints text");
    assert!(output.status.success(), "the demo failed:\n{text}");
    text.replace("\r\n", "\n")
}

/// The parts of `SHOWN`, with the process's number as a fixed one.
fn shown(text: &str) -> String {
    let parts: Vec<&str> =
        text.split("\n\n").filter(|part| SHOWN.iter().any(|begin| part.starts_with(begin))).collect();
    assert_eq!(parts.len(), SHOWN.len(), "the demo has other parts now:\n{text}");
    let words = parts.join("\n\n");
    let mut pieces = words.split("process ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        text + "process " + if rest.len() < piece.len() { "4711" } else { "" } + rest
    })
}

/// A line of the terminal: its pieces, each with the style that was on.
fn lines(text: &str) -> Vec<Vec<(String, &'static str)>> {
    let (mut lines, mut line, mut width, mut style) = (Vec::new(), Vec::<(String, &str)>::new(), 0, "");
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            let code: String = chars.by_ref().take_while(|c| !c.is_ascii_alphabetic()).collect();
            style = match code.as_str() {
                "[1" => " class=\"b\"",
                "[2" => " class=\"d\"",
                "[31" | "[1;31" => " class=\"r\"",
                "[32" | "[1;32" => " class=\"g\"",
                "[33" | "[1;33" => " class=\"y\"",
                _ => "",
            };
            continue;
        }
        // The terminal breaks a line where it ends, in the middle of a word.
        if c == '\n' || width == COLUMNS {
            lines.push(std::mem::take(&mut line));
            width = 0;
        }
        if c != '\n' {
            match line.last_mut() {
                Some((piece, last)) if *last == style => piece.push(c),
                _ => line.push((c.into(), style)),
            }
            width += 1;
        }
    }
    lines.push(line);
    lines
}

fn picture(text: &str) -> String {
    let lines = lines(text);
    let advance = |columns: usize| columns * ADVANCE * SIZE / 1000;
    let (width, height) = (2 * MARGIN + advance(COLUMNS), BAR + MARGIN + lines.len() * LINE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"{SIZE}\">\n\
         <title>A terminal with a run of the demo</title>\n<style>text {{ fill: #ddd; white-space: pre }} \
         .b {{ fill: #fff; font-weight: bold }} .d {{ fill: #999 }} .r {{ fill: #f88 }} .g {{ fill: #8d8 }} .y {{ fill: #fd7 }}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1c1f26\"/>\n"
    );
    for at in 0..3 {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(svg, "<circle cx=\"{}\" cy=\"17\" r=\"5\" fill=\"#555b66\"/>", MARGIN + 5 + at * 18);
    }
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let columns: usize = line.iter().map(|(piece, _)| piece.chars().count()).sum();
        let pieces: String =
            line.iter().map(|(piece, style)| format!("<tspan{style}>{}</tspan>", escaped(piece))).collect();
        // textLength keeps columns in line, whatever the font is.
        let _ = writeln!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{}\" xml:space=\"preserve\" textLength=\"{}\">{pieces}</text>",
            BAR + (at + 1) * LINE - 5,
            advance(columns)
        );
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text of a picture, without how it is drawn.
fn words(svg: &str) -> String {
    let body = svg.split_once("</style>").map_or(svg, |(_, body)| body);
    body.split('<').filter_map(|tag| Some(tag.split_once('>')?.1)).collect()
}
