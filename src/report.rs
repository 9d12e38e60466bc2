//! What `plan` and `check` print: a table for people, or JSON for programs (`docs/json.md`). There is no value to print.
#![forbid(unsafe_code)]

mod check;
mod plan;

pub use check::check;
pub use plan::plan;

use std::io::{self, IsTerminal as _};

use serde_json::Value as Json;

use crate::environment::Target;
use crate::error::escaped;

/// The version of the JSON formats: raised when a field goes or changes its meaning, not when one is added.
const FORMAT: u32 = 1;

fn target(target: Target) -> &'static str {
    match target {
        Target::Environment => "environment",
        Target::File { .. } => "file",
    }
}

fn pretty(json: &Json) -> String {
    // A Json of strings, numbers and booleans always prints.
    serde_json::to_string_pretty(json).unwrap_or_default() + "\n"
}

/// Aligned columns, one line a row. On a terminal that is too narrow for them, one cell below the other. On a terminal the
/// heading is bold, unless `NO_COLOR` is set (<https://no-color.org>).
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    for row in rows {
        let cells = (0..columns).map(|at| row.get(at).map(|cell| escaped(cell)).unwrap_or_default());
        table.add_row(cells.collect::<Vec<_>>());
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let is_terminal = io::stdout().is_terminal();
    // A terminal can be without a size, as a serial console is.
    let size = is_terminal.then(terminal_size::terminal_size).flatten();
    if size.is_some_and(|(width, _)| lines.iter().any(|line| line.chars().count() > width.0.into())) {
        return stacked(rows);
    }
    let colour = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = lines.iter().enumerate().map(|(at, line)| match at {
        0 if colour => format!("\x1b[1m{line}\x1b[0m\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// Each row as its first cell, and the others below it, each behind its heading. A row without a first cell goes on with the
/// row before it.
fn stacked(rows: &[Vec<String>]) -> String {
    let Some((headings, rows)) = rows.split_first() else { return String::new() };
    let mut text = String::new();
    for item in rows.chunk_by(|_, next| next[0].is_empty()) {
        text.push_str(&format!("{}\n", escaped(&item[0][0])));
        for (at, heading) in headings.iter().enumerate().skip(1) {
            let cells = item.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_empty());
            let cells: Vec<String> = cells.map(|cell| escaped(cell)).collect();
            if !cells.is_empty() {
                text.push_str(&format!("  {}: {}\n", heading.to_lowercase(), cells.join("\n    ")));
            }
        }
    }
    text
}

/// To stdout. A reader that has gone away is no error.
pub fn print(text: &str) -> io::Result<()> {
    match crate::sys::write_stdout(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
